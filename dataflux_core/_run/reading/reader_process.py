"""Be a reader process."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING

from dataflux_core._plan.columns import ObjectColumns
from dataflux_core._run.access import Access
from dataflux_core._run.processes import receive, send
from dataflux_core._run.reading.bell import Bell
from dataflux_core._run.reading.messages import (
    Finished,
    GroupsRead,
    Share,
    Token,
    TokenWanted,
    failed,
)
from dataflux_core._run.reading.reader import Reading, lend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._run.reading.direct import GroupBytes

_TOKEN_S = 60.0  # the parent renews minutes before a token expires
_LEAVE_S = 1.8  # the parent kills after two
_GATHERED_BYTES = 512 * 1024
_JOINED_BYTES = 2 * 1024**2


class ParentsAuthorization:
    """Tokens of the parent, which keeps the credentials."""

    def __init__(self, connection: Connection, authorization: str) -> None:
        self.tokens: SimpleQueue[str] = SimpleQueue()
        self._connection = connection
        self._authorization = authorization
        self._asked_s = time.monotonic()

    def header(self) -> str:
        if self._authorization and time.monotonic() - self._asked_s > _TOKEN_S:
            self._ask("")
        return self._authorization

    def renew(self, stale: str) -> bool:
        if self._authorization == stale:
            self._ask(stale)
        return self._authorization != stale

    def _ask(self, stale: str) -> None:
        send(self._connection, TokenWanted(stale))
        self._authorization = self.tokens.get()
        self._asked_s = time.monotonic()


class Reader:
    """One share, read and handed to the parent."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._share = receive(connection, Share)
        self._authorization = ParentsAuthorization(connection, self._share.authorization)
        self._bell = Bell()
        self._reading: Reading | None = None
        self._is_orphan = False

    def run(self) -> None:
        """Read the share to its end, or to the end of the parent's interest."""
        threading.Thread(target=self._listen, daemon=True).start()
        share = self._share
        options = share.how.as_options()
        objects = ObjectColumns(share.names, share.sizes, share.generations, share.checksums, share.encodings)
        with lend(Access(share.endpoint, self._authorization), options) as lent:
            reading = self._reading = Reading(lent, share.bucket, objects, options, self._bell)
            if self._is_orphan:
                return
            with closing(reading.run()) as groups:
                self._hand_over(reading, groups)
            send(self._connection, Finished(reading.stats))

    def _hand_over(self, reading: Reading, groups: Iterator[GroupBytes]) -> None:
        """Send what has arrived, many small groups in one message."""
        # A socket of its own for the same descriptor: parts go out without a frame around each.
        with socket.socket(fileno=os.dup(self._connection.fileno())) as out:
            gathered: list[GroupBytes] = []
            for group_bytes in groups:
                gathered.append(group_bytes)
                if reading.ready and sum(max(0, group.size) for group, _ in gathered) < _GATHERED_BYTES:
                    continue
                send(self._connection, _announced(gathered))
                for piece in _joined([part for _, parts in gathered for part in parts if isinstance(part, bytes)]):
                    out.sendall(piece)
                for group, _ in gathered:
                    reading.release(group)
                gathered.clear()

    def _listen(self) -> None:
        """Take tokens; when the parent closes the connection, or is gone, stop, clean up, leave."""
        with suppress(EOFError, OSError):
            while True:
                self._authorization.tokens.put(receive(self._connection, Token).authorization)
        self._is_orphan = True
        if self._reading is not None:
            self._reading.stop()
        time.sleep(_LEAVE_S)  # the main thread leaves earlier; where it hangs, the guardian cleans up
        os._exit(1)


def _announced(gathered: list[GroupBytes]) -> GroupsRead:
    """Say what will follow, as well as what will not."""
    sizes = [[len(part) if isinstance(part, bytes) else 0 for part in parts] for _, parts in gathered]
    errors = {
        position: failed(part)
        for group, parts in gathered
        for position, part in enumerate(parts, group.start)
        if not isinstance(part, bytes)
    }
    return GroupsRead([group.start for group, _ in gathered], sizes, errors)


def _joined(parts: list[bytes]) -> list[bytes]:
    """Join small parts: a system call for each would cost more."""
    return [b"".join(parts)] if sum(map(len, parts)) <= _JOINED_BYTES else parts


def main(descriptor: int) -> None:
    """Serve the connection at `descriptor`."""
    # Ctrl-C reaches the whole process group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    try:
        Reader(connection).run()
    except Exception as error:  # noqa: BLE001 - raised in the parent
        with suppress(OSError):
            send(connection, failed(error))
