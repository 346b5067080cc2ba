"""Wake a thread that waits on sockets."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


class Bell:
    """A socket that becomes readable when another thread rings."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._poller = select.poll()  # not select.select, which fails on descriptors above 1023
        self._poller.register(self._near, select.POLLIN)

    def fileno(self) -> int:
        return self._near.fileno()

    def ring(self) -> None:
        with suppress(OSError):  # full: it is ringing; closed: nobody waits
            self._far.send(b"\0")

    def hush(self) -> None:
        with suppress(BlockingIOError):
            while len(self._near.recv(4096)) == 4096:  # noqa: PLR2004 - as asked for
                pass

    def wait(self) -> None:
        self._poller.poll()

    def close(self) -> None:
        self._near.close()
        self._far.close()
