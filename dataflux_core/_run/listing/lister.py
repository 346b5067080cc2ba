"""List a scope with many page requests in flight."""

from __future__ import annotations

import logging
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dataflux_core._plan.folders import FolderPlan, covered_ranges
from dataflux_core._plan.listing import Kept, ListingPlan, NoProgress, PageFacts
from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.listing.hierarchy import Inquiry
from dataflux_core._run.listing.pages import Outcome, RemoteLister, outcome_of
from dataflux_core._run.listing.tally import Question, Tally
from dataflux_core._run.processes import spare_cores
from dataflux_core._run.retries import Attempt, Retries
from dataflux_core._wire.listing import FetchedPage, Scope, list_request
from dataflux_core._wire.refusal import listing_error
from dataflux_core._wire.strain import strain_of
from dataflux_core.errors import ListingInexact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._run.access import Access
    from dataflux_core._run.listing.observer import ListingStats
    from dataflux_core._run.listing.options import ListingOptions
    from dataflux_core._run.retries import RetryRule
    from dataflux_core._wire.message import Answer
    from dataflux_core._wire.page import Page

log = logging.getLogger(__name__)

_PAGES_BEFORE_PROCESSES = 8  # a bucket that ends before has no use for another process
_FIRST_REQUESTS = 256  # at once: a cold bucket takes 5000 reads/s, so these in 51 ms


