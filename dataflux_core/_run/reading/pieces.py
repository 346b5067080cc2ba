"""Read large objects a piece at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.reading.direct import Source
from dataflux_core._run.service import Service
from dataflux_core._wire.objects import crc32c_number, media_request, read_stored, stored_request
from dataflux_core.errors import ObjectChanged

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._run.access import Access
    from dataflux_core._run.retries import RetryRule
    from dataflux_core._wire.message import Answer, Request
    from dataflux_core.errors import DatafluxError

PIECE_BYTES = 16 * 1024**2
_MAX_HELD_BYTES = 512 * 1024**2
_FIRST_REQUESTS = 8  # each is worth a connection of its own; more once these come clean
_GONE = (404, 412)  # for a pinned generation: deleted, or replaced by another


@dataclass(frozen=True, slots=True)
class Piece:
    """Stored bytes of one object from `start` on."""

    position: int
    start: int
    content: bytes
    crc32c: str  # of the whole object, "" where neither listing nor service gives it


@dataclass(frozen=True, slots=True)
class _Asked:
    position: int
    start: int
    stop: int


class _Pin(NamedTuple):
    generation: int
    crc32c: str


def read_pieces(  # noqa: PLR0913 - by whom, from where, what, what is known of it, how
    access: Access,
    bucket: str,
    objects: ObjectColumns,
    checksums: Sequence[str],
    rule: RetryRule,
    *,
    max_requests: int,
) -> Generator[Piece, None, None]:
    """Yield the pieces of every object as they arrive, all of one generation, in bounded memory.

    `checksums` are the crc32c listed, "" where none is. Close it where it is not read to its end. Raises ObjectChanged,
    ObjectNotFound, or another DatafluxError.
    """
    window = max(1, min(max_requests, _MAX_HELD_BYTES // PIECE_BYTES))
    source = Source(access.endpoint.base_url, bucket, objects, max_tries=1)  # only the whole has a checksum
    with lease(access.endpoint) as transport:
        service = Service(access, transport, rule, Pace(ceiling=window, start=_FIRST_REQUESTS))
        pins = _pin(service, source, checksums)
        waiting = _pieces_of(objects)
        while True:
            while service.free > 0 and (asked := next(waiting, None)) is not None:
                service.submit(_request(bucket, objects.names[asked.position], pins[asked.position], asked), asked)
            if not service.pending:
                return
            for asked, answer in service.wait():
                if not answer.ok:
                    raise _error(service, source, asked.position, pins[asked.position], answer)
                yield _piece(source, asked, answer, pins[asked.position])


def _pin(service: Service, source: Source, checksums: Sequence[str]) -> list[_Pin]:
    """Return the generation of each object with the checksum of its bytes, asked for where one is not listed.

    One request more is little beside the five or more that read a large object; its bytes are never kept unchecked.
    """
    objects = source.objects
    pins = [_Pin(objects.generation(position), checksums[position]) for position in range(len(objects))]
    for position, pin in enumerate(pins):
        if not pin.generation or not pin.crc32c:
            service.submit(_stat(source, position, pin), position)
    while service.pending:
        for position, answer in service.wait():
            name, listed = objects.names[position], pins[position]
            if not answer.ok:
                raise _error(service, source, position, listed, answer)
            found = read_stored(answer)
            if found.size != objects.sizes[position]:
                raise ObjectChanged(name, objects.sizes[position], found.size)
            if listed.crc32c and found.crc32c and found.crc32c != listed.crc32c:
                raise ObjectChanged(name, crc32c_number(listed.crc32c), crc32c_number(found.crc32c))
            pins[position] = _Pin(found.generation, listed.crc32c or found.crc32c)
    return pins


def _stat(source: Source, position: int, pin: _Pin) -> Request:
    """Ask what an object is, at its generation where that is listed: another's checksum is of no use."""
    latest = stored_request(source.bucket, source.objects.names[position])
    return replace(latest, target=f"{latest.target}&generation={pin.generation}") if pin.generation else latest


def _error(service: Service, source: Source, position: int, pin: _Pin, answer: Answer) -> DatafluxError:
    """Name what a refusal means; where a pinned generation is gone, ask first what took its place."""
    objects = source.objects
    name, listed_size = objects.names[position], objects.sizes[position]
    if answer.status not in _GONE or not pin.generation:
        return source.error(answer, name)
    service.drop_waiting()  # this is the end: nothing else is worth asking
    successor = object()
    service.submit(stored_request(source.bucket, name), successor)
    while service.pending:
        for tag, answered in service.wait():
            if tag is not successor:
                continue
            if not answered.ok:
                return source.error(answered, name)
            found = read_stored(answered)
            if found.size != listed_size:
                return ObjectChanged(name, listed_size, found.size)
            return ObjectChanged(name, pin.generation, found.generation)
    return source.error(answer, name)


def _pieces_of(objects: ObjectColumns) -> Iterator[_Asked]:
    for position, size in enumerate(objects.sizes):
        for start in range(0, size, PIECE_BYTES):
            yield _Asked(position, start, min(size, start + PIECE_BYTES))


def _request(bucket: str, name: str, pin: _Pin, asked: _Asked) -> Request:
    whole = media_request(bucket, name, pin.generation)
    return replace(whole, headers=(*whole.headers, f"Range: bytes={asked.start}-{asked.stop - 1}"))


def _piece(source: Source, asked: _Asked, answer: Answer, pin: _Pin) -> Piece:
    if len(answer.body) != asked.stop - asked.start:
        raise ObjectChanged(source.objects.names[asked.position], asked.stop - asked.start, len(answer.body))
    return Piece(asked.position, asked.start, answer.body, pin.crc32c)
