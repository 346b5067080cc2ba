"""Read records of several streams side by side."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from dataflux_core.errors import InvalidArgument, RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
    names = [stream.name for stream in streams]
    counts = {stream.name: stream.record_count() for stream in streams}
    check_totals(names, {name: count for name, count in counts.items() if count is not None})
    # They share what one stream may hold.
    shares = [
        stream.with_options(
            replace(stream.options, max_ahead_bytes=max(1, stream.options.max_ahead_bytes // len(streams)))
        )
        for stream in streams
    ]
    return _rows(names, [share.records(start, stop) for share in shares])


def check_totals(names: Sequence[str], totals: Mapping[str, int]) -> None:
    """Raise RecordsUnusable where streams, as far as that is known, have different numbers of records."""
    if len(set(totals.values())) > 1:
        raise RecordsUnusable(named(names), f"{told(totals)} records", _ADVICE)


def side_by_side(
    names: Sequence[str], sources: Sequence[Iterator[Record]], *, within: str = "", advice: str = _ADVICE
) -> Iterator[tuple[Record, ...]]:
    """Yield one record of each source; raises RecordsUnusable where one ends before others."""
    for number, records in enumerate(zip_longest(*sources, fillvalue=_END)):
        over = [name for name, record in zip(names, records, strict=True) if record is _END]
        if over:
            problem = f"{over[0]!r} ends after {number} records{within}, others go on"
            raise RecordsUnusable(named(names), problem, advice)
        yield records


def named(names: Sequence[str]) -> str:
    """Return what messages call streams that are put side by side."""
    return f"streams {', '.join(map(repr, names))}"


def told(totals: Mapping[str, int]) -> str:
    """Say how many of something each stream has."""
    return ", ".join(f"{name!r} has {total:,}" for name, total in totals.items())


def _rows(names: Sequence[str], sources: Sequence[Iterator[Record]]) -> Iterator[tuple[Record, ...]]:
    with ExitStack() as stack:
        for source in sources:
            stack.enter_context(closing(source))  # type: ignore[type-var] # each is a generator
        yield from side_by_side(names, sources)
