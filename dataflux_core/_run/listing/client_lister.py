"""List through the public methods of a client that is not a plain storage.Client."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import msgspec

from dataflux_core._plan.listing import ListingPlan, NoProgress, PageFacts, Span
from dataflux_core._run.crew import Crew
from dataflux_core._run.listing.blobs import BlobItem, check_times, list_arguments
from dataflux_core._run.listing.tally import Question, Tally
from dataflux_core._wire.listing import MAX_PAGE_OBJECTS, SAMPLED_NAMES, FetchedPage, Scope, sorted_out
from dataflux_core.errors import ListingInexact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dataflux_core._run.listing.observer import ListingStats
    from dataflux_core._run.listing.options import ListingOptions
    from dataflux_core._wire.page import Page


@dataclass(frozen=True, slots=True)
class _Fetched:
    question: Question
    page: FetchedPage


class ClientLister:
    """A listing by `client.bucket(name).list_blobs(…)`: in threads for a storage.Client's subclass.

    A fake may not stand threads, so it is asked for one page at a time. Its retries are the client's own.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - a client or a fake of one
        scope: Scope,
        retry_config: Any,  # noqa: ANN401 - google.api_core ships no types
        options: ListingOptions,
        stats: ListingStats,
    ) -> None:
        self._client = client
        self._scope = scope
        self._retry_config = retry_config
        self._options = options
        self._tally = Tally(stats, 1, None)
        self._begun: dict[int, Iterator[Any]] = {}  # by range, where names repeat: the blobs of the pages to come
        self.stats = stats

    def pages(self) -> Iterator[Page]:
        """Yield the pages as they arrive, in no order, disjoint, together the whole scope."""
        from google.cloud import storage  # noqa: PLC0415 - slow import

        threads = min(self._options.parallelism, 32) if isinstance(self._client, storage.Client) else 1
        plan = ListingPlan(threads, self._options.ranges, names_repeat=self._scope.selection.names_repeat)
        tally = self._tally = Tally(self.stats, threads, self._options.onlooker)
        with Crew[_Fetched](threads, "dataflux-list") as crew, ExitStack() as at_exit:
            at_exit.callback(tally.finish, plan.counts)
            while not plan.done:
                for span in plan.next_spans(threads - crew.running):
                    question = Question(span)
                    crew.submit(partial(self._fetch, question))
                    tally.sent(question, 0)
                tally.at_work(crew.running)
                page = self._learn(plan, crew.take(), crew.running)
                self.stats.objects += page.count
                tally.hand_over()
                yield page
                tally.take_back()

    def _learn(self, plan: ListingPlan, answer: _Fetched, in_flight: int) -> Page:
        question, fetched = answer.question, answer.page
        facts = PageFacts(fetched.count, fetched.first, fetched.last, fetched.sample, fetched.next_token)
        try:
            kept = plan.receive(question.span, facts)
        except NoProgress as error:
            raise ListingInexact(self._scope.bucket, str(error)) from error
        self._tally.received(question, fetched, in_flight)
        left_out = fetched.dropped.between(kept.after, kept.end).count
        self.stats.left_out += left_out
        page = fetched.page.between(kept.after, kept.end)
        if self._options.checkpoint is not None:
            self._options.checkpoint.append([(kept.covered, page)], left_out)
        return page

    def _fetch(self, question: Question) -> _Fetched:
        """Ask for one page; where it is full there may be more, and its last name serves as the token."""
        span = question.span
        if self._scope.selection.names_repeat:
            return self._fetched(question, *self._go_on(span))
        items = [BlobItem(blob) for blob in self._blobs(span.token or span.start, span.end, MAX_PAGE_OBJECTS)]
        full = len(items) >= MAX_PAGE_OBJECTS
        if span.token and items and items[0].name == span.token:
            del items[0]
        return self._fetched(question, items, items[-1].name if full and items else "")

    def _go_on(self, span: Span) -> tuple[list[BlobItem], str]:
        """Take a page from where the range's last one ended: amid the generations of a name, no name could say that."""
        blobs = self._begun.pop(span.range_id) if span.token else iter(self._blobs(span.start, span.end, None))
        items = [BlobItem(blob) for blob in islice(blobs, MAX_PAGE_OBJECTS)]
        following = list(islice(blobs, 1))
        if not following:
            return items, ""
        self._begun[span.range_id] = chain(following, blobs)
        return items, str(int(span.token or 0) + 1)

    def _blobs(self, start: str, end: str | None, max_results: int | None) -> Iterable[Any]:
        payer = {"user_project": self._scope.user_project} if self._scope.user_project else {}
        list_blobs = self._client.bucket(self._scope.bucket, **payer).list_blobs
        blobs: Iterable[Any] = list_blobs(
            max_results=max_results,
            start_offset=start,
            end_offset=end or "",
            prefix=self._scope.prefix,
            retry=self._retry_config,
            **list_arguments(self._scope.selection, list_blobs),
        )
        return blobs

    def _fetched(self, question: Question, items: list[BlobItem], token: str) -> _Fetched:
        check_times(self._scope.selection, items)
        first, last = (items[0].name, items[-1].name) if items else ("", "")
        sample = tuple(item.name for item in items[:: max(1, len(items) // SAMPLED_NAMES)])
        try:
            kept, dropped = sorted_out(self._scope, items, [item.name for item in items])
        except msgspec.DecodeError as error:
            raise ListingInexact(self._scope.bucket, str(error)) from error
        return _Fetched(question, FetchedPage(kept, len(items), first, last, sample, token, 0, (), dropped))
