"""Decide how many pieces of a stream are worth having under way."""

from __future__ import annotations

import math

_LEAST = 4  # once the first has come
_GROWTH = 8.0
_ENOUGH_BYTES_PER_S = 1e9  # half of what one thread can take in: at first, as memory is new, no more come
_WORTH = 1.25  # times as much must be lacking: measured rates waver


class Reach:
    """How many pieces may be under way: one at first, since others would share its line, then as many as bring more.

    It widens while whoever takes the pieces waits for them, by what is lacking of a gigabyte a second. Beyond that, and
    for a slow taker, more of them would cost memory alone: a near server fills the line with four.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self.pieces = 1
        self._left = 1  # of this round: as many as were under way when it began
        self._bytes = 0
        self._waited_s = 0.0

    def took(self, size: int, waited_s: float) -> None:
        """Learn that a piece of so many bytes was taken, for which its taker had to wait."""
        self._bytes += size
        self._waited_s += waited_s
        self._left -= 1
        if self._left:
            return
        lacking = self._waited_s * _ENOUGH_BYTES_PER_S / max(1, self._bytes)
        growth = min(_GROWTH, lacking) if lacking >= _WORTH else 1.0
        self.pieces = self._left = min(self._most, max(_LEAST, math.ceil(self.pieces * growth)))
        self._bytes, self._waited_s = 0, 0.0
