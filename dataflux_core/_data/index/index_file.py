"""Write an index to a Parquet file from which rows can be taken in any order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflux_core._data.index.rows import BATCH_ROWS
from dataflux_core._data.index.scratch import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataflux_core._data.index.sample_index import SampleIndex


@dataclass(frozen=True, slots=True)
class WrittenIndex:
    """What was written."""

    samples: int
    incomplete: int  # that have no value in a column


def write_index(index: SampleIndex, path: str | Path) -> WrittenIndex:
    """Write an index whole or not at all, its row groups small: one is decoded for each row that is taken alone.

    Raises FileNotWritten.
    """
    batches = index.batches()
    first = next(batches)
    samples = incomplete = 0
    with written(Path(path)) as aside, pq.ParquetWriter(aside, first.schema, compression="zstd") as writer:
        for group in _groups(first, batches):
            writer.write_table(group, row_group_size=BATCH_ROWS)
            samples += group.num_rows
            incomplete += int(_lacking(group).sum())
    return WrittenIndex(samples, incomplete)


def _groups(first: pa.RecordBatch, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Cut the rows into full row groups."""
    held = pa.Table.from_batches([first])
    while True:
        while held.num_rows >= BATCH_ROWS:
            yield held.slice(0, BATCH_ROWS)
            held = held.slice(BATCH_ROWS)
        batch = next(batches, None)
        if batch is None:
            break
        held = pa.concat_tables([held, pa.Table.from_batches([batch])])
    if held.num_rows:
        yield held


def _lacking(table: pa.Table) -> NDArray[np.bool_]:
    lacking = np.zeros(table.num_rows, bool)
    for column in table.columns:
        if column.null_count:
            lacking |= column.is_null().to_numpy()
    return lacking
