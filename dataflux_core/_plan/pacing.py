"""Decide how many requests may be in flight."""

from __future__ import annotations

from typing import Literal

# What an answer says about the service's load. A lost one (a reset, a time-out, a 500) may be a mishap.
Strain = Literal["clean", "lost", "refused"]

_MAX_HOLD_ROUNDS = 64.0
_LOSSES_OF_STRAIN = 3  # in a row: one alone is a connection that broke


class Pace:
    """A window for requests in flight: it grows while answers come clean, shrinks when the service refuses.

    A refusal takes one slot, so a crowd that is refused leaves as many slots as were served, while a refusal by
    chance costs next to nothing. A clean round adds a step, which doubles each time: at first the window doubles,
    after a refusal the step is one again.

    A level (a number of requests in flight) that was refused when first tried is held against the service: the window
    stays below it for a number of rounds, twice as many each time. Where a lower level is refused, which had been
    served before, nothing is known of levels, so that the window just grows again.

    Latency is no signal: pages differ in size, while this process, when busy, makes answers look late.
    """

    def __init__(self, *, ceiling: int, start: int = 16) -> None:
        self._ceiling = float(ceiling)
        self._window = min(float(start), self._ceiling)
        self._step = self._window
        self._round_answers = self.window  # a round is as many answers as the window was wide when it began
        self._round_left = self._round_answers
        self._peak = 0  # in flight, this round or the last: a window that was never filled proves nothing
        self._served = 0  # the level up to which answers have come clean
        self._losses = 0  # in a row
        self._hold_rounds = 1.0
        self._held_rounds = 0.0  # to go until the window may grow

    @property
    def window(self) -> int:
        return int(self._window)

    def sent(self, in_flight: int) -> int:
        """Learn of a request that is sent as one of `in_flight`; return its level, for `learn`."""
        self._peak = max(self._peak, in_flight)
        return in_flight

    def learn(self, level: int, strain: Strain) -> None:
        """Learn what became of a request sent at `level`."""
        if strain == "clean":
            self._losses = 0
            self._grow(level)
            return
        if strain == "lost":
            self._losses += 1
            if self._losses < _LOSSES_OF_STRAIN:
                return
        self._shrink(level)

    def _grow(self, level: int) -> None:
        if level > self._served:
            self._served = level
            self._hold_rounds = max(1.0, self._hold_rounds / 2)
        share = 1.0 / self._round_answers
        if self._held_rounds > 0:
            self._held_rounds -= share
            return
        limit = min(self._ceiling, 2.0 * self._peak)
        self._window = max(self._window, min(limit, self._window + self._step * share))
        self._round_left -= 1
        if not self._round_left:
            self._peak = level
            self._step = min(2.0 * self._step, self._window)
            self._begin_round()

    def _shrink(self, level: int) -> None:
        if level > self._served and self._held_rounds <= 0:
            self._hold_rounds = min(_MAX_HOLD_ROUNDS, 2.0 * self._hold_rounds)
            self._held_rounds = self._hold_rounds
        self._served = min(self._served, level - 1)
        self._window = max(1.0, min(self._window, float(self._peak)) - 1.0)
        self._step = 1.0
        self._begin_round()

    def _begin_round(self) -> None:
        self._round_answers = self._round_left = self.window
