"""Read large objects in ranges, many at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dataflux_core._run.reading.direct import GONE, successor_error, unreadable
from dataflux_core._wire.objects import crc32c_number, range_request, read_stored, stored_request
from dataflux_core.errors import ObjectChanged, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._run.reading.direct import Source
    from dataflux_core._run.reading.stats import DownloadStats
    from dataflux_core._run.service import Service
    from dataflux_core._wire.message import Answer, Request
    from dataflux_core.errors import DatafluxError

PIECE_BYTES = 8 * 1024**2
_MAX_PIECES = 16  # in flight: more would only wait in buffers
_PIECE_SHARE = 8  # of what may be held, one part for one piece: it lies in a buffer, then in a value
_PARTIAL = 206
_METADATA_TRIES = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """Stored bytes of one object from `start` on."""

    position: int
    start: int
    content: bytes
    crc32c: str  # of the whole object, "" where neither listing nor service gives it
    is_packed: bool = False  # the whole is to be decompressed


class _Pin(NamedTuple):
    generation: int
    crc32c: str


@dataclass(frozen=True, slots=True)
class _Asked:
    position: int
    start: int
    stop: int
    pin: _Pin


class RangedReads:
    """Pieces of large objects in flight, all pieces of an object of one generation.

    A piece has no checksum of its own: whoever takes them compares the whole. What is asked and received is counted.
    """

    def __init__(
        self,
        service: Service,
        source: Source,
        take: Callable[[Piece], None],
        fail: Callable[[int, DatafluxError], None],
        stats: DownloadStats,
    ) -> None:
        self._service = service
        self._source = source
        self._take = take
        self._fail = fail
        self._stats = stats
        self._in_flight = 0
        self._max_pieces = max(1, min(_MAX_PIECES, source.max_held_bytes // (_PIECE_SHARE * PIECE_BYTES)))
        self._failed: set[int] = set()
        self._waiting: deque[_Asked] = deque()

    def start(self, position: int) -> None:
        """Ask for an object: first which generation it has, with which checksum, unless both are listed.

        One request more is little beside those that read a large object; its bytes are never kept unchecked.
        """
        objects = self._source.objects
        self._failed.discard(position)
        checksum = objects.checksums[position] if objects.checksums is not None else ""
        pin = _Pin(objects.generation(position), checksum)
        if pin.generation and pin.crc32c:
            self._divide(position, pin)
        else:
            # Of the listed generation where there is one: another's checksum is of no use.
            self._ask(position, pin, tries=1)

    def pump(self) -> None:
        """Ask for as many pieces as the service's pace allows."""
        while self._waiting and self._service.free > 0 and self._in_flight < self._max_pieces:
            asked = self._waiting.popleft()
            self._in_flight += 1
            self._stats.asked("read")
            self._service.submit(self._request(asked), (self._on_piece, asked))

    def _ask(self, position: int, pin: _Pin, tries: int) -> None:
        request = stored_request(self._source.bucket, self._source.objects.names[position], pin.generation)
        self._stats.asked("stat")
        self._service.submit(request, (self._on_stored, (position, pin, tries)))

    def _divide(self, position: int, pin: _Pin) -> None:
        size = self._source.objects.sizes[position]
        for start in range(0, size, PIECE_BYTES):
            self._waiting.append(_Asked(position, start, min(size, start + PIECE_BYTES), pin))
        self.pump()

    def _request(self, asked: _Asked) -> Request:
        name = self._source.objects.names[asked.position]
        return range_request(self._source.bucket, name, asked.pin.generation, asked.start, asked.stop)

    def _on_stored(self, subject: tuple[int, _Pin, int], answer: Answer) -> None:
        position, listed, tries = subject
        objects = self._source.objects
        name, size = objects.names[position], objects.sizes[position]
        if not answer.ok:
            self._refused(position, listed, answer)
            return
        try:
            found = read_stored(answer)
        except msgspec.DecodeError as error:
            if tries < _METADATA_TRIES:
                self._ask(position, listed, tries + 1)
            else:
                self._drop(position, unreadable(self._source, position, answer, error))
            return
        if found.size != size:
            self._drop(position, ObjectChanged(name, size, found.size))
        elif listed.crc32c and found.crc32c and found.crc32c != listed.crc32c:
            checksums = crc32c_number(listed.crc32c), crc32c_number(found.crc32c)
            self._drop(position, ObjectChanged(name, *checksums, "crc32c"))
        else:
            self._divide(position, _Pin(found.generation, listed.crc32c or found.crc32c))

    def _on_piece(self, asked: _Asked, answer: Answer) -> None:
        self._in_flight -= 1
        if asked.position not in self._failed:
            if not answer.ok:
                self._refused(asked.position, asked.pin, answer)
            elif answer.status != _PARTIAL or len(content := answer.body) != asked.stop - asked.start:
                self._drop(asked.position, self._no_range(asked, answer))
            else:
                self._stats.received_bytes += len(content)
                packed = self._source.is_packed(asked.position, answer)
                self._take(Piece(asked.position, asked.start, content, asked.pin.crc32c, packed))
        self.pump()

    def _no_range(self, asked: _Asked, answer: Answer) -> ServiceRefused:
        """Say that a range was asked for in vain: some proxies know none."""
        subject = f"gs://{self._source.bucket}/{self._source.objects.names[asked.position]}"
        came = answer.announced_bytes or len(answer.body)
        said = (
            f"{came} bytes came for the range {asked.start} to {asked.stop - 1}; is there a proxy that knows no ranges?"
        )
        return ServiceRefused(subject, answer.status, said)

    def _refused(self, position: int, pin: _Pin, answer: Answer) -> None:
        """Say what a refusal means; where a pinned generation is gone, ask first what took its place."""
        name = self._source.objects.names[position]
        if answer.status not in GONE or not pin.generation:
            self._drop(position, self._source.error(answer, name))
            return
        self._forget(position)
        request = stored_request(self._source.bucket, name)
        self._stats.asked("stat")
        self._service.submit(request, (self._on_successor, (position, pin)))

    def _on_successor(self, subject: tuple[int, _Pin], answer: Answer) -> None:
        position, pin = subject
        self._fail(position, successor_error(self._source, position, answer, pin.generation))

    def _drop(self, position: int, error: DatafluxError) -> None:
        self._forget(position)
        self._fail(position, error)

    def _forget(self, position: int) -> None:
        """Ask for nothing more of an object."""
        self._failed.add(position)
        self._waiting = deque(asked for asked in self._waiting if asked.position != position)
