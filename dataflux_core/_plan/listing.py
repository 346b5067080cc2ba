"""Decide which page of the namespace is asked for next."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from dataflux_core._plan.keyspace import KeySpace, common_prefix, successor_of_prefix

_MIN_PAGES_TO_SPLIT = 1.5  # less is finished by its owner before a thief's round trip pays
_MAX_LEVELS = 4  # cuts above one page's common prefix in one round
_MAX_BLIND_CUTS = 8  # cuts of a range whose remaining mass is anybody's guess


@dataclass(frozen=True, slots=True)
class Span:
    """One page to ask for: names from `start` on, below `end`; with a token, where that left off."""

    range_id: int
    start: str
    end: str | None  # None: to the end of the scope
    token: str = ""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the plan learns from a page, before anything is filtered out."""

    count: int
    first: str
    last: str
    sample: tuple[str, ...]  # names spread over the page
    next_token: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Which names of a page belong to the range that asked: above `after`, below `end`; None: no bound."""

    after: str | None
    end: str | None


class NoProgress(Exception):
    """The service's answers contradict each other, so that no exact listing can come of them."""


@dataclass(slots=True)
class _Range:
    """A half-open key range [start, end) that one lister works through; only its part above `cursor` is left."""

    id: int
    start: str
    end: str | None
    victim: _Range | None = None
    first: str | None = None
    cursor: str | None = None  # the greatest name received
    token: str = ""
    token_end: str | None = None  # a token goes on only under the end that it was given for
    in_flight: bool = False
    objects: int = 0
    page_prefix: str = ""  # what the names of the latest page share
    futile_cuts: int = 0  # cuts since the latest page whose far side turned out empty


@dataclass(slots=True)
class PlanCounts:
    """What splitting did."""

    splits: int = 0  # ranges handed to an idle lister
    empty_halves: int = 0  # of these, how many held nothing


