"""Decide which ranges are cut for idle listers, where."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._plan.keyspace import Frame

# The figures here were chosen on simulated listings: `python -m benchmarking.simulate_listing`.
_CALM_PARALLELISM = 32  # who allows more requests at once asks for speed, at the price of more calls
_MIN_PAGES_PER_PART = 1.5  # less is finished by its owner before a thief's round trip pays
_MIN_OPEN_PAGES = 12.0  # above all characters seen there may be as many again
_MAX_CUTS = 8  # of one range at a time: an estimate may be far off
_MAX_BLIND_CUTS = 5  # of a range of which nobody knows how far its names go on
_FEW_BLIND_CUTS = 2  # of such a range while the listing may yet turn out to be small
_FEW_CALLS = 40
_MOST_PAGES = 1e18  # names of a thousand characters make numbers that are too large for a float
_NEAR = 8  # of a step that found names, this part is where the next one begins to look


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is thought to be left of a range beyond the page in flight, in the numbers of a frame."""

    frame: Frame
    low: int  # where the page in flight is thought to end
    page_span: int
    blind: bool  # whether names reach up to the range's end is not known
    open_ended: bool
    step: int = 0  # how far beyond its victim's last name this range was found to begin
    patient: bool = False  # blind, yet left uncut for some pages

    @property
    def most_pages_left(self) -> float:
        """Return how many pages there are if names go on as densely up to the end."""
        left = max(0, self.frame.top - self.low)
        return min(_MOST_PAGES, left * 1024 // self.page_span / 1024) if left < self.page_span << 60 else _MOST_PAGES

    @property
    def pages_left(self) -> float:
        """Return how many pages are expected. How far a blind range goes on is as likely of any order of magnitude."""
        pages = self.most_pages_left
        if self.blind and pages:
            nearest = self._nearest(self.frame.top - self.low) / self.page_span
            pages = (pages - nearest) / math.log(pages / nearest) if pages > nearest else pages
        return max(pages, _MIN_OPEN_PAGES) if self.open_ended else pages

    def cuts(self, count: int, part_pages: float) -> list[int]:
        """Place `count` cuts: parts of `part_pages` up to the end, even ones where that is more than there is.

        In a blind range they lie at distances that grow by a factor: each is as plausible an end as the next.
        """
        if not self.blind:
            left = self.frame.top - self.low
            part = min(int(part_pages * 1024) * self.page_span // 1024, left // (count + 1))
            return [self.frame.top - part * place for place in range(count, 0, -1)]
        top = self.frame.last_known if self.open_ended else self.frame.top
        nearest = self._nearest(top - self.low)
        exponent = math.log2(max(1, (top - self.low) // nearest)) / (count + 1)
        # Powers in whole numbers: a float does not reach as far as names of a thousand characters do.
        factors = [int(2.0 ** (exponent * place % 1) * 1024) << int(exponent * place) for place in range(1, count + 1)]
        return [min(top, self.low + nearest * factor // 1024) for factor in factors]

    def _nearest(self, left: int) -> int:
        """Return the least distance at which a blind range is cut."""
        return max(self.page_span, min(left, self.step) // _NEAR)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a listing has cost so far."""

    calls: int  # answered
    wasted_calls: float  # of these or to be expected of live ranges, beyond the pages that the objects fill
    misses: int  # ranges that were empty or are not answered yet
    splits: int
    unseen_pages: float  # expected in the ranges that are not answered yet


@dataclass(frozen=True, slots=True)
class Share:
    """How a range is to be cut."""

    count: int
    part_pages: float


def shares(outlooks: Sequence[Outlook], free: int, parallelism: int, spent: Spent) -> list[Share | None]:
    """Decide for each range how many parts of it go to `free` idle listers.

    A part is what one lister has to do until the end, if all was shared evenly: then no range is cut twice. The fewer
    calls there are left to waste, the larger the least part; a cut of a blind range must be worth a call by itself.
    """
    pages = [outlook.pages_left for outlook in outlooks]
    cap = 3.0 + 4.0 * spent.calls  # what blind ranges promise is believed in proportion to what was seen
    expected = [min(left, cap) if outlook.blind else left for left, outlook in zip(pages, outlooks, strict=True)]
    target = (spent.unseen_pages + sum(expected)) / parallelism
    likely = spent.calls + _likely_pages(outlooks, pages, spent)
    pace = haste(parallelism)
    budget = pace * _budget(likely)
    free = min(free, int(pace * (8 + 0.6 * max(0.0, likely - _FEW_CALLS))) - spent.splits)
    wasted, misses = spent.wasted_calls, spent.misses
    counts = [0] * len(outlooks)
    parts = [0.0] * len(outlooks)
    largest = [(-left, place) for place, left in enumerate(pages)]
    heapq.heapify(largest)
    while free > 0 and largest:
        uncut, place = heapq.heappop(largest)
        outlook, least = outlooks[place], _least_part(wasted / budget) / min(2.0, pace)
        part = max(target, least)
        beyond = -uncut / 2 if outlook.blind else -uncut - part
        worth = beyond >= least
        if outlook.patient:
            worth = not counts[place] and beyond >= _MIN_PAGES_PER_PART / 2
        elif outlook.blind:
            worth = worth and wasted + 1 <= 0.9 * budget and misses < pace * (6 + spent.calls / 3)
        if not worth:
            continue
        counts[place] += 1
        parts[place] = part
        free -= 1
        misses += outlook.blind
        wasted += 1.0 if outlook.blind else 0.5  # a range ends amid a page
        if counts[place] < _most_cuts(outlook, spent, pace):
            heapq.heappush(largest, (-pages[place] / (counts[place] + 1) if outlook.blind else -beyond, place))
    return [Share(count, part) if count else None for count, part in zip(counts, parts, strict=True)]


def haste(parallelism: int) -> float:
    """Return how many times as many calls may be wasted as by a listing that has no hurry."""
    return max(1.0, parallelism / _CALM_PARALLELISM)


def _most_cuts(outlook: Outlook, spent: Spent, pace: float) -> int:
    if not outlook.blind:
        return _MAX_CUTS
    return _FEW_BLIND_CUTS if 1 < spent.calls < _FEW_CALLS and pace <= 1 else _MAX_BLIND_CUTS


def _likely_pages(outlooks: Sequence[Outlook], pages: Sequence[float], spent: Spent) -> float:
    """Return how many pages are left with some certainty: what is guessed counts no more than what was seen."""
    most = 2.0 * spent.calls + 4
    known = sum(min(left, most) for left, outlook in zip(pages, outlooks, strict=True) if not outlook.blind)
    guessed = spent.unseen_pages + sum(outlook.most_pages_left for outlook in outlooks if outlook.blind)
    return known + min(guessed, float(spent.calls))


def _budget(pages: float) -> float:
    """Return how many calls a listing of so many pages may waste."""
    return max(6 + min(0.33 * max(0.0, pages - 24), 40 + 0.006 * pages), 0.017 * pages)


def _least_part(share_wasted: float) -> float:
    """Return how many pages a part must have, when so much of the budget is wasted."""
    return _MIN_PAGES_PER_PART + 40 * max(0.0, share_wasted - 0.8) ** 2
