"""Read objects one by one."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import google_crc32c
import msgspec

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.strategy import SMALL_BYTES, Tempo
from dataflux_core._wire.encoding import GZIP, is_gzip, unpacked
from dataflux_core._wire.objects import (
    crc32c_header,
    crc32c_number,
    crc32c_text,
    media_request,
    read_stored,
    stored_request,
)
from dataflux_core._wire.refusal import is_of_one_object, object_error
from dataflux_core.errors import ChecksumMismatch, DatafluxError, ObjectChanged, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._plan.groups import Group
    from dataflux_core._run.reading.options import OnError
    from dataflux_core._run.reading.stats import DownloadStats
    from dataflux_core._run.service import Service
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)
GONE = (404, 412)  # for a pinned generation: deleted, or replaced by another

Part: TypeAlias = bytes | DatafluxError  # of one object: its bytes, or why there are none


def blamed(error: DatafluxError, on_error: OnError) -> DatafluxError:
    """Give an error to stand in the place of its object; raise it where that is wanted, or it is not of one object."""
    if on_error == "raise" or not is_of_one_object(error):
        raise error
    return error


@dataclass(frozen=True, slots=True)
class Source:
    """What is read from where."""

    endpoint: str
    bucket: str
    objects: ObjectColumns
    max_tries: int  # of one read whose bytes have another checksum than the service gives
    on_error: OnError = "raise"
    decompress: bool = False
    max_held_bytes: int = 1024**3

    def error(self, answer: Answer, name: str) -> DatafluxError:
        return object_error(answer, bucket=self.bucket, name=name, endpoint=self.endpoint)

    def blame(self, error: DatafluxError) -> DatafluxError:
        """Give the error as the part of its object; raise it where the caller wants that, or it is not of one."""
        return blamed(error, self.on_error)

    def is_packed(self, position: int, answer: Answer) -> bool:
        """Tell whether an object's bytes are to be decompressed: as is listed, else as the answer to its read says."""
        if not self.decompress:
            return False
        encodings = self.objects.encodings
        return is_gzip(answer) if encodings is None else encodings[position] == GZIP

    def unpack(self, position: int, stored: bytes) -> Part:
        """Undo the compression of an object that is stored compressed."""
        try:
            return unpacked(self.objects.names[position], stored)
        except DatafluxError as error:
            return self.blame(error)


class GroupBytes(NamedTuple):
    """One group that was read: the bytes of each of its objects, or the error of one, where errors are returned."""

    group: Group
    parts: list[Part]


def bytes_of(parts: Iterable[Part]) -> list[bytes]:
    """Return parts among which there is no error, because errors are raised."""
    contents: list[bytes] = []
    for part in parts:
        if isinstance(part, DatafluxError):
            raise part
        contents.append(part)
    return contents


@dataclass(slots=True, eq=False)
class _Gathering:
    group: Group
    parts: list[Part]
    missing: int


class _Read:
    """One object on its way."""

    __slots__ = ("gathering", "position", "tries")

    def __init__(self, gathering: _Gathering, position: int) -> None:
        self.gathering = gathering
        self.position = position
        self.tries = 0


