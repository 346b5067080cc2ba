"""Read records of several streams side by side."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

from dataflux_core.errors import InvalidArgument, RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._data.flare.decoding import Record
    from dataflux_core._data.flare.stream import Stream

_ADVICE = "name streams whose records belong together, or correct the header records"
_END = object()


def zipped(streams: Sequence[Stream], start: int = 0, stop: int | None = None) -> Iterator[tuple[Record, ...]]:
    """Yield one record of each stream, however these are cut into chunks; raises RecordsUnusable where they do not fit.

    Counts are compared before anything is read; where the playlist does not give them, at the end.
    """
    if not streams:
        raise InvalidArgument("names", "()", "one stream or more")
    counts = {stream.name: stream.record_count() for stream in streams}
    known = {name: count for name, count in counts.items() if count is not None}
    if len(set(known.values())) > 1:
        said = ", ".join(f"{name!r} has {count}" for name, count in known.items())
        raise RecordsUnusable(_named(streams), f"{said} records", _ADVICE)
    # They share what one stream may hold.
    shares = [
        stream.with_options(
            replace(stream.options, max_ahead_bytes=max(1, stream.options.max_ahead_bytes // len(streams)))
        )
        for stream in streams
    ]
    return _rows(shares, [share.records(start, stop) for share in shares])


def _rows(streams: Sequence[Stream], sources: Sequence[Iterator[Record]]) -> Iterator[tuple[Record, ...]]:
    with ExitStack() as stack:
        for source in sources:
            stack.enter_context(closing(source))  # type: ignore[type-var] # each is a generator
        row = 0
        while True:
            records = tuple(next(source, _END) for source in sources)
            over = [stream.name for stream, record in zip(streams, records, strict=True) if record is _END]
            if len(over) == len(streams):
                return
            if over:
                problem = f"{over[0]!r} ends after {row} records, others go on"
                raise RecordsUnusable(_named(streams), problem, _ADVICE)
            yield records
            row += 1


def _named(streams: Sequence[Stream]) -> str:
    return "streams " + ", ".join(repr(stream.name) for stream in streams)
