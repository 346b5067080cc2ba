"""Decode row groups as their rows are asked for."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dataflux_core._data.index.parquet_files import OpenFiles
from dataflux_core._data.index.picked import rows_of
from dataflux_core._data.index.rows import BATCH_ROWS, as_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from dataflux_core._data.index.parquet_files import ParquetPart

HELD_BYTES = 128 * 1024**2
_SAMPLED_ROWS = 1024
_FEW_SHARE = 4  # of a row group, less than one part


class RowGroups:
    """The row groups of some files, numbered through; those decoded last are held, in one process.

    `again_bytes`: how much was decoded that had been before.
    """

    def __init__(self, parts: Sequence[ParquetPart], schema: pa.Schema, held_bytes: int = HELD_BYTES) -> None:
        self._parts = parts
        self._schema = schema
        self._max_held_bytes = held_bytes
        self._files = OpenFiles(parts)
        self._firsts = np.cumsum([0, *(len(part.group_rows) for part in parts)])
        self._held: OrderedDict[int, pa.Table] = OrderedDict()
        self._held_bytes = 0
        self._seen: set[int] = set()
        self._row_bytes: float | None = None
        self.again_bytes = 0

    def part(self, number: int, rows: NDArray[np.int64]) -> pa.Table:
        """Return rows of one row group."""
        with self._files.lock:
            table = self._held.get(number)
            if table is not None:
                self._held.move_to_end(number)
                return _few_or_shared(table, rows)
            at, group = self._place(number)
            size = int(self.row_bytes * self._parts[at].group_rows[group])
            if number in self._seen:
                self.again_bytes += size
            self._seen.add(number)
            if size > self._max_held_bytes:
                return self._passing(at, group, rows)
            table = self._decoded(at, group)
            self._hold(number, table)
            return _few_or_shared(table, rows)

    def cost(self, numbers: Sequence[int]) -> int:
        """Return how many bytes are to be decoded for some row groups: of those that are held, none."""
        with self._files.lock:
            left = [self._place(number) for number in numbers if number not in self._held]
            rows = sum(int(self._parts[at].group_rows[group]) for at, group in left if at < len(self._parts))
            return int(self.row_bytes * rows) if rows else 0

    def drop(self) -> None:
        """Hold nothing any more, with what Arrow keeps for later."""
        with self._files.lock:
            self._held.clear()
            self._held_bytes = 0
        pa.default_memory_pool().release_unused()

    @property
    def row_bytes(self) -> float:
        """How many bytes a decoded row takes, as the first ones tell: a footer knows only of encoded ones."""
        with self._files.lock:
            if self._row_bytes is None:
                first = next((number for number, part in enumerate(self._parts) if part.rows), None)
                batch = next(self._batches(first, None, _SAMPLED_ROWS), None) if first is not None else None
                self._row_bytes = batch.nbytes / batch.num_rows if batch else 1.0
            return self._row_bytes

    def _place(self, number: int) -> tuple[int, int]:
        at = int(np.searchsorted(self._firsts, number, side="right")) - 1
        return at, number - int(self._firsts[at])

    def _decoded(self, at: int, group: int) -> pa.Table:
        return pa.Table.from_batches(self._batches(at, group, BATCH_ROWS), self._schema).combine_chunks()

    def _batches(self, at: int, group: int | None, rows: int) -> Iterator[pa.RecordBatch]:
        for batch in self._files[at].batches(rows, self._schema.names, group):
            yield as_plain(batch, self._schema, self._parts[at].source)

    def _passing(self, at: int, group: int, rows: NDArray[np.int64]) -> pa.Table:
        """Pick rows from a row group that is too large to hold, a batch of it at a time."""
        order = np.argsort(rows, kind="stable")
        wanted, found, start = rows[order], [], 0
        for batch in self._batches(at, group, BATCH_ROWS):
            first, stop = np.searchsorted(wanted, [start, start + batch.num_rows])
            if stop > first:
                found.append(pa.Table.from_batches([batch]).take(pa.array(wanted[first:stop] - start)))
            start += batch.num_rows
            if stop == len(wanted):
                break
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        table = pa.concat_tables(found) if found else self._schema.empty_table()
        return table.combine_chunks().take(pa.array(places))

    def _hold(self, number: int, table: pa.Table) -> None:
        self._held[number] = table
        self._held_bytes += table.nbytes
        while self._held_bytes > self._max_held_bytes and len(self._held) > 1:
            self._held_bytes -= self._held.popitem(last=False)[1].nbytes


def _few_or_shared(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Copy a few rows: a view of them would hold the whole row group in memory."""
    return rows_of(table, rows) if len(rows) * _FEW_SHARE > table.num_rows else table.take(pa.array(rows))
