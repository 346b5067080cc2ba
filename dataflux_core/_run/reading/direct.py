"""Read objects one by one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import google_crc32c

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._wire.objects import (
    crc32c_header,
    crc32c_number,
    crc32c_text,
    media_request,
    read_stored,
    stored_request,
)
from dataflux_core._wire.refusal import object_error
from dataflux_core.errors import ChecksumMismatch, DatafluxError, ObjectChanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._plan.groups import Group
    from dataflux_core._run.reading.stats import DownloadStats
    from dataflux_core._run.service import Service
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)
_GONE = (404, 412)  # for a pinned generation: deleted, or replaced by another


@dataclass(frozen=True, slots=True)
class Source:
    """What is read from where."""

    endpoint: str
    bucket: str
    objects: ObjectColumns
    max_tries: int  # of one read whose bytes have another checksum than the service gives

    def error(self, answer: Answer, name: str) -> DatafluxError:
        return object_error(answer, bucket=self.bucket, name=name, endpoint=self.endpoint)


class GroupBytes(NamedTuple):
    """One group that was read: the stored bytes of each of its objects."""

    group: Group
    parts: list[bytes]


@dataclass(slots=True, eq=False)
class _Gathering:
    group: Group
    parts: list[bytes]
    missing: int


@dataclass(slots=True, eq=False)
class _Read:
    gathering: _Gathering
    position: int
    tries: int = 0


class DirectReads:
    """Reads of single objects, each checked against its listing and against the service's checksum."""

    def __init__(
        self, service: Service, source: Source, finish: Callable[[GroupBytes], None], stats: DownloadStats
    ) -> None:
        self._service = service
        self._source = source
        self._finish = finish
        self._stats = stats

    def start(self, group: Group) -> None:
        """Ask for every object of `group`; `finish` gets them when the last has come."""
        gathering = _Gathering(group, [b""] * group.sources, group.sources)
        for position in range(group.start, group.stop):
            self._ask(_Read(gathering, position))

    def _ask(self, read: _Read) -> None:
        read.tries += 1
        self._stats.asked("read")
        source = self._source
        request = media_request(
            source.bucket, source.objects.names[read.position], source.objects.generation(read.position)
        )
        self._service.submit(request, (self._on_media, read))

    def _on_media(self, read: _Read, answer: Answer) -> None:
        name = self._source.objects.names[read.position]
        if not answer.ok:
            self._on_refusal(read, answer)
            return
        body = answer.body
        log.debug("read.media name=%s bytes=%d", name, len(body))
        expected = crc32c_header(answer)
        if expected and google_crc32c.value(body) != crc32c_number(expected):
            if read.tries >= self._source.max_tries:
                raise ChecksumMismatch(name, expected, crc32c_text(google_crc32c.value(body)))
            self._stats.retries += 1
            self._ask(read)
            return
        listed = self._source.objects.sizes[read.position]
        if len(body) != listed and listed != UNKNOWN_SIZE:
            raise ObjectChanged(name, listed, len(body))
        self._keep(read, body)

    def _keep(self, read: _Read, body: bytes) -> None:
        self._stats.received_bytes += len(body)
        self._stats.objects_direct += 1
        gathering = read.gathering
        gathering.parts[read.position - gathering.group.start] = body
        gathering.missing -= 1
        if not gathering.missing:
            self._finish(GroupBytes(gathering.group, gathering.parts))

    def _on_refusal(self, read: _Read, answer: Answer) -> None:
        """Raise what the refusal means; where a pinned generation is gone, ask first what took its place."""
        source = self._source
        name = source.objects.names[read.position]
        if answer.status not in _GONE or not source.objects.generation(read.position):
            raise source.error(answer, name)
        self._stats.asked("stat")
        self._service.submit(stored_request(source.bucket, name), (self._on_successor, read))

    def _on_successor(self, read: _Read, answer: Answer) -> None:
        objects = self._source.objects
        name, listed = objects.names[read.position], objects.sizes[read.position]
        if not answer.ok:
            raise self._source.error(answer, name)
        found = read_stored(answer)
        if found.size != listed:
            raise ObjectChanged(name, listed, found.size)
        raise ObjectChanged(name, objects.generation(read.position), found.generation)
