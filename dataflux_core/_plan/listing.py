"""Decide which page of the namespace is asked for next."""

from __future__ import annotations

import heapq
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING

from dataflux_core._plan.keyspace import Frame, KeySpace

if TYPE_CHECKING:
    from collections.abc import Sequence

_MIN_PAGES_PER_PART = 1.5  # less is finished by its owner before a thief's round trip pays
_MAX_STANDSTILL = 20  # more would be a loop; a service under strain has been seen to send a few
_MIN_UNKNOWN_PAGES = 3.0  # above all characters seen there may be as many again
_MOST_PAGES = 10**300  # names of a thousand characters make numbers that are too large for a float
_MAX_BLIND_CUTS = 5  # of a range of which nobody knows how far its names go on


@dataclass(frozen=True, slots=True)
class Span:
    """One page to ask for: names from `start` on, below `end`; with a token, where that left off."""

    range_id: int
    start: str
    end: str | None  # None: to the end of the scope
    token: str = ""
    victim_id: int | None = None  # the range that this one was cut from, on its first page only
    folder: str | None = None  # only what lies directly in it, with the folders there; None: whatever lies below
    most_objects: int | None = None  # on the page; None: as many as the service gives


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The names from `start` on, below `end`."""

    start: str
    end: str | None  # None: no bound

    @classmethod
    def everything(cls) -> KeyRange:
        return cls("", None)


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the plan learns from a page, before anything is filtered out."""

    count: int
    first: str
    last: str
    sample: tuple[str, ...]  # names spread over the page
    next_token: str
    prefixes: tuple[str, ...] = ()  # the folders in the folder that was asked for


@dataclass(frozen=True, slots=True)
class Kept:
    """Which names of a page belong to the range that asked: above `after`, below `end`; None: no bound.

    `covered` is the part of the namespace that is finished with this page: the covered parts of all pages are disjoint
    and add up to the ranges that the plan began with. Where names repeat, the page's last name is kept but not covered
    while a token follows: it may come again.

    What lies in `folders` belongs to pages of their own: it is not covered, and those pages stand between the names of
    this one.
    """

    after: str | None
    end: str | None
    covered: KeyRange
    folders: tuple[str, ...] = ()


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
    token_span: Span | None = None  # a token goes on only with the bounds that it was given for
    in_flight: bool = False
    page_first: str = ""  # of the latest page that brought any
    page_objects: int = 0
    standstill: int = 0  # empty pages in a row whose token was the one asked with
    blind: bool = True  # whether names reach up to `end` is not known
    futile: bool = False  # since the latest page, all that was cut off was empty


@dataclass(slots=True)
class PlanCounts:
    """What splitting did."""

    splits: int = 0  # ranges handed to an idle lister
    empty_halves: int = 0  # of these, how many held nothing
    folders: int = 0  # listed one by one


