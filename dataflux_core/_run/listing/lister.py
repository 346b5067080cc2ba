"""List a scope with many page requests in flight."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._plan.listing import ListingPlan, NoProgress, PageFacts, Span
from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.listing.observer import ListingStats, Observer, PageEvent
from dataflux_core._run.listing.pages import Outcome, RemoteLister, outcome_of
from dataflux_core._run.processes import spare_cores
from dataflux_core._run.retries import Attempt, Retries, RetryRule
from dataflux_core._wire.listing import FetchedPage, Scope, list_request
from dataflux_core._wire.refusal import bucket_error
from dataflux_core._wire.strain import strain_of
from dataflux_core.errors import ListingInexact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._run.access import Access
    from dataflux_core._wire.message import Answer
    from dataflux_core._wire.page import Page

log = logging.getLogger(__name__)

_PAGES_BEFORE_PROCESSES = 8  # a bucket that ends before has no use for another process
_FIRST_REQUESTS = 64  # at once; a tenth of what a cold bucket takes, however near it is: 5000 reads/s


@dataclass(frozen=True, slots=True)
class ListingOptions:
    """How a scope is listed."""

    parallelism: int
    rule: RetryRule
    observer: Observer | None = None


@dataclass(slots=True, eq=False)
class _Question:
    """A page asked for, where, when."""

    span: Span
    lister: int = 0
    asked_s: float = 0.0


class Lister:
    """One listing under way: the plan decides, this thread and its helper processes fetch."""

    def __init__(self, access: Access, scope: Scope, options: ListingOptions, stats: ListingStats) -> None:
        self.stats = stats
        self._access = access
        self._scope = scope
        self._options = options
        self._plan = ListingPlan(options.parallelism)
        self._pace = Pace(ceiling=options.parallelism, start=_FIRST_REQUESTS)
        self._retries: Retries[_Question] = Retries(options.rule, access.authorization)
        self._queue: deque[Attempt[_Question]] = deque()
        self._remote: list[RemoteLister] = []
        self._buried: list[RemoteLister] = []
        self._pages = 0

    def pages(self) -> Iterator[Page]:
        """Yield the pages as they arrive, in no order, disjoint, together the whole scope; raises DatafluxError.

        Closing the iterator early ends the listing.
        """
        began_s = time.perf_counter()
        with lease(self._access.endpoint) as self._transport, ExitStack() as self._exit:
            while not self._plan.done:
                self._ask()
                for attempt, outcome in self._wait():
                    page = self._learn(attempt, outcome)
                    if page is not None and page.count:
                        self.stats.objects += page.count
                        yield page
        self.stats.elapsed_s = time.perf_counter() - began_s
        self.stats.splits, self.stats.empty_halves = self._plan.counts.splits, self._plan.counts.empty_halves
        bucket, classes = self._scope.bucket, self._scope.storage_classes
        if self.stats.left_out and not self.stats.objects:
            left_out = self.stats.left_out
            log.warning("list.all_left_out bucket=%s objects=%d storage_classes=%s", bucket, left_out, classes)
        log.info("list.done bucket=%s prefix=%s %s", self._scope.bucket, self._scope.prefix, self.stats)

    @property
    def _in_flight(self) -> int:
        return self._transport.in_flight + sum(len(remote.asked) for remote in self._remote)

    def _ask(self) -> None:
        """Send what is due: first what is tried again, then what the plan wants."""
        self._queue.extend(self._retries.due())
        held = self._in_flight + len(self._queue) + len(self._retries)
        for span in self._plan.next_spans(self._pace.window - held):
            self._queue.append(Attempt(_Question(span)))
        if self._queue:
            self._start_processes()
            authorization = self._access.authorization.header()
            while self._queue and self._in_flight < self._pace.window:
                attempt = self._queue.popleft()
                self._send(attempt, authorization)
                attempt.level = self._pace.sent(self._in_flight)
        self.stats.peak_in_flight = max(self.stats.peak_in_flight, self._in_flight)
        self.stats.window = self._pace.window

    def _start_processes(self) -> None:
        """Add a process per spare core once the bucket has shown itself to be large."""
        if self._remote or self._pages < _PAGES_BEFORE_PROCESSES or self._plan.live_ranges < _PAGES_BEFORE_PROCESSES:
            return
        self._pages = -(1 << 62)  # decided, whatever comes of it
        for _ in range(min(spare_cores(), self._options.parallelism - 1)):
            remote = RemoteLister(self._access.endpoint, self._scope)
            self._exit.callback(remote.close)
            self._remote.append(remote)
            self._transport.watch(remote.descriptor)
            self._exit.callback(self._unwatch, remote)
            self.stats.processes += 1

    def _send(self, attempt: Attempt[_Question], authorization: str) -> None:
        """Give a page to whoever has least to do."""
        attempt.begin(authorization)
        question = attempt.item
        question.asked_s = time.perf_counter()
        question.lister = 0
        self.stats.calls += 1
        remote = min(
            (remote for remote in self._remote if remote.alive), key=lambda remote: len(remote.asked), default=None
        )
        if remote is None or len(remote.asked) > self._transport.in_flight:
            request = list_request(self._scope, question.span)
            self._transport.start(request, attempt, authorization=authorization)
            return
        question.lister = 1 + self._remote.index(remote)
        remote.ask(self.stats.calls, question.span, authorization, attempt)

    def _wait(self) -> list[tuple[Attempt[_Question], Outcome]]:
        happened = self._transport.wait(self._patience_s())
        outcomes = [(attempt, outcome_of(self._scope, answer)) for attempt, answer in happened.answers]
        for remote in self._remote:
            if remote.descriptor in happened.readable:
                told = remote.tell()
                if told is not None:
                    outcomes.append(told)
            if remote.alive and self._silent_s(remote) > self._max_silence_s:
                remote.kill()
            if not remote.alive:
                self._bury(remote)
        return outcomes

    @property
    def _max_silence_s(self) -> float:
        """Return how long a lister process may owe a page: a stalled request ends sooner by itself."""
        return self._access.endpoint.connect_timeout_s + 2.0 * self._access.endpoint.stall_timeout_s

    def _silent_s(self, remote: RemoteLister) -> float:
        asked_s = min((attempt.item.asked_s for attempt in remote.asked.values()), default=None)
        return 0.0 if asked_s is None else time.perf_counter() - asked_s

    def _patience_s(self) -> float | None:
        limits_s = [self._max_silence_s - self._silent_s(remote) + 0.1 for remote in self._remote if remote.asked]
        pause_s = self._retries.next_due_s()
        return min(limits_s if pause_s is None else [*limits_s, pause_s], default=None)

    def _bury(self, remote: RemoteLister) -> None:
        """Take back the pages of a process that died: others fetch them."""
        if remote not in self._buried:
            log.warning("list.process_died pid=%d pages=%d", remote.pid, len(remote.asked))
            self._buried.append(remote)
            self._unwatch(remote)
        self._queue.extend(remote.asked.values())
        remote.asked.clear()

    def _unwatch(self, remote: RemoteLister) -> None:
        self._transport.unwatch(remote.descriptor)

    def _learn(self, attempt: Attempt[_Question], outcome: Outcome) -> Page | None:
        """Hand an outcome to the plan; return the page's part that belongs to its range."""
        if not isinstance(outcome, FetchedPage):
            self._refused(attempt, outcome)
            return None
        self._pace.learn(attempt.level, "clean")
        self._retries.answered()
        self._pages += 1
        self.stats.received_bytes += outcome.received_bytes
        self.stats.left_out += outcome.count - outcome.page.count
        question = attempt.item
        facts = PageFacts(outcome.count, outcome.first, outcome.last, outcome.sample, outcome.next_token)
        try:
            kept = self._plan.receive(question.span, facts)
        except NoProgress as error:
            raise ListingInexact(self._scope.bucket, str(error)) from error
        self._report(question, outcome)
        if kept.after is None and kept.end is None:
            return outcome.page
        return outcome.page.between(kept.after, kept.end)

    def _refused(self, attempt: Attempt[_Question], answer: Answer) -> None:
        """Try again later what may be; raise what may not."""
        strain = strain_of(answer)
        if strain is not None:
            self._pace.learn(attempt.level, strain)
        if not self._retries.again(attempt, answer):
            raise bucket_error(answer, bucket=self._scope.bucket, endpoint=self._access.endpoint.base_url)
        self.stats.retries = self._retries.count
        self.stats.retries_by_cause = dict(self._retries.by_cause)
        log.debug("list.retry span=%s status=%d failure=%s", attempt.item.span, answer.status, answer.failure)

    def _report(self, question: _Question, page: FetchedPage) -> None:
        now_s = time.perf_counter()
        log.debug(
            "list.page start=%r objects=%d elapsed_s=%.3f", question.span.start, page.count, now_s - question.asked_s
        )
        if self._options.observer is not None:
            self._options.observer(
                PageEvent(
                    question.span.range_id,
                    question.lister,
                    question.asked_s,
                    now_s,
                    page.count,
                    page.first,
                    page.last,
                    self._in_flight,
                )
            )