@dataclass(slots=True)
class ListingPlan:
    """The live key ranges of one listing: always disjoint, together with the finished ones always the whole scope.

    A page is a probe that brings objects: an idle lister takes the far part of the range with most left, by asking
    for the page at the cut. Where nothing lies there the answer says so, for the price of a probe.
    """

    parallelism: int
    counts: PlanCounts = field(default_factory=PlanCounts)
    _space: KeySpace = field(default_factory=KeySpace)
    _live: dict[int, _Range] = field(default_factory=dict)
    _next_id: int = 0
    _page_objects: int = 1  # the fullest page seen

    def __post_init__(self) -> None:
        self._add("", None, None)

    @property
    def done(self) -> bool:
        return not self._live

    @property
    def live_ranges(self) -> int:
        return len(self._live)

    def next_spans(self, free: int) -> list[Span]:
        """Return up to `free` pages to ask for now: ranges go on first, then the largest are split."""
        waiting = [live for live in self._live.values() if not live.in_flight]
        spans = [self._ask(live) for live in waiting[:free]]
        free = min(free - len(spans), self.parallelism - len(self._live))
        while free > 0:
            thieves = self._split_largest(free)
            if not thieves:
                break
            spans.extend(self._ask(thief) for thief in thieves)
            free -= len(thieves)
        return spans

    def give_back(self, span: Span) -> None:
        """Take back a page that nobody will bring: it is asked for again."""
        self._live[span.range_id].in_flight = False

    def receive(self, span: Span, facts: PageFacts) -> Kept:
        """Learn from the answer to `span`; return which of its names to keep. Raises NoProgress."""
        live = self._live[span.range_id]
        live.in_flight = False
        after = self._check(live, span, facts)
        if facts.count:
            self._advance(live, facts)
        elif not facts.next_token and live.first is None and live.victim is not None:
            self.counts.empty_halves += 1
            live.victim.futile_cuts += 1
        end = live.end if live.end is not None and facts.count and facts.last >= live.end else None
        if not facts.next_token or end is not None:
            del self._live[live.id]
        elif live.cursor is not None and live.end != span.end:
            live.token, live.token_end = "", None  # cut meanwhile: ask again from the cursor, under the new end
        else:
            live.token, live.token_end = facts.next_token, span.end
        return Kept(after, end)

    def _check(self, live: _Range, span: Span, facts: PageFacts) -> str | None:
        """Refuse answers that do not advance; return the name up to which the page repeats what is known."""
        if facts.next_token and facts.next_token == span.token:
            raise NoProgress(f"the page token {span.token[:40]!r} was answered with itself")
        if not facts.count:
            return None
        if facts.first > facts.last or facts.first < span.start:
            raise NoProgress(f"names out of order: {facts.first!r} to {facts.last!r} in answer to {span.start!r}")
        if live.cursor is None or facts.first > live.cursor:
            return None
        if span.token or facts.first < live.cursor:
            raise NoProgress(f"name {facts.first!r} came again after {live.cursor!r}")
        return live.cursor

    def _advance(self, live: _Range, facts: PageFacts) -> None:
        if live.first is None:
            live.first = facts.first
            if live.victim is not None:
                live.victim.futile_cuts = 0
        live.cursor = facts.last
        live.objects += facts.count
        live.page_prefix = common_prefix(facts.first, facts.last)
        live.futile_cuts = 0
        self._page_objects = max(self._page_objects, facts.count)
        self._space.learn([*facts.sample, facts.last])

    def _add(self, start: str, end: str | None, victim: _Range | None) -> _Range:
        added = _Range(self._next_id, start, end, victim)
        self._next_id += 1
        self._live[added.id] = added
        return added

    def _ask(self, live: _Range) -> Span:
        live.in_flight = True
        if live.token and (live.token_end == live.end or live.cursor is None):
            return Span(live.id, live.start, live.token_end, live.token)
        live.token = ""
        return Span(live.id, live.start if live.cursor is None else live.cursor, live.end)

    def _split_largest(self, free: int) -> list[_Range]:
        """Cut the range with most left, or the next one where no cut lies; return the parts for idle listers."""
        sized = [(self._pages_left(live), live.id) for live in self._live.values() if live.objects]
        for pages_left, range_id in sorted(sized, reverse=True):
            if pages_left < _MIN_PAGES_TO_SPLIT:
                break
            victim = self._live[range_id]
            if victim.futile_cuts and not math.isinf(pages_left):
                continue  # left alone until its next page tells more
            cuts = self._cuts(victim, pages_left, free)
            if cuts:
                return self._cut(victim, cuts)
        return []

    def _pages_left(self, live: _Range) -> float:
        """Estimate the pages left to `live` beyond the one in flight, from how far its pages brought it."""
        if live.first is None or live.cursor is None:
            return 0.0
        if live.end is None and live.page_prefix:
            return math.inf
        done = self._space.fraction(live.first, live.cursor, live.end)
        if done <= 0.0:
            return math.inf
        return live.objects / self._page_objects * (1.0 - done) / done - 1.0

    def _cuts(self, victim: _Range, pages_left: float, free: int) -> list[str]:
        """Choose where to cut `victim`, in ascending order."""
        low = victim.cursor or victim.start
        if victim.end is None or victim.futile_cuts:
            levels = self._levels(victim, low)
            if levels:
                return levels[: min(free, _MAX_LEVELS)]
        wanted = _MAX_BLIND_CUTS if math.isinf(pages_left) else max(1, int(pages_left / _MIN_PAGES_TO_SPLIT))
        return self._space.cuts(low, victim.end, min(free, wanted))

    def _levels(self, victim: _Range, low: str) -> list[str]:
        """Return the bounds of the subtrees that the latest page lay in, the smallest subtree first.

        What lies beyond a page is unknown; that its siblings, and its parents' siblings, begin at these bounds is
        certain, and the highest bound above which nothing lies becomes the end of the namespace.
        """
        prefix = victim.page_prefix
        depths = range(len(prefix), 0, -1)
        step = max(1, math.ceil(len(prefix) / _MAX_LEVELS))
        bounds = [successor_of_prefix(prefix[:depth]) for depth in depths[::step]]
        levels = {bound for bound in bounds if bound is not None and bound > low}
        return sorted(bound for bound in levels if victim.end is None or bound < victim.end)

    def _cut(self, victim: _Range, cuts: list[str]) -> list[_Range]:
        ends = [*cuts[1:], victim.end]
        victim.end = cuts[0]
        self.counts.splits += len(cuts)
        return [self._add(start, end, victim) for start, end in zip(cuts, ends, strict=True)]
