"""Refuse an index whose samples cannot be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dataflux_core._data.index.rows import missing
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from dataflux_core._data.index.sample_index import SampleIndex

_MAX_ROWS = 50_000_000  # looking at more would take longer, and more memory, than a mistake in them costs


def check_ids(index: SampleIndex, column: str, source: str = "the index") -> None:
    """Raise IndexUnusable where two samples have one id, or one has none; more than 50 million are not looked at."""
    if column not in index.columns:
        advice = "choose one of its columns as index_col_name"
        raise IndexUnusable(source, f"it has no column {column!r}, {missing(index.columns)}", advice)
    if len(index) > _MAX_ROWS:
        return
    ids = pa.chunked_array([batch.column(0) for batch in index.batches([column])])
    if ids.null_count:
        row = int(np.argmax(ids.is_null().to_numpy()))
        raise IndexUnusable(source, f"row {row}, column {column!r}: the id is null", "give each sample an id")
    if pa.types.is_nested(ids.type):
        raise IndexUnusable(source, f"column {column!r} is {ids.type}", "choose a column of texts or numbers for ids")
    # All chunks are given one dictionary; to unify them as well takes ten times as long.
    numbers = np.concatenate([part.indices.to_numpy() for part in ids.dictionary_encode().chunks])
    if not len(numbers) or int(numbers.max()) + 1 == len(numbers):
        return
    repeated = int(np.argmax(np.bincount(numbers) > 1))
    first, second = np.flatnonzero(numbers == repeated)[:2].tolist()
    problem = f"column {column!r}: rows {first} and {second} have the same id {ids[first].as_py()!r}"
    raise IndexUnusable(source, problem, "give each sample an id of its own, or choose another column")
