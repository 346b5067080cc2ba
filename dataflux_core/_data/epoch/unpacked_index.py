"""Write the index of samples that were unpacked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflux_core._data.directory_errors import blamed
from dataflux_core._data.epoch.unpacked_names import paths_of, windows_of
from dataflux_core._data.target_tree import Place
from dataflux_core._plan.sample_files import INDEX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dataflux_core._data.epoch.binding import Binding
    from dataflux_core._data.epoch.unpacked_journal import Facts
    from dataflux_core._data.epoch.window import Window
    from dataflux_core._data.target_tree import TargetTree

_ID = "id"
_WHAT = "the index"
_GROUP_ROWS = 65_536


def write_index(tree: TargetTree, binding: Binding, facts: Facts, bad_rows: NDArray[np.bool_]) -> None:
    """Put index.parquet in its place: the id, where each file lies with size and checksum, the columns that are kept.

    Rows that are bad are left out. Raises FileNotWritten.
    """
    file = tree.create(Place(_WHAT, INDEX))
    try:
        with blamed(_WHAT, tree.directory / INDEX):
            with os.fdopen(os.dup(file.descriptor), "wb") as sink:
                _write(sink, _tables(binding, facts, bad_rows))
            file.commit()
    except BaseException:
        file.discard()
        raise


def _write(sink: object, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with pq.ParquetWriter(sink, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table.cast(first.schema))


def _tables(binding: Binding, facts: Facts, bad_rows: NDArray[np.bool_]) -> Iterator[pa.Table]:
    """Yield the rows in their order, enough at once for a row group each."""
    held: list[pa.Table] = []
    held_rows = 0
    for window in windows_of(binding):
        table = _table(binding, facts, window)
        held.append(table.filter(pa.array(~bad_rows[np.asarray(window.rows)])))
        held_rows += len(table)
        if held_rows >= _GROUP_ROWS:
            yield pa.concat_tables(held)
            held, held_rows = [], 0
    if held:
        yield pa.concat_tables(held)


def _table(binding: Binding, facts: Facts, window: Window) -> pa.Table:
    source = binding.index.take(np.asarray(window.rows, np.int64))
    columns = {binding.id_column or _ID: source[binding.id_column] if binding.id_column else pa.array(window.ids)}
    paths = paths_of(window)
    width = len(binding.loaded)
    first = window.rows[0] * width
    for place, column in enumerate(binding.loaded):
        numbers = range(first + place, first + len(paths), width)
        sizes = facts.sizes[numbers.start : numbers.stop : width]
        columns[column] = pa.array(paths[place::width], pa.string())
        columns[f"{column}.size"] = pa.array(sizes, pa.int64(), mask=sizes < 0)
        columns[f"{column}.crc32c"] = pa.array([facts.crc32c(number) or None for number in numbers], pa.string())
    columns.update((name, source[name]) for name in binding.kept)
    return pa.table(columns)
