"""Keep an index in Arrow's own format, which processes share as they map it."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dataflux_core._data.index.content import Content
from dataflux_core._data.index.picked import picked, rows_of
from dataflux_core._data.index.sample_index import Home
from dataflux_core._data.index.scratch import Scratch, written
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SMALL_BYTES = 1024**2  # pickled as they are
_CHUNK_ROWS = 1024**2  # few large chunks are quicker to take from than many
_CHUNK_BYTES = 32 * 1024**2


class MappedIndex:
    """Rows in a file that is memory-mapped, or in a few bytes; pickled as the file's path, or as these bytes."""

    def __init__(
        self, place: Path | bytes, fingerprint: str, home: Home | None = None, scratch: Scratch | None = None
    ) -> None:
        self._place = place
        self._scratch = scratch  # lives as long as this
        self._fingerprint = fingerprint
        self.home = home or Home()
        self._batches, self._schema = _opened(place)
        self._ends: NDArray[np.int64] = np.array([0, *accumulate(b.num_rows for b in self._batches)][1:] or [0])

    def __reduce__(self) -> tuple[type[MappedIndex], tuple[Path | bytes, str, Home]]:
        return MappedIndex, (self._place, self._fingerprint, self.home)

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._schema.names)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def take(self, rows: NDArray[np.int64]) -> pa.Table:
        return picked(self, self._ends, rows)

    def part(self, number: int, rows: NDArray[np.int64]) -> pa.Table:
        """Return rows of one batch of the file."""
        return rows_of(pa.Table.from_batches(self._batches[number : number + 1], self._schema), rows)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        wanted = list(self.columns if columns is None else columns)
        return (batch.select(wanted) for batch in self._batches)


def _opened(place: Path | bytes) -> tuple[list[pa.RecordBatch], pa.Schema]:
    if isinstance(place, bytes):
        reader = pa.ipc.open_file(pa.py_buffer(place))
    else:
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(place)))
        except OSError as error:
            advice = "keep the dataset that was pickled alive in the process that opened it, or open the source again"
            raise IndexUnusable(str(place), "the copy of the index is gone", advice) from error
    return [reader.get_batch(number) for number in range(reader.num_record_batches)], reader.schema


def mapped(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    scratch: Scratch,
    home: Home,
    places: Mapping[str, int] | None = None,
) -> MappedIndex:
    """Write batches to a file in `scratch`, unless they are small, as they come; see Content for `places`."""
    content = Content(schema, places or {})
    place = _written(_told(batches, content), schema, scratch)
    fingerprint = content.fingerprint()
    return MappedIndex(place, fingerprint, home, None if isinstance(place, bytes) else scratch)


def _told(batches: Iterable[pa.RecordBatch], content: Content) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if batch.num_rows:
            content.add(batch)
            yield batch


def _written(batches: Iterator[pa.RecordBatch], schema: pa.Schema, scratch: Scratch) -> Path | bytes:
    first: list[pa.RecordBatch] = []
    for batch in batches:
        first.append(batch)
        if sum(part.nbytes for part in first) > _SMALL_BYTES:
            break
    else:
        sink = pa.BufferOutputStream()
        _write(first, schema, sink)
        return bytes(sink.getvalue().to_pybytes())
    path = scratch.path / "index.arrow"

    def everything() -> Iterator[pa.RecordBatch]:
        yield from first
        yield from batches

    write_file(everything(), schema, path)
    return path


def write_file(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> None:
    """Write a file to be mapped, whole or not at all; raises FileNotWritten."""
    with written(path) as aside, pa.OSFile(str(aside), "wb") as sink:
        _write(_in_chunks(batches, schema), schema, sink)


def _write(batches: Iterable[pa.RecordBatch], schema: pa.Schema, sink: pa.NativeFile) -> None:
    with pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _in_chunks(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        rows, size = sum(part.num_rows for part in held), sum(part.nbytes for part in held)
        if rows >= _CHUNK_ROWS or size >= _CHUNK_BYTES:
            yield from _joined(held, schema)
            held = []
    yield from _joined(held, schema)


def _joined(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    yield from pa.Table.from_batches(batches, schema).combine_chunks().to_batches()
