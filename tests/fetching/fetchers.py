"""Fetchers for tests, with what they read."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import google_crc32c

from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._plan.retry import RetryPolicy
from dataflux_core._run.fetching.fetcher import Fetcher
from dataflux_core._run.fetching.options import FetchOptions
from dataflux_core._run.retries import RetryRule
from dataflux_core._wire.objects import crc32c_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._run.client_source import ClientSource
    from dataflux_core._run.reading.direct import Part

QUICK = RetryRule(RetryPolicy(initial_s=0.01, multiplier=1.0, maximum_s=0.01, timeout_s=20.0))
IMPATIENT = RetryRule(RetryPolicy(initial_s=0.01, multiplier=1.0, maximum_s=0.01, timeout_s=0.05))


@contextmanager
def fetcher(client: ClientSource = None, **options: Any) -> Iterator[Fetcher]:
    with closing(Fetcher(FetchOptions(**{"rule": QUICK, **options}), client)) as made:
        yield made


def fetched(reader: Fetcher, objects: RemoteObjects) -> list[Part]:
    """Return what comes of each object, in order; each position comes exactly once."""
    parts: dict[int, Part] = {}
    for position, part in reader.read(objects):
        assert position not in parts
        parts[position] = part
    assert sorted(parts) == list(range(len(objects)))
    return [parts[position] for position in range(len(objects))]


def one(reader: Fetcher, url: str, size: int | None = None, crc32c: str | None = None) -> Part:
    """Return what comes of one URL."""
    sizes, sums = None if size is None else [size], None if crc32c is None else [crc32c]
    return fetched(reader, RemoteObjects([url], sizes, sums))[0]


def crc32c_of(content: bytes) -> str:
    return crc32c_text(google_crc32c.value(content))
