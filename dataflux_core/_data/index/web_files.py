"""Bring an index file here from a web server."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from dataflux_core._data.index.scratch import written
from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._run.fetching.fetcher import Fetcher
from dataflux_core._run.fetching.options import UNRANGED_BYTES, FetchOptions
from dataflux_core._run.retries import RetryRule
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import ServiceRefused, VersionChanged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dataflux_core._wire.web import Content

_RULE = RetryRule()
_MAX_BYTES = 32 * 1024**3
_MAX_WHOLE_BYTES = 4 * 1024**3  # that may have to be held in memory
_PIECE_BYTES = UNRANGED_BYTES  # so that a server that does not know of ranges gives most indexes at once
_TRIES = 3  # of an index that becomes another while it is read
# By what servers refuse ranges, or do not understand them: all, a part that was not asked for, none of it.
_NO_RANGES = frozenset({200, 206, 416})


def fetch(url: str, path: Path, *, max_bytes: int = _MAX_BYTES, piece_bytes: int = _PIECE_BYTES) -> None:
    """Write what a URL gives to a file, piece after piece of the same version, or all at once; raises DatafluxError."""
    limit_bytes = min(max_bytes, _MAX_WHOLE_BYTES)
    options = FetchOptions(max_requests=1, max_reads=1, rule=_RULE, max_object_bytes=limit_bytes)
    with closing(Fetcher(options)) as fetcher:

        def write() -> None:
            with written(path) as aside, aside.open("wb") as file:
                file.writelines(_pieces(fetcher, url, max_bytes, piece_bytes))

        for _ in range(_TRIES - 1):
            with suppress(VersionChanged):
                write()
                return
        write()


def _pieces(fetcher: Fetcher, url: str, max_bytes: int, piece_bytes: int) -> Iterator[bytes]:
    first = _first(fetcher, url, piece_bytes)
    if first is None:
        yield _whole(fetcher, url)
        return
    if first.total > max_bytes:
        raise ServiceRefused(shown_url(url), 200, f"an index of more than {max_bytes:,} bytes; split it")
    yield first.content
    done = len(first.content)
    while done < first.total:
        stop = min(done + piece_bytes, first.total)
        piece = fetcher.read_range(url, done, stop, version=first.version, size=first.total)
        yield piece.content
        done += len(piece.content)


def _first(fetcher: Fetcher, url: str, piece_bytes: int) -> Content | None:
    """Return the first piece; None where others could not be told to be of the same version, or do not come at all."""
    try:
        first = fetcher.read_range(url, 0, piece_bytes)
    except ServiceRefused as error:
        if error.status not in _NO_RANGES:
            raise
        return None
    is_whole = first.total == len(first.content)
    return first if is_whole or (first.version and first.total != UNKNOWN_SIZE) else None


def _whole(fetcher: Fetcher, url: str) -> bytes:
    ((_, part),) = fetcher.read(RemoteObjects([url]))
    if isinstance(part, bytes):
        return part
    raise part
