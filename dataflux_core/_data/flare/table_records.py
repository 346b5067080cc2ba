"""Read records that are rows of tables or of arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflux_core._data.flare.ipc_claims import stream_in, unfolded_sizes
from dataflux_core._data.flare.parquet_plan import reading_plans
from dataflux_core._data.flare.row_bytes import rows_of
from dataflux_core._data.samples.arrays import read_arrays
from dataflux_core._plan.text import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BFLOAT16 = "bfloat16"
_BFLOAT16_SHIFT = 16  # it is the upper half of a float32


def parquet_records(content: bytes, max_bytes: int) -> Iterator[dict[str, Any]]:
    """Yield a dict for each row."""
    source = pa.BufferReader(content)
    file = pq.ParquetFile(source)
    for plan in reading_plans(content, file, max_bytes):
        reader = file
        if plan.as_dictionaries:
            reader = pq.ParquetFile(source, metadata=file.metadata, read_dictionary=plan.as_dictionaries)
        for batch in reader.iter_batches(plan.rows, row_groups=[plan.row_group]):
            yield from rows_of(batch, max_bytes)


def arrow_records(content: bytes, max_bytes: int) -> Iterator[dict[str, Any]]:
    """Yield a dict for each row of an IPC file or stream."""
    stream = stream_in(content)
    unfolded_bytes = sum(unfolded_sizes(stream))
    if unfolded_bytes > max_bytes:
        raise ValueError(f"it unfolds to {human_bytes(unfolded_bytes)}; max_decoded_bytes={max_bytes}")
    for batch in pa.ipc.open_stream(stream):
        batch.validate(full=True)  # offsets that lead elsewhere would be followed
        yield from rows_of(batch, max_bytes)


def array_records(content: bytes, max_bytes: int) -> Iterator[Any]:
    """Yield the entries along the first axis of an array, or, as dicts, of the arrays of an archive together."""
    found = read_arrays(content, max_bytes)
    if not isinstance(found, dict):
        _check_lengths({"": found})
        yield from ([found[()]] if found.ndim == 0 else found)
        return
    _check_lengths(found)
    lengths = {name: len(array) if array.ndim else 1 for name, array in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"its arrays have different lengths: {lengths}"[:400])
    for row in range(max(lengths.values(), default=0)):
        yield {name: array[row] if array.ndim else array[()] for name, array in found.items()}


def raw_records(content: bytes, dtype: str, shape: tuple[int, ...]) -> Iterator[NDArray[np.generic]]:
    """Yield arrays that lie one behind the other, little-endian; bfloat16, which numpy lacks, as float32."""
    stored = np.dtype("<u2" if dtype == _BFLOAT16 else dtype).newbyteorder("<")
    record_bytes = stored.itemsize * math.prod(shape)
    if not record_bytes or len(content) % record_bytes:
        raise ValueError(f"{len(content)} bytes are no whole number of records of {record_bytes}")
    for start in range(0, len(content), record_bytes):
        numbers = np.frombuffer(content, stored, math.prod(shape), start)
        if dtype == _BFLOAT16:
            numbers = (numbers.astype(np.uint32) << _BFLOAT16_SHIFT).view(np.float32)
        yield numbers.astype(numbers.dtype.newbyteorder("=")).reshape(shape)


def _check_lengths(arrays: dict[str, NDArray[np.generic]]) -> None:
    """Raise ValueError where a shape makes more records than there could be bytes."""
    for array in arrays.values():
        if array.ndim and len(array) and array.nbytes:
            return
    most = max((len(array) for array in arrays.values() if array.ndim), default=0)
    if most:
        raise ValueError(f"its {most} records have no bytes")
