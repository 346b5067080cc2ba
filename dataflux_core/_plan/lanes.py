"""Give each request of a listing a lane of its own for as long as it lasts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Stay:
    """One request: who sent it, for which range, how long it lasted; on any one clock."""

    lister: int
    range_id: int
    began: int
    ended: int


@dataclass(slots=True)
class _Lane:
    number: int
    range_id: int
    free_from: int


def lanes_of(stays: Sequence[Stay]) -> list[int]:
    """Return the lane of each, from 0 in each lister's own numbering: no two in a lane overlap.

    A range keeps its lane while it can. There are as many lanes as requests were in flight at once.
    """
    last_ends: dict[tuple[int, int], int] = {}
    for stay in stays:
        key = stay.lister, stay.range_id
        last_ends[key] = max(stay.ended, last_ends.get(key, stay.ended))
    lanes: defaultdict[int, list[_Lane]] = defaultdict(list)
    chosen = [0] * len(stays)
    for place in sorted(range(len(stays)), key=lambda place: (stays[place].began, stays[place].ended)):
        stay = stays[place]
        lane = _lane_for(stay, lanes[stay.lister], last_ends)
        lane.range_id, lane.free_from = stay.range_id, stay.ended
        chosen[place] = lane.number
    return chosen


def _lane_for(stay: Stay, lanes: list[_Lane], last_ends: dict[tuple[int, int], int]) -> _Lane:
    """Choose the range's own lane, else one whose range is done, else any that is free, else a new one."""
    best: tuple[int, int] | None = None
    for lane in lanes:
        if lane.free_from > stay.began:
            continue
        if lane.range_id == stay.range_id:
            return lane
        comes_back = last_ends[stay.lister, lane.range_id] > stay.began
        if best is None or (comes_back, lane.number) < best:
            best = comes_back, lane.number
    if best is not None:
        return lanes[best[1]]
    lanes.append(_Lane(len(lanes), stay.range_id, stay.ended))
    return lanes[-1]