@dataclass(slots=True)
class ListingPlan:
    """The live key ranges of one listing: always disjoint, together with the finished ones always the whole scope.

    A *victim* is a range that is cut; a *thief* is the part beyond the cut, an idle lister's. A range is *blind* while
    nobody knows whether names reach up to its end, a cut *futile* when nothing lay beyond it.

    A page is a probe that brings objects: an idle lister takes the far part of the range with most left, by asking
    for the page at the cut. Where nothing lies there the answer says so, for the price of a probe.
    """

    parallelism: int
    ranges: InitVar[Sequence[KeyRange]] = (KeyRange.everything(),)  # what to list: disjoint, in any order
    names_repeat: bool = False  # several generations of a name are listed: only a token goes on amid them
    counts: PlanCounts = field(default_factory=PlanCounts)
    _space: KeySpace = field(default_factory=KeySpace)
    _live: dict[int, _Range] = field(default_factory=dict)
    _next_id: int = 0
    _page_objects: int = 1  # the fullest page seen

    def __post_init__(self, ranges: Sequence[KeyRange]) -> None:
        for key_range in ranges:
            self._add(key_range.start, key_range.end, None)

    @property
    def done(self) -> bool:
        return not self._live

    @property
    def live_ranges(self) -> int:
        return len(self._live)

    def next_spans(self, free: int) -> list[Span]:
        """Return up to `free` pages to ask for now: ranges go on first, then the largest are split."""
        free = max(0, free)
        waiting = [live for live in self._live.values() if not live.in_flight]
        spans = [self._ask(live) for live in waiting[:free]]
        free = min(free - len(spans), self.parallelism - len(self._live))
        if free > 0:
            spans.extend(self._ask(thief) for thief in self._split(free))
        return spans

    def give_back(self, span: Span) -> None:
        """Take back a page that nobody will bring: it is asked for again."""
        self._live[span.range_id].in_flight = False

    def hand_over(self) -> list[KeyRange]:
        """Give up the ranges that no page is asked for; return what is left of them."""
        idle = [live for live in self._live.values() if not live.in_flight]
        for live in idle:
            del self._live[live.id]
        return [KeyRange(live.start if live.cursor is None else self._beyond(live.cursor), live.end) for live in idle]

    def receive(self, span: Span, facts: PageFacts) -> Kept:
        """Learn from the answer to `span`; return which of its names to keep. Raises NoProgress."""
        live = self._live[span.range_id]
        live.in_flight = False
        after = self._check(live, span, facts)
        covered_from = live.start if live.cursor is None else self._beyond(live.cursor)
        if facts.count:
            self._advance(live, facts)
        elif not facts.next_token and live.first is None and live.victim is not None:
            self.counts.empty_halves += 1
            if live.victim.end == live.start:
                live.victim.blind = live.victim.futile = True
        end = live.end if live.end is not None and facts.count and facts.last >= live.end else None
        finished = not facts.next_token or end is not None
        if finished:
            del self._live[live.id]
        elif live.cursor is not None and live.end != span.end and not self.names_repeat:
            live.token, live.token_span = "", None  # cut meanwhile: ask again from the cursor, under the new end
        else:
            live.token, live.token_span = facts.next_token, span
        covered_to = live.end if finished else covered_from if live.cursor is None else self._beyond(live.cursor)
        return Kept(after, end, KeyRange(covered_from, covered_to))

    def _check(self, live: _Range, span: Span, facts: PageFacts) -> str | None:
        """Refuse answers that do not advance; return the name up to which the page repeats what is known."""
        live.standstill = live.standstill + 1 if facts.next_token and facts.next_token == span.token else 0
        if live.standstill and (facts.count or live.standstill > _MAX_STANDSTILL):
            raise NoProgress(f"the page token {span.token[:40]!r} was answered with itself")
        if not facts.count:
            return None
        if facts.first > facts.last or facts.first < span.start:
            raise NoProgress(f"names out of order: {facts.first!r} to {facts.last!r} in answer to {span.start!r}")
        if live.cursor is None or facts.first > live.cursor:
            return None
        if facts.first < live.cursor:
            raise NoProgress(f"name {facts.first!r} came again after {live.cursor!r}")
        if self.names_repeat:
            return None  # another generation
        return live.cursor  # asked again from the cursor, which startOffset includes

    def _advance(self, live: _Range, facts: PageFacts) -> None:
        if live.first is None:
            live.first = facts.first
            if live.victim is not None and live.victim.end == live.start:
                live.victim.blind = False
        live.cursor = facts.last
        live.page_first, live.page_objects = facts.first, facts.count
        live.futile = False
        self._page_objects = max(self._page_objects, facts.count)
        self._space.learn([*facts.sample, facts.last])

    def _beyond(self, cursor: str) -> str:
        """Return from where on a range is unfinished whose pages reached `cursor`."""
        return cursor if self.names_repeat else cursor + "\0"

    def _add(self, start: str, end: str | None, victim: _Range | None) -> _Range:
        added = _Range(self._next_id, start, end, victim)
        self._next_id += 1
        self._live[added.id] = added
        return added

    def _ask(self, live: _Range) -> Span:
        live.in_flight = True
        asked = live.token_span
        if asked is not None and (asked.end == live.end or live.cursor is None or self.names_repeat):
            return Span(live.id, asked.start, asked.end, live.token)
        live.token, live.token_span = "", None
        victim_id = live.victim.id if live.victim is not None and live.first is None else None
        return Span(live.id, live.start if live.cursor is None else live.cursor, live.end, victim_id=victim_id)

    def _split(self, free: int) -> list[_Range]:
        """Cut the ranges with most left into parts of about equal size, for up to `free` idle listers."""
        outlooks = [self._outlook(live) for live in self._live.values() if live.cursor is not None]
        shares = [(-outlook.pages_left / 2, 1, place) for place, outlook in enumerate(outlooks)]
        heapq.heapify(shares)
        while free > 0 and shares and -shares[0][0] >= _MIN_PAGES_PER_PART:
            _, cuts, place = heapq.heappop(shares)
            outlooks[place].cuts = cuts
            free -= 1
            if cuts < outlooks[place].max_cuts:
                heapq.heappush(shares, (-outlooks[place].pages_left / (cuts + 2), cuts + 1, place))
        return [thief for outlook in outlooks if outlook.cuts for thief in self._cut(outlook)]

    def _outlook(self, live: _Range) -> _Outlook:
        """Estimate what is left to `live` beyond the page in flight, from how far its pages brought it."""
        low = live.cursor or ""
        frame = self._space.frame(live.page_first, live.end, fine=low)
        page_span = (frame.number(low) - frame.bottom) * self._page_objects // max(1, live.page_objects)
        left = frame.top - frame.number(low) - page_span
        pages_left = min(left, max(1, page_span) * _MOST_PAGES) / max(1, page_span)
        if live.end is None:
            pages_left = max(pages_left, _MIN_UNKNOWN_PAGES)
        max_cuts = _MAX_BLIND_CUTS if live.blind else self.parallelism
        if live.futile:
            max_cuts = pages_left = 0  # left alone until its next page tells more
        return _Outlook(live, frame, page_span, pages_left, max_cuts)

    def _cut(self, outlook: _Outlook) -> list[_Range]:
        victim = outlook.live
        low, frame = victim.cursor or "", outlook.frame
        numbers = outlook.numbers()
        slack = (numbers[0] - frame.number(low)) // 4
        names = sorted({frame.name(number, slack=slack) for number in numbers})
        cuts = [name for name in names if name > low and (victim.end is None or name < victim.end)]
        if not cuts:
            victim.futile = True  # no string lies where a cut is wanted
            return []
        ends = [*cuts[1:], victim.end]
        victim.end = cuts[0]
        self.counts.splits += len(cuts)
        return [self._add(start, end, victim) for start, end in zip(cuts, ends, strict=True)]


@dataclass(slots=True)
class _Outlook:
    """What is thought to be left of a range, in the numbers of a frame."""

    live: _Range
    frame: Frame
    page_span: int
    pages_left: float
    max_cuts: int
    cuts: int = 0

    def numbers(self) -> list[int]:
        """Place the cuts: evenly where names are known to reach the end, else at distances that grow.

        How far the names go on is unknown over many orders of magnitude: doubling distances find it in one round,
        each part being as plausible an end as the next.
        """
        low = self.frame.number(self.live.cursor or "") + self.page_span
        left = self.frame.top - low
        if not self.live.blind:
            return [low + left * part // (self.cuts + 1) for part in range(1, self.cuts + 1)]
        growth = max(1.0, self.pages_left) ** (1 / (self.cuts + 1))
        highest = self.frame.top if self.live.end is not None else self.frame.unknown
        return [
            min(highest, low + self.page_span * int(growth**part * 2**16) // 2**16) for part in range(1, self.cuts + 1)
        ]
