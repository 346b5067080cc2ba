"""Give the records of chunks side by side, one sample after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core.errors import RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_END = object()


@dataclass(frozen=True, slots=True)
class EachRecord:
    """Splits a row that is a chunk of each stream into samples."""

    streams: tuple[str, ...]
    spread: str  # the stream whose records, where they are dicts, are the samples themselves

    def __call__(self, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a sample for each record; raises RecordsUnusable where one chunk has more than another."""
        sources = [row[stream] for stream in self.streams]
        number = 0
        while True:
            records = [next(source, _END) for source in sources]
            over = [stream for stream, record in zip(self.streams, records, strict=True) if record is _END]
            if len(over) == len(records):
                return
            if over:
                problem = f"{over[0]!r} ends after {number} records of this chunk, others go on"
                raise RecordsUnusable(f"streams {', '.join(map(repr, self.streams))}", problem, "mend the chunks")
            number += 1
            first: Any = records[0]
            is_sample = bool(self.spread) and isinstance(first, dict)
            yield first if is_sample else dict(zip(self.streams, records, strict=True))
