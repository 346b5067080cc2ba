"""Gather rows that lie in several blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Blocks(Protocol):
    """Rows in blocks one after the other."""

    def part(self, number: int, rows: NDArray[np.int64]) -> pa.Table:
        """Return rows of one block, counted from its start."""


def picked(blocks: Blocks, ends: NDArray[np.int64], rows: NDArray[np.int64]) -> pa.Table:
    """Return rows in the order asked for, each block visited once; raises IndexError.

    `ends`: (b,) how many rows there are up to the end of each block. No rows at all are what block 0 makes of none.
    """
    rows = _checked(rows, int(ends[-1]))
    numbers = np.searchsorted(ends, rows, side="right")
    if not len(rows) or numbers[0] == numbers.min() == numbers.max():
        number = int(numbers[0]) if len(rows) else 0
        return blocks.part(number, rows - _start(ends, number))
    order = np.argsort(numbers, kind="stable")
    visited, starts = np.unique(numbers[order], return_index=True)
    parts = []
    for number, mine in zip(visited.tolist(), np.split(order, starts[1:]), strict=True):
        parts.append(blocks.part(number, rows[mine] - _start(ends, number)))
    gathered = pa.concat_tables(parts)
    if np.array_equal(order, np.arange(len(order))):
        return gathered
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return gathered.combine_chunks().take(pa.array(places))


def rows_of(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Return rows of one table, without a copy where they follow each other."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and bool(np.all(np.diff(rows) == 1)):
        return table.slice(int(rows[0]), len(rows))
    return table.take(pa.array(rows))


def _start(ends: NDArray[np.int64], number: int) -> int:
    return int(ends[number - 1]) if number else 0


def _checked(rows: Any, count: int) -> NDArray[np.int64]:  # noqa: ANN401 - a list does as well
    asked = np.asarray(rows)
    if asked.ndim != 1 or (len(asked) and not np.issubdtype(asked.dtype, np.integer)):
        raise TypeError(f"rows are taken by whole numbers in one dimension, not {asked.dtype} of shape {asked.shape}")
    whole = asked.astype(np.int64, copy=False)
    if len(whole) and not (int(whole.min()) >= 0 and int(whole.max()) < count):
        wrong = whole[(whole < 0) | (whole >= count)][0]
        raise IndexError(f"row {wrong} out of range for {count} samples")
    return whole
