"""Read a chunk while it arrives."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core.errors import RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from dataflux_core._run.flare.arrival import Arrival


class ArrivingChunk(io.RawIOBase):
    """A chunk's bytes in order; what was read early is compared with the chunk in the end.

    Where the host broke off the whole may have come from another one: bytes of two are never put together, since these
    begin with the same ones. Reading raises what reading the chunk does, RecordsUnusable where they begin with others.
    """

    def __init__(self, name: str, arrival: Arrival, finish: Callable[[], bytes]) -> None:
        self._name = name
        self._arrival = arrival
        self._finish = finish
        self._rest = memoryview(b"")  # of the newest piece, or of the whole
        self._is_whole = False
        self._early_bytes = self._early_crc32c = 0
        self._process_id = os.getpid()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Wait for the next bytes; 0 at the end."""
        if not self._rest and not self._is_whole:
            self._rest = self._next()
        view = memoryview(buffer)
        count = min(len(view), len(self._rest))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def _next(self) -> memoryview:
        # Pieces go to the process that sent for the chunk, none of them to its fork.
        piece = self._arrival.next() if self._process_id == os.getpid() else b""
        if piece:
            self._early_bytes += len(piece)
            self._early_crc32c = google_crc32c.extend(self._early_crc32c, piece)
            return memoryview(piece)
        content = self._finish()
        self._is_whole = True
        if google_crc32c.value(content[: self._early_bytes]) != self._early_crc32c:
            problem = f"a host broke off after {self._early_bytes} bytes, read again it begins with other ones"
            raise RecordsUnusable(self._name, problem, "read it again; with sums in the headers it is checked before")
        return memoryview(content)[self._early_bytes :]
