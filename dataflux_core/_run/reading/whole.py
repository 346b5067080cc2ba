"""Put the ranges of a large object together in memory."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._plan.groups import Group
from dataflux_core._run.reading.direct import GroupBytes, Part, changed_checksum
from dataflux_core._run.reading.ranged import Piece, RangedReads
from dataflux_core._wire.objects import crc32c_number, crc32c_text
from dataflux_core.errors import ChecksumMismatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._run.reading.direct import Source
    from dataflux_core._run.reading.stats import DownloadStats
    from dataflux_core._run.service import Service
    from dataflux_core.errors import DatafluxError


class _Growing:
    """An object of which some ranges are there."""

    __slots__ = ("buffer", "left_bytes", "tries")

    def __init__(self, size: int) -> None:
        self.left_bytes = size
        self.tries = 1
        # Its value, once it is full, is the buffer itself: a copy of a gigabyte would double what is held.
        self.buffer = BytesIO()
        self.buffer.seek(size - 1)
        self.buffer.write(b"\0")

    def put(self, start: int, content: bytes) -> None:
        with self.buffer.getbuffer() as view:
            view[start : start + len(content)] = content
        self.left_bytes -= len(content)


class WholeReads:
    """Large objects, each read in ranges at once, checked as a whole."""

    def __init__(
        self, service: Service, source: Source, finish: Callable[[GroupBytes], None], stats: DownloadStats
    ) -> None:
        self._source = source
        self._finish = finish
        self._stats = stats
        self._growing: dict[int, _Growing] = {}
        self._ranged = RangedReads(service, source, self._on_piece, self._on_error, stats)

    def start(self, group: Group) -> None:
        """Ask for the one object of `group`."""
        self._growing[group.start] = _Growing(group.size)
        self._ranged.start(group.start)

    def pump(self) -> None:
        """Ask for what the service's pace now allows."""
        self._ranged.pump()

    def _on_piece(self, piece: Piece) -> None:
        growing = self._growing[piece.position]
        growing.put(piece.start, piece.content)
        if not growing.left_bytes:
            self._on_whole(growing, piece)

    def _on_whole(self, growing: _Growing, piece: Piece) -> None:
        source, position = self._source, piece.position
        stored = growing.buffer.getvalue()
        found = google_crc32c.value(stored)
        if piece.crc32c and found != crc32c_number(piece.crc32c):
            if growing.tries < source.max_tries:
                again = self._growing[position] = _Growing(len(stored))
                again.tries = growing.tries + 1
                self._stats.retries += 1
                self._ranged.start(position)
                return
            name = source.objects.names[position]
            self._on_error(position, ChecksumMismatch(name, piece.crc32c, crc32c_text(found)))
            return
        changed = changed_checksum(source.objects, position, found)
        if changed is not None:
            self._on_error(position, changed)
            return
        self._stats.objects_direct += 1
        self._give(position, source.unpack(position, stored) if piece.is_packed else stored)

    def _on_error(self, position: int, error: DatafluxError) -> None:
        self._give(position, self._source.blame(error))

    def _give(self, position: int, part: Part) -> None:
        del self._growing[position]
        self._finish(GroupBytes(Group(position, position + 1, self._source.objects.sizes[position]), [part]))
