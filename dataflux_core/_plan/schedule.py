"""Decide which group is started next, in which way."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from dataflux_core._plan.groups import MAX_SOURCES, Group, group_for_compose
from dataflux_core._plan.strategy import ALONE, RANGED_BYTES, READS_BESIDE, TOGETHER_BYTES, Load, apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._plan.cost import ComposeCost
    from dataflux_core._plan.strategy import Chooser, Series

Start = Literal["compose", "direct", "ranges"]

_COMPOSING_SHARE = 0.7  # of the requests in flight: the reads of what is composed already must not wait
_READS_BEFORE_PERMIT = 64  # what is composed takes longest: it must not wait for its permit behind hundreds of reads
_QUEUED_OBJECTS = 16_384  # to be read directly, not yet started
_FEW_GROUPS = 16
_FLIGHT_BYTES = 64 * 1024**2  # of objects read directly: more would only wait in buffers
_HELD_SHARE = 4  # of what may be held, one part for one composite, or for what is in flight


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a schedule must keep to."""

    max_composite_bytes: int  # 0: nothing is composed
    max_held_bytes: int  # of groups with a way, not yet released
    max_groups: int = sys.maxsize  # started, not finished


@dataclass(frozen=True, slots=True)
class Underway:
    """What was started and has not ended."""

    groups: int
    direct: int  # objects being read directly
    direct_bytes: int
    composing: int  # composes without an answer
    composed: int  # objects in composites that have not arrived
    is_flowing: bool  # composites have begun to arrive
    window: int  # requests that may be in flight at once
    free: int  # requests more that would start at once
    useful_reads: int  # small objects that are worth reading at once


class Step(NamedTuple):
    """A group to be started now."""

    group: Group
    start: Start


class Schedule:
    """The groups of one call, each given a way when its turn comes, then started as the bounds allow.

    One group is started always, else the largest would never be read. Groups get their ways in the caller's order, so
    that what is next for him is never kept waiting by what comes later.
    """

    def __init__(self, sizes: Sequence[int], bounds: Bounds, chooser: Chooser, series: Series = ALONE) -> None:
        self.wants_permit = False  # to compose: nothing is composed before `permit` or `forbid`
        self._sizes = sizes
        self._bounds = bounds
        self._chooser = chooser
        self._series = series
        self._groups = group_for_compose(sizes, max_bytes=self._group_bytes(), max_sources=self._most_sources())
        self._next = next(self._groups, None)
        self._given = 0  # objects up to here have a way
        self._held_bytes = 0
        self._queue: deque[Group] = deque()  # to be read directly
        self._queued = 0  # objects among them
        self._flight_bytes = min(_FLIGHT_BYTES, bounds.max_held_bytes // _HELD_SHARE)
        # Each of so few groups takes a read's time directly, else a compose's as well.
        if not bounds.max_composite_bytes or (chooser.saves_time and bounds.max_groups < _FEW_GROUPS):
            chooser.is_forbidden = True

    @property
    def is_over(self) -> bool:
        """Tell whether every group has been started."""
        return self._next is None and not self._queue

    @property
    def is_permitted(self) -> bool:
        """Tell whether composites may be made, as far as is known."""
        return self._chooser.cost is not None and not self._chooser.is_forbidden

    def permit(self, cost: ComposeCost) -> None:
        """Learn that composites may be made, at what cost."""
        self.wants_permit = False
        self._chooser.cost = cost

    def forbid(self) -> None:
        """Learn that no composite may be made."""
        self.wants_permit = False
        self._chooser.is_forbidden = True

    def release(self, size_bytes: int) -> None:
        """Learn that a group's bytes are held no more."""
        self._held_bytes -= size_bytes

    def next(self, underway: Underway) -> Step | None:
        """Return what to start now; None: first something must end, or a permit be had."""
        group = self._next_composed(underway) or self._reconsidered(underway)
        if group is not None:
            return Step(group, "compose")
        if self._queue and self._may_read(underway):
            group = self._queue.popleft()
            self._queued -= group.sources
            return Step(group, "ranges" if group.sources == 1 and group.size > RANGED_BYTES else "direct")
        return None

    def _next_composed(self, underway: Underway) -> Group | None:
        """Give groups their ways, in order, up to one that is composed now."""
        while (group := self._next) is not None and self._may_hold(group):
            if self._chooser.choose(group, self._load(underway)) == "direct":
                if self._queued >= _QUEUED_OBJECTS:
                    return None
                self._queue.extend(apart(group, self._sizes))
                self._queued += group.sources
                self._take(group)
            elif self._may_compose(underway):
                self._take(group)
                return group
            else:
                return None
        return None

    def _reconsidered(self, underway: Underway) -> Group | None:
        """Return what waits last to be read directly, where composing it has turned out to be sooner."""
        if not self._queue or self._queue[-1].sources == 1:
            return None
        last = self._queue[-1]
        if self._chooser.choose(last, self._load(underway, without=last.sources)) == "direct":
            return None
        if not self._may_compose(underway):
            return None
        self._queued -= last.sources
        return self._queue.pop()

    def _take(self, group: Group) -> None:
        self._held_bytes += max(0, group.size)
        self._given = group.stop
        self._next = next(self._groups, None)

    def _load(self, underway: Underway, without: int = 0) -> Load:
        return Load(
            direct=self._queued + underway.direct - without,
            composed=underway.composed,
            left=len(self._sizes) - self._given + self._series.following,
            window=max(1, underway.window - underway.composing),
            is_flowing=underway.is_flowing or self._series.is_flowing,
        )

    def _may_hold(self, group: Group) -> bool:
        return not self._held_bytes or self._held_bytes + max(0, group.size) <= self._bounds.max_held_bytes

    def _may_compose(self, underway: Underway) -> bool:
        if self._chooser.cost is None:
            self.wants_permit = True
            return False
        if not underway.groups:
            return True
        if underway.groups >= self._bounds.max_groups or underway.free <= 0:
            return False
        return underway.composing < _COMPOSING_SHARE * underway.window

    def _may_read(self, underway: Underway) -> bool:
        if not underway.groups:
            return True
        if underway.groups >= self._bounds.max_groups or underway.free <= 0:
            return False
        most = underway.useful_reads
        if self.wants_permit:
            most = _READS_BEFORE_PERMIT
        elif self._chooser.saves_time and self.is_permitted:
            most = min(most, READS_BESIDE)
        return underway.direct < most and underway.direct_bytes < self._flight_bytes

    def _group_bytes(self) -> int:
        """Return the most that travels together: what one composite may hold, or what is handed over at once."""
        most = max(1, self._bounds.max_held_bytes // _HELD_SHARE)
        return min(most, self._bounds.max_composite_bytes or TOGETHER_BYTES)

    def _most_sources(self) -> int:
        """Return how many objects a group may have: one where groups are counted but never composed."""
        is_counted = self._bounds.max_groups < sys.maxsize
        return 1 if is_counted and not self._bounds.max_composite_bytes else MAX_SOURCES
