"""Read large objects a piece at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.service import Service
from dataflux_core._wire.objects import media_request, read_stored, stored_request
from dataflux_core._wire.refusal import object_error
from dataflux_core.errors import ObjectChanged

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._run.access import Access
    from dataflux_core._run.retries import RetryRule
    from dataflux_core._wire.message import Answer, Request

PIECE_BYTES = 16 * 1024**2
_MAX_HELD_BYTES = 512 * 1024**2
_FIRST_REQUESTS = 8  # each is worth a connection of its own; more once these come clean


@dataclass(frozen=True, slots=True)
class Piece:
    """Stored bytes of one object from `start` on."""

    position: int
    start: int
    content: bytes
    crc32c: str  # of the whole object, "" where it is not known


@dataclass(frozen=True, slots=True)
class _Asked:
    position: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Source:
    endpoint: str
    bucket: str
    objects: ObjectColumns

    def check(self, answer: Answer, position: int) -> None:
        if not answer.ok:
            name = self.objects.names[position]
            raise object_error(answer, bucket=self.bucket, name=name, endpoint=self.endpoint)


def read_pieces(
    access: Access, bucket: str, objects: ObjectColumns, rule: RetryRule, *, max_requests: int
) -> Generator[Piece, None, None]:
    """Yield the pieces of every object as they arrive, all of one generation, in bounded memory.

    Close it where it is not read to its end. Raises ObjectChanged, ObjectNotFound, or another DatafluxError.
    """
    window = max(1, min(max_requests, _MAX_HELD_BYTES // PIECE_BYTES))
    source = _Source(access.endpoint.base_url, bucket, objects)
    with lease(access.endpoint) as transport:
        service = Service(access, transport, rule, Pace(ceiling=window, start=_FIRST_REQUESTS))
        generations, checksums = _pin(service, source)
        waiting = _pieces_of(objects)
        while True:
            while service.free > 0 and (asked := next(waiting, None)) is not None:
                service.submit(
                    _request(bucket, objects.names[asked.position], generations[asked.position], asked), asked
                )
            if not service.pending:
                return
            for asked, answer in service.wait():
                yield _piece(source, asked, answer, checksums[asked.position])


def _pin(service: Service, source: _Source) -> tuple[list[int], list[str]]:
    """Return the generation of each object, asked for where it is not listed, with the checksum where it was asked."""
    objects = source.objects
    generations = [objects.generation(position) for position in range(len(objects))]
    checksums = [""] * len(objects)
    for position, generation in enumerate(generations):
        if not generation:
            service.submit(stored_request(source.bucket, objects.names[position]), position)
    while service.pending:
        for position, answer in service.wait():
            source.check(answer, position)
            stored = read_stored(answer)
            if stored.size != objects.sizes[position]:
                raise ObjectChanged(objects.names[position], objects.sizes[position], stored.size)
            generations[position], checksums[position] = stored.generation, stored.crc32c
    return generations, checksums


def _pieces_of(objects: ObjectColumns) -> Iterator[_Asked]:
    for position, size in enumerate(objects.sizes):
        for start in range(0, size, PIECE_BYTES):
            yield _Asked(position, start, min(size, start + PIECE_BYTES))


def _request(bucket: str, name: str, generation: int, asked: _Asked) -> Request:
    whole = media_request(bucket, name, generation)
    return replace(whole, headers=(*whole.headers, f"Range: bytes={asked.start}-{asked.stop - 1}"))


def _piece(source: _Source, asked: _Asked, answer: Answer, crc32c: str) -> Piece:
    source.check(answer, asked.position)
    if len(answer.body) != asked.stop - asked.start:
        raise ObjectChanged(source.objects.names[asked.position], asked.stop - asked.start, len(answer.body))
    return Piece(asked.position, asked.start, answer.body, crc32c)
