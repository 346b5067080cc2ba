"""Wake a process that waits for another to store an object."""

from __future__ import annotations

import os
import select
from contextlib import suppress

from dataflux_core._data.cache.place import LIVE

_DEAF_S = 0.05  # between looks, where a file system has no pipes by name
_RING = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class Bell:
    """A named pipe that whoever stores or gives up what is waited for writes to."""

    def __init__(self, root: int, name: str) -> None:
        self.name, self._root = name, root
        self._descriptor = -1
        with suppress(OSError):
            os.mkfifo(f"{LIVE}/{name}", 0o600, dir_fd=root)
            # Open for writing too: or else the last who rings closes it, and it would ring for ever.
            flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(f"{LIVE}/{name}", flags, dir_fd=root)

    def wait(self, timeout_s: float) -> None:
        """Return when it rings, or after the time."""
        heard = select.poll()  # select() knows no descriptor above 1023
        if self._descriptor < 0:
            heard.poll(min(timeout_s, _DEAF_S) * 1000)
            return
        heard.register(self._descriptor, select.POLLIN)
        if heard.poll(timeout_s * 1000):
            with suppress(BlockingIOError):
                os.read(self._descriptor, 4096)

    def close(self) -> None:
        """Take it down."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with suppress(OSError):
                os.unlink(f"{LIVE}/{self.name}", dir_fd=self._root)


def ring(root: int, name: str) -> None:
    """Ring a bell; nobody may listen any more."""
    with suppress(OSError):
        descriptor = os.open(f"{LIVE}/{name}", _RING, dir_fd=root)
        try:
            os.write(descriptor, b"!")
        finally:
            os.close(descriptor)