class DirectReads:
    """Reads of single objects, each checked against its listing and against the service's checksum."""

    def __init__(
        self,
        service: Service,
        source: Source,
        finish: Callable[[GroupBytes], None],
        stats: DownloadStats,
        tempo: Tempo | None = None,
    ) -> None:
        self.pending = 0  # objects
        self.pending_bytes = 0  # as far as sizes are listed
        self._service = service
        self._source = source
        self._finish = finish
        self._stats = stats
        self._tempo = tempo or Tempo()
        self._timed: _Read | None = None  # one at a time is enough
        self._timed_s = 0.0

    def start(self, group: Group) -> None:
        """Ask for every object of `group`; `finish` gets them when the last has come."""
        self.complete(group, [b""] * group.sources, range(group.start, group.stop))

    def complete(self, group: Group, parts: list[Part], missing: Iterable[int]) -> None:
        """Ask for the objects at some positions of `group`, to be put among the parts that are there."""
        positions = list(missing)
        gathering = _Gathering(group, parts, len(positions))
        for position in positions:
            self.pending += 1
            self.pending_bytes += max(0, self._source.objects.sizes[position])
            self._ask(_Read(gathering, position))

    def _ask(self, read: _Read) -> None:
        read.tries += 1
        self._stats.asked("read")
        objects, position = self._source.objects, read.position
        if self._timed is None and objects.sizes[position] <= SMALL_BYTES:
            self._timed, self._timed_s = read, time.monotonic()
        size = objects.sizes[position]
        request = media_request(self._source.bucket, objects.names[position], objects.generation(position), size=size)
        self._service.submit(request, (self._on_media, read))

    def _on_media(self, read: _Read, answer: Answer) -> None:
        if read is self._timed:
            self._timed = None
            self._tempo.note_read(time.monotonic() - self._timed_s)
        if not answer.ok:
            self._on_refusal(read, answer)
            return
        if answer.announced_bytes:
            self._give(read, self._source.blame(self._changed_size(read.position, answer.announced_bytes)))
            return
        body = answer.body
        expected = crc32c_header(answer)
        found = google_crc32c.value(body) if expected or self._source.objects.checksums is not None else 0
        if expected and found != crc32c_number(expected):
            if read.tries < self._source.max_tries:
                self._stats.retries += 1
                self._ask(read)
                return
            name = self._source.objects.names[read.position]
            self._give(read, self._source.blame(ChecksumMismatch(name, expected, crc32c_text(found))))
            return
        self._take(read, answer, body, found)

    def _take(self, read: _Read, answer: Answer, body: bytes, checksum: int) -> None:
        """Compare a whole body with its listing."""
        source, position = self._source, read.position
        listed = source.objects.sizes[position]
        self._stats.received_bytes += len(body)
        if len(body) != listed and listed != UNKNOWN_SIZE:
            self._give(read, source.blame(self._changed_size(position, len(body))))
            return
        changed = changed_checksum(source.objects, position, checksum)
        if changed is not None:
            self._give(read, source.blame(changed))
            return
        self._stats.objects_direct += 1
        self._give(read, source.unpack(position, body) if source.is_packed(position, answer) else body)

    def _changed_size(self, position: int, found: int) -> ObjectChanged:
        objects = self._source.objects
        return ObjectChanged(objects.names[position], objects.sizes[position], found)

    def _give(self, read: _Read, part: Part) -> None:
        self.pending -= 1
        self.pending_bytes -= max(0, self._source.objects.sizes[read.position])
        gathering = read.gathering
        gathering.parts[read.position - gathering.group.start] = part
        gathering.missing -= 1
        if not gathering.missing:
            self._finish(GroupBytes(gathering.group, gathering.parts))

    def _on_refusal(self, read: _Read, answer: Answer) -> None:
        """Say what the refusal means; where a pinned generation is gone, ask first what took its place."""
        source = self._source
        name = source.objects.names[read.position]
        if answer.status not in GONE or not source.objects.generation(read.position):
            self._give(read, source.blame(source.error(answer, name)))
            return
        self._stats.asked("stat")
        self._service.submit(stored_request(source.bucket, name), (self._on_successor, read))

    def _on_successor(self, read: _Read, answer: Answer) -> None:
        pinned = self._source.objects.generation(read.position)
        self._give(read, self._source.blame(successor_error(self._source, read.position, answer, pinned)))


def successor_error(source: Source, position: int, answer: Answer, pinned: int) -> DatafluxError:
    """Say what became of an object whose generation `pinned` is gone; `answer` says what is there now."""
    name, listed = source.objects.names[position], source.objects.sizes[position]
    if not answer.ok:
        return source.error(answer, name)
    try:
        found = read_stored(answer)
    except msgspec.DecodeError as error:
        return unreadable(source, position, answer, error)
    if found.size != listed:
        return ObjectChanged(name, listed, found.size)
    return ObjectChanged(name, pinned, found.generation, "generation")


def unreadable(source: Source, position: int, answer: Answer, error: msgspec.DecodeError) -> ServiceRefused:
    """Say that what should be an object's metadata, of a proxy perhaps, or damaged, is nothing of the kind."""
    subject = f"gs://{source.bucket}/{source.objects.names[position]}"
    return ServiceRefused(subject, answer.status, f"no metadata of an object ({error})")


def changed_checksum(objects: ObjectColumns, position: int, checksum: int) -> ObjectChanged | None:
    """Compare the crc32c of an object's bytes with the listed one, where there is one.

    The reader has compared it with the service's own: what differs now was replaced after it was listed.
    """
    listed = objects.checksums[position] if objects.checksums is not None else ""
    if not listed or checksum == crc32c_number(listed):
        return None
    return ObjectChanged(objects.names[position], crc32c_number(listed), checksum, "crc32c")