class Lister:
    """One listing under way: the plan decides, this thread and its helper processes fetch."""

    def __init__(
        self, access: Access, scope: Scope, rule: RetryRule, options: ListingOptions, stats: ListingStats
    ) -> None:
        self.stats = stats
        self._tally = Tally(stats, options.parallelism, options.onlooker)
        self._access = access
        self._scope = scope
        self._options = options
        names_repeat = scope.selection.names_repeat
        flat = ListingPlan(options.parallelism, options.ranges, names_repeat=names_repeat)
        self._plan = FolderPlan(options.parallelism, flat, scope.prefix) if options.hierarchical else flat
        self._inquiry = Inquiry(scope, options)
        self._pace = Pace(ceiling=options.parallelism, start=_FIRST_REQUESTS)
        self._retries: Retries[Question] = Retries(rule, access.authorization)
        self._queue: deque[Attempt[Question]] = deque()
        self._remote: list[RemoteLister] = []
        self._buried: list[RemoteLister] = []
        self._pages = 0

    def pages(self) -> Iterator[Page]:
        """Yield the pages as they arrive, in no order, disjoint, together the whole scope; raises DatafluxError.

        Closing the iterator early ends the listing.
        """
        with lease(self._access.endpoint) as self._transport, ExitStack() as self._exit:
            self._exit.callback(self._tally.finish, self._plan.counts)
            while not self._plan.done:
                self._ask()
                for attempt, outcome in self._wait():
                    for page in self._learn(attempt, outcome):
                        self.stats.objects += page.count
                        self._tally.hand_over()
                        yield page
                        self._tally.take_back()
        if self.stats.left_out and not self.stats.objects and not self._scope.selection.judges_objects:
            self._warn_of_nothing()
        log.info("list.done bucket=%s prefix=%s %s", self._scope.bucket, self._scope.prefix, self.stats)

    def _warn_of_nothing(self) -> None:
        """Tell who wonders about an empty result; where no logging is set up, Python prints this to stderr."""
        classes = self._scope.storage_classes
        log.warning(
            'list.all_left_out bucket=%s prefix=%r objects=%d storage_classes=%s advice="%s"',
            self._scope.bucket,
            self._scope.prefix,
            self.stats.left_out,
            "all" if classes is None else ",".join(classes),
            "only temporaries and names that end in / are there"
            if classes is None
            else "allowed_storage_classes=None lists objects of all classes",
        )

    @property
    def _in_flight(self) -> int:
        return self._transport.in_flight + sum(len(remote.asked) for remote in self._remote)

    @property
    def _held_back(self) -> int:
        """Return how many requests the service's refusals keep from being sent."""
        return self._options.parallelism - self._pace.window + len(self._retries)

    def _ask(self) -> None:
        """Send what is due: first what is tried again, then what the plan wants."""
        self._inquire()
        self._queue.extend(self._retries.due())
        held = self._in_flight + len(self._queue) + len(self._retries)
        for span in self._plan.next_spans(self._pace.window - held):
            self._queue.append(Attempt(Question(span)))
        if self._queue:
            self._start_processes()
            authorization = self._access.authorization.header()
            while self._queue and self._in_flight < self._pace.window:
                attempt = self._queue.popleft()
                self._send(attempt, authorization)
                attempt.level = self._pace.sent(self._in_flight)
        self._tally.at_work(self._in_flight, self._held_back)
        self.stats.window = self._pace.window

    def _inquire(self) -> None:
        """Ask about the bucket's folders once that is worth a call."""
        if self._inquiry.is_due(self.stats.pages + self.stats.empty_pages):
            self._inquiry.ask(self._transport, self._access.authorization.header())

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

    def _send(self, attempt: Attempt[Question], authorization: str) -> None:
        """Give a page to whoever has least to do."""
        attempt.begin(authorization)
        question = attempt.item
        remote = min(
            (remote for remote in self._remote if remote.alive), key=lambda remote: len(remote.asked), default=None
        )
        if remote is None or len(remote.asked) > self._transport.in_flight:
            self._tally.sent(question, 0)
            request = list_request(self._scope, question.span)
            self._transport.start(request, attempt, authorization=authorization)
            return
        self._tally.sent(question, 1 + self._remote.index(remote))
        remote.ask(self.stats.calls, question.span, authorization, attempt)

    def _wait(self) -> list[tuple[Attempt[Question], Outcome]]:
        happened = self._transport.wait(self._patience_s())
        outcomes: list[tuple[Attempt[Question], Outcome]] = []
        for attempt, answer in happened.answers:
            if attempt is self._inquiry:
                self._choose_plan(answer)
            else:
                outcomes.append((attempt, outcome_of(self._scope, answer)))
        for remote in self._remote:
            if remote.descriptor in happened.readable:
                outcomes.extend(remote.tell())
            if remote.alive and remote.silent_s > self._max_silence_s:
                remote.kill()
            if not remote.alive:
                self._bury(remote)
        return outcomes

    @property
    def _max_silence_s(self) -> float:
        """Return how long a lister process may owe a page: a stalled request ends sooner by itself."""
        return self._access.endpoint.connect_timeout_s + 2.0 * self._access.endpoint.stall_timeout_s

    def _patience_s(self) -> float | None:
        limits_s = [self._max_silence_s - remote.silent_s + 0.1 for remote in self._remote if remote.asked]
        pause_s = self._retries.next_due_s()
        return min(limits_s if pause_s is None else [*limits_s, pause_s], default=None)

    def _bury(self, remote: RemoteLister) -> None:
        """Take back the pages of a process that died: others fetch them."""
        if remote not in self._buried:
            log.warning("list.process_died pid=%d pages=%d", remote.pid, len(remote.asked))
            self._buried.append(remote)
            self._unwatch(remote)
            self._tally.died(1 + self._remote.index(remote), (attempt.item for attempt in remote.asked.values()))
        self._queue.extend(remote.asked.values())
        remote.asked.clear()

    def _unwatch(self, remote: RemoteLister) -> None:
        self._transport.unwatch(remote.descriptor)

    def _choose_plan(self, answer: Answer) -> None:
        """Go on folder by folder where the bucket has folders; pages in flight stay as they were asked for."""
        if isinstance(self._plan, ListingPlan) and self._inquiry.read(answer):
            self._plan = FolderPlan(self._options.parallelism, self._plan, self._scope.prefix)

    def _learn(self, attempt: Attempt[Question], outcome: Outcome) -> list[Page]:
        """Hand an outcome to the plan; return what of the page belongs to its range, empty pages left out."""
        if not isinstance(outcome, FetchedPage):
            self._refused(attempt, outcome)
            return []
        self._pace.learn(attempt.level, "clean")
        self._retries.answered()
        self._pages += 1
        self.stats.received_bytes += outcome.received_bytes
        question, page = attempt.item, outcome
        facts = PageFacts(page.count, page.first, page.last, page.sample, page.next_token, page.prefixes)
        try:
            kept = self._plan.receive(question.span, facts)
        except NoProgress as error:
            raise ListingInexact(self._scope.bucket, str(error)) from error
        self._report(question, outcome)
        return [page for page in self._parts(kept, outcome) if page.count]

    def _parts(self, kept: Kept, fetched: FetchedPage) -> list[Page]:
        """Keep what is kept of a page: one part, or those between the folders that have pages of their own."""
        page, checkpoint = fetched.page, self._options.checkpoint
        if kept.folders:
            if not fetched.count and checkpoint is None:
                return []
            ranges = covered_ranges(kept)
            pages = page.parts(ranges)
            left_out = sum(part.count for part in fetched.dropped.parts(ranges)) if fetched.dropped.count else 0
        else:
            ranges = [kept.covered]
            is_whole = kept.after is None and kept.end is None
            pages = [page if is_whole else page.between(kept.after, kept.end)]
            left_out = (fetched.dropped if is_whole else fetched.dropped.between(kept.after, kept.end)).count
        self.stats.left_out += left_out
        if checkpoint is not None:
            checkpoint.append(zip(ranges, pages, strict=True), left_out)
        return pages

    def _refused(self, attempt: Attempt[Question], answer: Answer) -> None:
        """Try again later what may be; raise what may not."""
        strain = strain_of(answer)
        if strain is not None:
            self._pace.learn(attempt.level, strain)
        self._tally.failed(attempt.item, str(answer.status or "connection"))
        if not self._retries.again(attempt, answer):
            raise listing_error(answer, self._scope, endpoint=self._access.endpoint.base_url)
        self.stats.retries = self._retries.count
        self.stats.retries_by_cause = dict(self._retries.by_cause)
        log.debug("list.retry span=%s status=%d failure=%s", attempt.item.span, answer.status, answer.failure)

    def _report(self, question: Question, page: FetchedPage) -> None:
        in_flight = self._in_flight
        took_s = self._tally.received(question, page, in_flight)
        self._tally.at_work(in_flight, self._held_back)
        log.debug("list.page start=%r objects=%d elapsed_s=%.3f", question.span.start, page.count, took_s)
