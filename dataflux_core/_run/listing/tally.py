"""Keep the books of one listing, for its stats as for who looks on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._plan.lister_time import LevelMeter
from dataflux_core._run.listing.observer import DeathEvent, FailedEvent, ListingStats, Onlooker, PageEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflux_core._plan.listing import PlanCounts, Span
    from dataflux_core._wire.listing import FetchedPage

_SLIVER = 0.1  # of the fullest page


@dataclass(slots=True, eq=False)
class Question:
    """A page asked for: where, of whom, when, how often."""

    span: Span
    lister: int = 0
    asked_s: float = 0.0
    attempt: int = 0


@dataclass(slots=True)
class _RangeCount:
    is_stolen: bool
    pages: int = 0
    objects: int = 0


class Tally:
    """What was asked, what came of it, when; a few additions a page."""

    def __init__(self, stats: ListingStats, ceiling: int, onlooker: Onlooker | None) -> None:
        self.stats = stats
        stats.ceiling = ceiling
        self._onlooker = onlooker
        self._began_s = time.perf_counter()
        self._meter = LevelMeter(ceiling, self._began_s)
        self._open: set[Question] = set()
        self._ranges: dict[int, _RangeCount] = {}
        self._fullest = 0
        self._empty_s = self._failed_s = 0.0
        self._computed_s: float | None = time.thread_time()
        self._handed_over_s = 0.0

    def sent(self, question: Question, lister: int) -> None:
        """Learn that a page is asked for now."""
        question.lister = lister
        question.asked_s = time.perf_counter()
        question.attempt += 1
        self._open.add(question)
        self.stats.calls += 1

    def at_work(self, in_flight: int, held_back: int = 0) -> None:
        """Learn how many pages are asked for now, how many more the service's refusals forbid."""
        self.stats.peak_in_flight = max(self.stats.peak_in_flight, in_flight)
        self._meter.change(time.perf_counter(), in_flight, held_back)

    def received(self, question: Question, page: FetchedPage, in_flight: int) -> float:
        """Learn of a page; return how long it took, in seconds."""
        now_s, stats, span = time.perf_counter(), self.stats, question.span
        self._open.discard(question)
        counts = self._ranges.setdefault(span.range_id, _RangeCount(span.victim_id is not None))
        counts.pages += 1
        counts.objects += page.count
        stats.longest_chain = max(stats.longest_chain, counts.pages)
        if not page.next_token and not counts.is_stolen:
            del self._ranges[span.range_id]  # nobody will ask: there may be as many ranges as folders
        self._fullest = max(self._fullest, page.count)
        if page.count or page.prefixes:
            stats.pages += 1
        else:
            stats.empty_pages += 1
            self._empty_s += now_s - question.asked_s
        if self._onlooker is not None:
            self._onlooker(_page_event(question, page, now_s, in_flight))
        return now_s - question.asked_s

    def failed(self, question: Question, cause: str) -> None:
        """Learn that a request brought no page."""
        now_s = time.perf_counter()
        self._open.discard(question)
        self._failed_s += now_s - question.asked_s
        if self._onlooker is not None:
            span = question.span
            self._onlooker(
                FailedEvent(
                    span.range_id, question.lister, question.asked_s, now_s, cause, question.attempt, span.start
                )
            )

    def died(self, lister: int, owed: Iterable[Question]) -> None:
        """Learn that a process is gone, with the pages that it owed."""
        questions = list(owed)
        for question in questions:
            self.failed(question, "process died")
        if self._onlooker is not None:
            self._onlooker(DeathEvent(lister, time.perf_counter(), len(questions)))

    def hand_over(self) -> None:
        """Learn that the caller gets a page: until `take_back` time passes on its account."""
        if self._computed_s is not None:
            self.stats.cpu_s += max(0.0, time.thread_time() - self._computed_s)
        self._computed_s, self._handed_over_s = None, time.perf_counter()

    def take_back(self) -> None:
        self.stats.caller_s += time.perf_counter() - self._handed_over_s
        self._computed_s = time.thread_time()

    def finish(self, counts: PlanCounts) -> None:
        """Close the books, however the listing ended."""
        for question in sorted(self._open, key=lambda question: question.asked_s):
            self.failed(question, "unanswered")
        now_s, stats = time.perf_counter(), self.stats
        if self._computed_s is not None:
            self.hand_over()
        stats.splits, stats.empty_halves, stats.folders = counts.splits, counts.empty_halves, counts.folders
        few = _SLIVER * self._fullest
        stats.slivers = sum(1 for part in self._ranges.values() if part.is_stolen and 0 < part.objects < few)
        stats.idle = self._meter.idle(now_s)
        stats.ramp_half_s, stats.ramp_full_s = self._meter.half_s, self._meter.full_s
        # A request is timed a little longer than it is metered: no part may be more than what is left of the whole.
        stats.empty_s = min(self._empty_s, self._meter.busy_s)
        stats.failed_s = min(self._failed_s, self._meter.busy_s - stats.empty_s)
        stats.pages_s = self._meter.busy_s - stats.empty_s - stats.failed_s
        stats.elapsed_s = now_s - self._began_s


def _page_event(question: Question, page: FetchedPage, now_s: float, in_flight: int) -> PageEvent:
    span = question.span
    return PageEvent(
        span.range_id,
        question.lister,
        question.asked_s,
        now_s,
        page.count,
        page.first,
        page.last,
        in_flight,
        start=span.start,
        end=span.end,
        victim_id=span.victim_id,
        attempts=question.attempt,
        received_bytes=page.received_bytes,
        folders=len(page.prefixes),
    )
