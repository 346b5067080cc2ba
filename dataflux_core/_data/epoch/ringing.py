"""Wake a thread that waits, from anywhere."""

from __future__ import annotations

from queue import Empty, SimpleQueue


class Ringing:
    """Wakes one thread that waits; whoever rings holds no lock, so also the garbage collector may, anywhere."""

    def __init__(self) -> None:
        self._rung: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        """Let the one who waits, or the next one who will, look again at what has changed."""
        if self._rung.empty():
            self._rung.put(None)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return whether it rang, since it was last waited for, within the time."""
        try:
            self._rung.get(timeout=timeout_s)
        except Empty:
            return False
        return True
