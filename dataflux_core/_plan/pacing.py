"""Decide how many requests may be in flight."""

from __future__ import annotations


class Pace:
    """A ceiling on requests in flight: it grows while answers come clean, shrinks when the service refuses.

    Slow start, then additive increase with multiplicative decrease, as TCP's: the window doubles per clean round
    until the first refusal, from then on it grows by one per round. A crowd refused together counts once.
    """

    SHRINK = 0.7

    def __init__(self, *, ceiling: int, start: int = 16) -> None:
        self._ceiling = ceiling
        self._window = float(min(start, ceiling))
        self._slow_start = True
        self._until_shrink = 0  # answers to let pass before the next refusal counts: one round trip

    @property
    def window(self) -> int:
        return max(1, int(self._window))

    def clean(self) -> None:
        """Learn of an answer that the service gave willingly."""
        self._until_shrink = max(0, self._until_shrink - 1)
        step = 1.0 if self._slow_start else 1.0 / self._window
        self._window = min(float(self._ceiling), self._window + step)

    def refused(self) -> None:
        """Learn of a 429 or 503."""
        self._slow_start = False
        if self._until_shrink:
            self._until_shrink -= 1
            return
        self._until_shrink = self.window
        self._window = max(1.0, self._window * self.SHRINK)
