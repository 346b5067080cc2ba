"""Say which chunks the records of a playlist's streams lie in."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core._data.epoch.window import InChunk, Window
from dataflux_core._data.flare.chunks import Piece
from dataflux_core._data.flare.renewal import lasting_names
from dataflux_core._data.flare.zipping import check_totals, named, told
from dataflux_core._plan.chunk_rows import block_ends, chunks_together, is_read_in_parts
from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.order.permutation import MAX_COUNT
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core.errors import RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataflux_core._data.flare.stream import Stream

_LEAST_PARTED_BYTES = 256 * 1024  # of a chunk: a smaller one comes as soon as a part of it


@dataclass(frozen=True, slots=True)
class PlaylistIndex:
    """How many rows there are, with what tells them from those of another playlist."""

    rows: int
    fingerprint: str

    def __len__(self) -> int:
        return self.rows


class PlaylistBinding:
    """Streams side by side: a row is a record of each; where nobody knows their numbers, a chunk of each.

    Raises RecordsUnusable where the streams do not fit each other.
    """

    def __init__(
        self, source: str, streams: Sequence[Stream], *, max_samples: int | None = None, reads_parts: bool = True
    ) -> None:
        self.source = source
        self.loaded = tuple(stream.name for stream in streams)
        counts = [stream.record_counts() for stream in streams]
        known = [each for each in counts if each is not None]
        self.knows_records = len(known) == len(streams)
        _check_fit(streams, known)
        rows = sum(known[0]) if self.knows_records else len(streams[0])
        self.index = PlaylistIndex(min(rows, max_samples or rows), _fingerprint(streams, counts))
        self._columns = [
            _Column(stream, each, by_record=self.knows_records, reads_parts=reads_parts)
            for stream, each in zip(streams, counts, strict=True)
        ]
        self.block_ends = self._blocks(streams, known)

    def _blocks(self, streams: Sequence[Stream], known: Sequence[Sequence[int]]) -> list[int]:
        """Return the ends of the blocks that an order is best made of: those of the stream that has the largest."""
        if not self.knows_records:
            return []
        found: list[int] = []
        for stream, counts in zip(streams, known, strict=True):
            together = chunks_together(counts, stream.conventions.sizes)
            ends = block_ends(counts, together, len(self.index)) if together else []
            if ends and (not found or len(ends) < len(found)):
                found = ends
        return found

    def window(self, rows: NDArray[np.int64]) -> Window:
        """Look rows up, (n,)."""
        width, listed = len(self.loaded), rows.tolist()
        cells = len(listed) * width
        urls, sizes, crc32cs = [""] * cells, [UNKNOWN_SIZE] * cells, [""] * cells
        places: list[InChunk | None] = [None] * cells
        for at, column in enumerate(self._columns):
            found = column.places(rows)
            places[at::width] = found
            urls[at::width] = [column.urls[place.piece.chunk] for place in found]
            sizes[at::width] = [column.size(place.piece) for place in found]
            crc32cs[at::width] = [column.crc32c(place.piece) for place in found]
        return Window(
            rows=listed,
            ids=list(map(str, listed)),
            columns=[self.loaded] * len(listed),
            starts=range(0, cells + 1, width),
            objects=RemoteObjects(urls, sizes, crc32cs),
            unreadable={},
            values=[{}] * len(listed),
            chunks=places,
        )


class _Column:
    """One stream as it is looked up."""

    def __init__(self, stream: Stream, counts: Sequence[int] | None, *, by_record: bool, reads_parts: bool) -> None:
        said = stream.conventions
        self.urls = stream.spec.content
        self._stream = stream
        self._sizes, self._crc32cs, self._sha256 = said.sizes, said.crc32c, said.sha256
        # Too many chunks have the same crc32c for it to name them; it tells whether what their URL named is still it.
        self._names = lasting_names(self.urls) if said.crc32c and not said.sha256 else self.urls
        self._counts = None if counts is None else np.array(counts, np.int64)
        self._ends = np.cumsum(self._counts) if by_record and self._counts is not None else None
        self._record_bytes = stream.chunks.record_bytes if reads_parts and by_record else 0

    def size(self, piece: Piece) -> int:
        if piece.stop is not None:
            return piece.stop - piece.start
        return UNKNOWN_SIZE if self._sizes is None else self._sizes[piece.chunk]

    def crc32c(self, piece: Piece) -> str:
        return "" if self._crc32cs is None or piece.stop is not None else self._crc32cs[piece.chunk]

    def places(self, rows: NDArray[np.int64]) -> list[InChunk]:
        chunks = self._stream.chunks
        if self._ends is None or self._counts is None:
            known = None if self._counts is None else self._counts.tolist()
            return [
                InChunk(chunks, Piece(row), None, -1 if known is None else known[row], self._cache_name(row))
                for row in rows.tolist()
            ]
        numbers = np.searchsorted(self._ends, rows, side="right")
        records = rows - (self._ends - self._counts)[numbers]
        counts = self._counts[numbers]
        parted = self._parted(numbers)
        size = self._record_bytes
        return [
            InChunk(chunks, Piece(number, record * size, (record + 1) * size), 0, 1, "")
            if number in parted
            else InChunk(chunks, Piece(number), record, count, self._cache_name(number))
            for number, record, count in zip(numbers.tolist(), records.tolist(), counts.tolist(), strict=True)
        ]

    def _parted(self, numbers: NDArray[np.int64]) -> set[int]:
        """Return the chunks of which some records are read, not the whole: few are wanted in this window."""
        if not self._record_bytes or self._counts is None:
            return set()
        wanted = zip(*(each.tolist() for each in np.unique(numbers, return_counts=True)), strict=True)
        found = set()
        for number, count in wanted:
            chunk_bytes = int(self._counts[number]) * self._record_bytes
            if chunk_bytes > _LEAST_PARTED_BYTES and is_read_in_parts(count, self._record_bytes, chunk_bytes):
                found.add(number)
        return found

    def _cache_name(self, number: int) -> str:
        """Name a chunk by what it holds, if that is known: its URL may be another one tomorrow."""
        return self._names[number] if self._sha256 is None else f"sha256:{self._sha256[number]}"


def _check_fit(streams: Sequence[Stream], known: Sequence[Sequence[int]]) -> None:
    names = [stream.name for stream in streams]
    if len(known) == len(streams):
        totals = {name: sum(each) for name, each in zip(names, known, strict=True)}
        check_totals(names, totals)
        if totals[names[0]] > MAX_COUNT:
            problem = f"{told(totals)} records, more than can be ordered"
            raise RecordsUnusable(named(names), problem, "correct the header records")
    elif len({len(stream) for stream in streams}) > 1:
        chunks = told({stream.name: len(stream) for stream in streams})
        advice = "give all of them the header records, or name streams whose chunks belong together"
        raise RecordsUnusable(named(names), f"not all say how many records they have, and {chunks} chunks", advice)


def _fingerprint(streams: Sequence[Stream], counts: Sequence[Sequence[int] | None]) -> str:
    """Sum up which records there are in which chunks; where those lie only where nothing else tells them apart."""
    digest = md5(usedforsecurity=False)
    for stream, records in zip(streams, counts, strict=True):
        said = stream.conventions
        how = stream.name, len(stream), said.encoding, said.compression, said.dtype, said.shape
        digest.update(repr((how, records and list(records), said.sizes and list(said.sizes))).encode())
        told = said.sha256 or said.crc32c or stream.spec.content
        digest.update("\n".join(told).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
