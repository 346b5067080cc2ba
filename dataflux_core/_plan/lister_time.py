"""Add up what the listers of a listing did with their time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IdleTime:
    """Lister-seconds in which nothing was asked for, by the reason."""

    ramp_s: float = 0.0  # before half as many first had a range as at the peak
    held_back_s: float = 0.0  # a service that refuses is asked less
    narrow_s: float = 0.0  # no range was worth another cut
    tail_s: float = 0.0  # after half as many last had one

    @property
    def total_s(self) -> float:
        return self.ramp_s + self.held_back_s + self.narrow_s + self.tail_s


class LevelMeter:
    """How many of `ceiling` listers are at work over time: told of each change, it keeps sums only."""

    def __init__(self, ceiling: int, began_s: float) -> None:
        self.busy_s = 0.0  # lister-seconds
        self.half_s: float | None = None  # from the beginning until half of the ceiling were at work
        self.full_s: float | None = None
        self._ceiling = ceiling
        self._began_s = self._changed_s = began_s
        self._at_work = self._held_back = 0
        self._peak = self._reached = 0  # most at work; how many were when they first were half of it
        self._ramp_s = self._held_back_s = self._narrow_s = 0.0
        self._since_half_s = 0.0  # idle since half of the peak was last at work: the tail, unless it will be again

    def change(self, now_s: float, at_work: int, held_back: int = 0) -> None:
        """Learn that from now on so many are at work, so many kept from it."""
        self._pass(now_s)
        self._at_work, self._held_back = at_work, held_back
        if self.half_s is None and 2 * at_work >= self._ceiling:
            self.half_s = now_s - self._began_s
        if self.full_s is None and at_work >= self._ceiling:
            self.full_s = now_s - self._began_s
        self._peak = max(self._peak, at_work)
        if 2 * self._reached < self._peak:
            self._ramp_s += self._narrow_s + self._since_half_s
            self._narrow_s = self._since_half_s = 0.0
            self._reached = at_work
        elif 2 * at_work >= self._peak:
            self._narrow_s += self._since_half_s
            self._since_half_s = 0.0

    def idle(self, now_s: float) -> IdleTime:
        """Return the idle time until now; with the busy time it adds up to the ceiling times what elapsed."""
        self.change(now_s, 0)
        return IdleTime(self._ramp_s, self._held_back_s, self._narrow_s, self._since_half_s)

    def _pass(self, now_s: float) -> None:
        passed_s = now_s - self._changed_s
        self._changed_s = now_s
        self.busy_s += passed_s * self._at_work
        idle = max(0, self._ceiling - self._at_work)
        held_back = min(idle, self._held_back)
        self._held_back_s += passed_s * held_back
        unasked_s = passed_s * (idle - held_back)
        if not self._peak:
            self._ramp_s += unasked_s
        elif 2 * self._at_work >= self._peak:
            self._narrow_s += unasked_s
        else:
            self._since_half_s += unasked_s
