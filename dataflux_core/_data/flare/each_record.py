"""Give the records of chunks side by side, one sample after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core._data.flare.zipping import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class EachRecord:
    """Splits a row that is a chunk of each stream into samples."""

    streams: tuple[str, ...]
    spread: str  # the stream whose records, where they are dicts, are the samples themselves

    def __call__(self, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a sample for each record; raises RecordsUnusable where one chunk has more than another."""
        sources = [row[stream] for stream in self.streams]
        for records in side_by_side(self.streams, sources, within=" of this chunk", advice="mend the chunks"):
            is_sample = bool(self.spread) and isinstance(records[0], dict)
            yield records[0] if is_sample else dict(zip(self.streams, records, strict=True))
