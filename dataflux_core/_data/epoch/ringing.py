"""Wake a thread that waits, from anywhere."""

from __future__ import annotations

import threading
from contextlib import suppress


class Ringing:
    """Wakes one thread that waits; whoever rings waits for nothing, so also the garbage collector may, anywhere.

    It is a lock that the one who waits takes and whoever rings gives back, in one process: a forked child's copy may be
    deaf. Not a SimpleQueue: where a signal's handler takes longer than the time that is left, such as one that saves a
    checkpoint, its `get` goes on without a limit before Python 3.13 (seen with 3.10, 3.11, 3.12).
    """

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """Let the one who waits, or the next one who will, look again at what has changed."""
        with suppress(RuntimeError):  # it has rung already, and nobody has heard that yet
            self._silence.release()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Return whether it rang, since it was last waited for, within the time."""
        return self._silence.acquire(timeout=-1 if timeout_s is None else max(0.0, timeout_s))
