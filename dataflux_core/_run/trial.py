"""Try a few requests, one after the other, to see how long each takes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.reading.temporaries import Temporaries
from dataflux_core._run.service import Service
from dataflux_core._wire.objects import compose_request, delete_request, media_request, range_request, read_stored
from dataflux_core._wire.refusal import object_error
from dataflux_core.errors import ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._run.access import Access
    from dataflux_core._run.retries import RetryRule
    from dataflux_core._wire.message import Answer, Request


@dataclass(frozen=True, slots=True)
class Source:
    """An object with bytes; `generation` 0 where that is not known."""

    name: str
    generation: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class ComposeTrial:
    """How long a temporary took, in seconds."""

    sources: int
    size: int  # bytes
    compose_s: float
    read_s: float  # of all its bytes
    delete_s: float


def time_reads(access: Access, bucket: str, rule: RetryRule, sources: Sequence[Source]) -> float:
    """Return the median time, in seconds, until the first byte of an object is there, over a warm connection.

    Raises ObjectNotFound, AccessDenied, or another DatafluxError.
    """
    with _questions(access, bucket, rule) as questions:
        for source in sources[:1]:
            questions.ask(_first_byte(bucket, source), source.name)  # this one makes the connection
        return median(questions.ask(_first_byte(bucket, source), source.name)[1] for source in sources)


def try_compose(access: Access, bucket: str, rule: RetryRule, sources: Sequence[Source]) -> ComposeTrial:
    """Compose real objects, read the temporary, delete it; raises the errors of `time_reads`.

    However this ends, the temporary is deleted, by the guardian if need be.
    """
    temporaries = Temporaries(access, bucket)
    with _questions(access, bucket, rule) as questions:
        try:
            name = temporaries.plan()
            temporaries.flush()
            request = compose_request(bucket, name, [(source.name, source.generation) for source in sources])
            answer, compose_s = questions.ask(request, name)
            try:
                stored = read_stored(answer)
            except msgspec.DecodeError as error:
                raise ServiceRefused(f"gs://{bucket}/{name}", answer.status, f"no object ({error})") from error
            temporaries.made(name, stored.generation)
            _, read_s = questions.ask(media_request(bucket, name, stored.generation), name)
            _, delete_s = questions.ask(delete_request(bucket, name, stored.generation), name)
            temporaries.gone(name)
        finally:
            temporaries.give_up()
    return ComposeTrial(len(sources), stored.size, compose_s, read_s, delete_s)


class _Questions:
    """One request at a time."""

    def __init__(self, service: Service, access: Access, bucket: str) -> None:
        self._service, self._access, self._bucket = service, access, bucket

    def ask(self, request: Request, name: str) -> tuple[Answer, float]:
        """Return the answer with the seconds it took, retries included."""
        began_s = time.perf_counter()
        self._service.submit(request, None)
        ((_, answer),) = self._service.wait()
        elapsed_s = time.perf_counter() - began_s
        if not answer.ok:
            raise object_error(answer, bucket=self._bucket, name=name, endpoint=self._access.endpoint.base_url)
        return answer, elapsed_s


@contextmanager
def _questions(access: Access, bucket: str, rule: RetryRule) -> Iterator[_Questions]:
    with lease(access.endpoint) as transport:
        yield _Questions(Service(access, transport, rule, Pace(ceiling=1, start=1)), access, bucket)


def _first_byte(bucket: str, source: Source) -> Request:
    return range_request(bucket, source.name, source.generation, 0, 1)
