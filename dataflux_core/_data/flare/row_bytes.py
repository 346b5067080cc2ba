"""Make Python's objects of a table's rows, no more at once than fit in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataflux_core._plan.text import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ROWS = 256  # made into Python's objects at once
_AT_ONCE_BYTES = 32 * 1024**2


def rows_of(batch: pa.RecordBatch, max_bytes: int) -> Iterator[dict[str, Any]]:
    """Yield a dict for each row; raises ValueError where one has more than `max_bytes`.

    A table may hold once what many of its values are: dictionaries, views, runs. Python's objects are all apart.
    """
    sizes = np.zeros(batch.num_rows)
    for column in batch.columns:
        sizes += item_bytes(column)
    largest = sizes.max(initial=0)
    if largest > max_bytes:
        raise ValueError(f"a row unfolds to {human_bytes(int(largest))}; raise max_decoded_bytes")
    ends = np.cumsum(sizes)
    start = 0
    while start < batch.num_rows:
        before = ends[start - 1] if start else 0
        fitting = int(np.searchsorted(ends, before + _AT_ONCE_BYTES, "right"))
        stop = min(max(fitting, start + 1), start + ROWS)
        yield from batch.slice(start, stop - start).to_pylist()
        start = stop


def item_bytes(array: pa.Array) -> NDArray[np.float64]:
    """Return how many bytes each item has by itself, one at least: (N,), floats as they do not overflow."""
    if isinstance(array, pa.ExtensionArray):
        return item_bytes(array.storage)
    if pa.types.is_dictionary(array.type):
        return _taken(item_bytes(array.dictionary), _numbers(array.indices))
    if pa.types.is_run_end_encoded(array.type):
        places = np.arange(array.offset, array.offset + len(array))
        return _taken(item_bytes(array.values), np.searchsorted(_numbers(array.run_ends), places, "right"))
    return _nested_bytes(array) if pa.types.is_nested(array.type) else _plain_bytes(array)


def _nested_bytes(array: pa.Array) -> NDArray[np.float64]:
    kind = array.type
    sizes = np.ones(len(array))
    if pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            sizes += item_bytes(array.field(number))
        return sizes
    if pa.types.is_union(kind):  # whichever it is
        largest = [item_bytes(array.field(number)).max(initial=0) for number in range(kind.num_fields)]
        return sizes + max(largest, default=0)
    return sizes + _list_bytes(array)


def _list_bytes(array: pa.Array) -> NDArray[np.float64]:
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        starts = (array.offset + np.arange(len(array))) * kind.list_size
        stops = starts + kind.list_size
    elif pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        starts = _numbers(array.offsets)
        stops = starts + _numbers(array.sizes)
    else:
        offsets = _numbers(array.offsets)
        starts, stops = offsets[:-1], offsets[1:]
    sums = np.concatenate([np.zeros(1), np.cumsum(item_bytes(array.values))])
    held: NDArray[np.float64] = sums[stops] - sums[starts]
    return held


def _plain_bytes(array: pa.Array) -> NDArray[np.float64]:
    kind = array.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        # A view is four numbers of 32 bits, the first is the length; those of nulls may be anything.
        lengths = np.frombuffer(array.buffers()[1], "<i4")[::4][array.offset : array.offset + len(array)]
        return np.maximum(np.where(array.is_valid().to_numpy(zero_copy_only=False), lengths, 0), 1).astype(np.float64)
    if pa.types.is_large_binary(kind) or pa.types.is_large_string(kind) or kind in (pa.binary(), pa.string()):
        return np.maximum(_numbers(pc.binary_length(array)), 1).astype(np.float64)
    return np.full(len(array), 1 if pa.types.is_null(kind) else max(1, kind.bit_width // 8), np.float64)


def _taken(sizes: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    return sizes[places] if len(sizes) else np.ones(len(places))  # all of them are null


def _numbers(array: pa.Array) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = pc.fill_null(array, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers
