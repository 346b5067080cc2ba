"""Decide which page of the namespace is asked for next."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field, replace
from typing import TYPE_CHECKING

from dataflux_core._plan.cuts import Outlook, Share, Spent, haste, shares
from dataflux_core._plan.keyspace import Frame
from dataflux_core._plan.live_ranges import NEXT, LiveRange, LiveRanges
from dataflux_core._plan.symbols import Doubting, NameModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._plan.keyspace import Model

_MAX_STANDSTILL = 20  # more would be a loop; a service under strain has been seen to send a few
_MAX_GROWTH = 1000  # times as many pages as were seen: what promises more is no estimate
_PATIENCE_PAGES = 4  # a blind range that went on for so long is cut whatever that may waste
_ROUNDING = 32  # of the way to a cut, this part may be given up for a shorter text
_LEARNED_PAGES = 64  # from then on first pages are learned from,
_LEARNED_EVERY = 6  # with one in so many of all
_TRAIL_NAMES = 64
_PROBED_OBJECTS = 250


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

    def __contains__(self, name: str) -> bool:
        return self.start <= name and (self.end is None or name < self.end)

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
class PlanCounts:
    """What splitting did."""

    splits: int = 0  # ranges handed to an idle lister
    empty_halves: int = 0  # of these, how many held nothing
    folders: int = 0  # listed one by one


@dataclass(slots=True)
class ListingPlan:
    """The live key ranges of one listing: always disjoint, together with the finished ones always the whole scope.

    A *victim* is a range that is cut; a *thief* is the part beyond the cut, an idle lister's. A range is *blind* while
    nobody knows whether names reach up to its end: that is known as soon as the range behind it brings some.

    A page is a probe that brings objects: an idle lister takes the far part of the range with most left, by asking
    for the page at the cut. Where nothing lies there the answer says so, for the price of a probe.
    """

    parallelism: int
    ranges: InitVar[Sequence[KeyRange]] = (KeyRange.everything(),)  # what to list: disjoint, in any order
    names_repeat: bool = False  # several generations of a name are listed: only a token goes on amid them
    counts: PlanCounts = field(default_factory=PlanCounts)
    _names: NameModel = field(default_factory=NameModel)
    _live: LiveRanges = field(default_factory=LiveRanges)
    _calls: int = 0  # answered
    _objects: int = 0
    _splits: int = 0  # of this plan alone, where `counts` may be those of many folders
    _empty: int = 0  # halves, likewise
    _page_objects: int = 1  # the fullest page seen

    def __post_init__(self, ranges: Sequence[KeyRange]) -> None:
        for key_range in ranges:
            self._live.put_back(self._live.add(key_range.start, key_range.end))

    @property
    def done(self) -> bool:
        return not self._live

    @property
    def live_ranges(self) -> int:
        return len(self._live)

    @property
    def _is_hasty(self) -> bool:
        return haste(self.parallelism) > 1

    def next_spans(self, free: int) -> list[Span]:
        """Return up to `free` pages to ask for now: ranges go on first, then the largest are split."""
        free = max(0, free)
        spans = [self._ask(live) for live in self._live.take(free)]
        free = min(free - len(spans), self.parallelism - len(self._live))
        if free > 0:
            spans.extend(self._ask(thief) for thief in self._split(free))
        return spans

    def give_back(self, span: Span) -> None:
        """Take back a page that nobody will bring: it is asked for again."""
        self._live.put_back(self._live[span.range_id])

    def hand_over(self) -> list[KeyRange]:
        """Give up the ranges that no page is asked for; return what is left of them."""
        idle = self._live.take(len(self._live))
        for live in idle:
            self._live.remove(live)
        return [KeyRange(self._left_from(live), live.end) for live in idle]

    def receive(self, span: Span, facts: PageFacts) -> Kept:
        """Learn from the answer to `span`; return which of its names to keep. Raises NoProgress."""
        live = self._live[span.range_id]
        self._calls += 1
        after = self._check(live, span, facts)
        covered_from = self._left_from(live)
        if facts.count:
            self._advance(live, facts)
        elif not facts.next_token and live.first is None and live.victim_id is not None:
            self._found_empty(live)
        end = live.end if live.end is not None and facts.count and facts.last >= live.end else None
        finished = not facts.next_token or end is not None
        if finished:
            self._live.remove(live)
            return Kept(after, end, KeyRange(covered_from, live.end))
        if live.cursor is not None and live.end != span.end and not self.names_repeat:
            live.token, live.token_span = "", None  # cut meanwhile: ask again from the cursor, under the new end
        else:
            live.token, live.token_span = facts.next_token, span
        self._live.put_back(live)
        return Kept(after, end, KeyRange(covered_from, self._left_from(live)))

    def _check(self, live: LiveRange, span: Span, facts: PageFacts) -> str | None:
        """Refuse answers that do not advance; return the name up to which the page repeats what is known."""
        live.standstill = live.standstill + 1 if facts.next_token and facts.next_token == span.token else 0
        if live.standstill and (facts.count or live.standstill > _MAX_STANDSTILL):
            raise NoProgress(f"the page token {span.token[:40]!r} was answered with itself")
        if not facts.count:
            return None
        if facts.first > facts.last or facts.first < span.start:
            raise NoProgress(f"names out of order: {facts.first!r} to {facts.last!r} in answer to {span.start!r}")
        known = self._known(live)
        if known is None or facts.first > known:
            return None
        if facts.first < known:
            raise NoProgress(f"name {facts.first!r} came again after {known!r}")
        if self.names_repeat:
            return None  # another generation
        return known  # asked again from there, which startOffset includes

    def _advance(self, live: LiveRange, facts: PageFacts) -> None:
        is_first = live.first is None
        if is_first:
            live.first = facts.first
            left = self._live.left_of(live)
            if left is not None:
                left.blind, left.outlook = False, None
        live.cursor = facts.last
        live.page_first, live.page_objects = facts.first, facts.count
        live.futile = False
        ended = live.outlook is not None and live.outlook.most_pages_left < 1
        live.overdue_pages = live.overdue_pages + 1 if ended or live.overdue_pages >= _PATIENCE_PAGES else 0
        live.outlook = None
        live.pages_uncut += 1
        self._page_objects = max(self._page_objects, facts.count)
        self._objects += facts.count
        if self.parallelism > 1:  # a single range is never cut
            self._learn(live, facts, is_first=is_first)

    def _learn(self, live: LiveRange, facts: PageFacts, *, is_first: bool) -> None:
        """Learn from a page what names are made of."""
        sample = [*facts.sample, facts.last]
        live.trail += sample
        if self._calls < _LEARNED_PAGES or is_first or self._calls % _LEARNED_EVERY == 0:
            self._names.learn(sample, live.trail)
        if len(live.trail) > _TRAIL_NAMES:
            del live.trail[1::2]

    def _found_empty(self, live: LiveRange) -> None:
        """Learn that nothing lies in `live`: whether names reach up to its start is open again."""
        self.counts.empty_halves += 1
        self._empty += 1
        left = self._live.left_of(live)
        while left is not None:
            left.blind, left.outlook = True, None
            left.stepped_from, left.pages_uncut = "", 0
            left = self._live.left_of(left) if left.first is None else None

    def _left_from(self, live: LiveRange) -> str:
        """Return from where on a range is unfinished."""
        if live.cursor is None:
            return live.start
        return live.cursor if self.names_repeat else live.cursor + NEXT

    def _known(self, live: LiveRange) -> str | None:
        """Return the name up to which a range is known, its own where it goes on behind a page of an earlier run."""
        if live.cursor is None and live.start.endswith(NEXT) and not self.names_repeat:
            return live.start.removesuffix(NEXT)
        return live.cursor

    def _ask(self, live: LiveRange) -> Span:
        asked = live.token_span
        if asked is not None and (asked.end == live.end or live.cursor is None or self.names_repeat):
            return Span(live.id, asked.start, asked.end, live.token)
        live.token, live.token_span = "", None
        known = self._known(live)
        start = live.start if known is None else known
        if live.first is not None or live.victim_id is None:
            return Span(live.id, start, live.end)
        most = _PROBED_OBJECTS if live.probed else None
        return Span(live.id, start, live.end, victim_id=live.victim_id, most_objects=most)

    def _split(self, free: int) -> list[LiveRange]:
        """Cut the ranges with most left for up to `free` idle listers."""
        live_ranges = list(self._live)
        unanswered = [live for live in live_ranges if live.cursor is None]
        starts = {live.start for live in unanswered}
        # What was cut off a blind range must be answered before it is cut again.
        victims = [
            live
            for live in live_ranges
            if live.cursor is not None and not live.futile and not (live.blind and live.end in starts)
        ]
        outlooks = [live.outlook or self._outlook(live) for live in victims]
        spent = Spent(
            self._calls,
            self._calls - self._objects / self._page_objects + 0.5 * len(live_ranges),
            self._empty + len(unanswered),
            self._splits,
            sum(live.expected_pages for live in unanswered),
        )
        wanted = shares(outlooks, free, self.parallelism, spent)
        return [
            thief
            for victim, share in zip(victims, wanted, strict=True)
            if share is not None
            for thief in self._cut(victim, share)
        ]

    def _outlook(self, live: LiveRange) -> Outlook:
        """Estimate what is left to `live` beyond the page in flight, from how far its latest page brought it."""
        live.outlook = self._outlook_by(self._names, live)
        if live.overdue_pages >= _PATIENCE_PAGES:  # so that something is wrong with what was learned
            live.outlook = replace(self._outlook_by(Doubting(self._names), live), blind=True, patient=True)
        return live.outlook

    def _outlook_by(self, model: Model, live: LiveRange) -> Outlook:
        cursor = live.cursor or ""
        frame = Frame.between(model, live.page_first, live.end, fine=cursor)
        reached = frame.number(cursor)
        page_span = self._page_span(live, frame)
        step = 0
        if live.stepped_from and live.stepped_from.startswith(frame.shared):
            step = max(0, frame.number(live.start) - frame.number(live.stepped_from))
        blind = live.blind or frame.top - reached > _MAX_GROWTH * self._calls * page_span
        patient = live.blind and live.pages_uncut >= _PATIENCE_PAGES
        return Outlook(frame, reached + page_span, page_span, blind, live.end is None, step, patient)

    def _page_span(self, live: LiveRange, frame: Frame) -> int:
        """Return how far in `frame` a page reaches, at the density of the latest one.

        A page of a few objects may lie amid a cluster: it does not count as denser than those of its victim.
        """
        span = frame.number(live.cursor or "") - frame.bottom
        page_span = max(1, span * self._page_objects // max(1, live.page_objects))
        if self._is_hasty:
            everything = Frame(frame.model, "", frame.fine, 0, 0)
            share = everything.number(live.cursor or "") - everything.number(live.page_first)
            if live.page_objects > _PROBED_OBJECTS:
                live.page_share = share
            elif share > 0:
                page_span = max(page_span, span * live.page_share // share)
        return page_span

    def _cut(self, victim: LiveRange, share: Share) -> list[LiveRange]:
        outlook = self._outlook(victim)  # anew: what was learned since moved the numbers
        numbers = outlook.cuts(share.count, share.part_pages)
        slack = max(0, numbers[0] - outlook.low) // _ROUNDING
        low = victim.cursor or ""
        names = sorted({outlook.frame.name(number, slack=slack) for number in numbers})
        cuts = [name for name in names if name > low and (victim.end is None or name < victim.end)]
        if not cuts:
            victim.futile = True  # no string lies where a cut is wanted
            return []
        ends = [*cuts[1:], victim.end]
        self._live.move_end(victim, cuts[0])
        victim.outlook, victim.pages_uncut, victim.overdue_pages = None, 0, 0
        self.counts.splits += len(cuts)
        self._splits += len(cuts)
        thieves = [self._live.add(start, end, victim.id) for start, end in zip(cuts, ends, strict=True)]
        for thief in thieves:
            thief.blind = victim.blind
            thief.stepped_from = low
            thief.page_share = victim.page_share
            thief.probed = victim.blind and self._is_hasty
            thief.expected_pages = outlook.pages_left / (len(cuts) + 1)
        return thieves
