"""Read records that are rows of tables or of arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflux_core._data.samples.arrays import read_arrays
from dataflux_core._plan.text import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_ROWS = 256  # made into Python's objects at once
_IPC_FILE = b"ARROW1"
_BFLOAT16 = "bfloat16"
_BFLOAT16_SHIFT = 16  # it is the upper half of a float32


def parquet_records(content: bytes, max_bytes: int) -> Iterator[dict[str, Any]]:
    """Yield a dict for each row."""
    file = pq.ParquetFile(pa.BufferReader(content))
    for number in range(file.metadata.num_row_groups):
        group_bytes = file.metadata.row_group(number).total_byte_size
        if group_bytes > max_bytes:
            raise ValueError(f"row group {number} unfolds to {human_bytes(group_bytes)}; max_decoded_bytes={max_bytes}")
        for batch in file.iter_batches(_ROWS, row_groups=[number]):
            yield from batch.to_pylist()


def arrow_records(content: bytes, max_bytes: int) -> Iterator[dict[str, Any]]:
    """Yield a dict for each row of an IPC file or stream."""
    source = pa.BufferReader(content)
    unfolded_bytes = 0
    for batch in _ipc_batches(source, is_file=content.startswith(_IPC_FILE)):
        unfolded_bytes += batch.nbytes
        if unfolded_bytes > max_bytes:
            raise ValueError(f"it unfolds to more than {human_bytes(max_bytes)}; raise max_decoded_bytes")
        batch.validate()
        for start in range(0, batch.num_rows, _ROWS):
            yield from batch.slice(start, _ROWS).to_pylist()


def array_records(content: bytes, max_bytes: int) -> Iterator[Any]:
    """Yield the entries along the first axis of an array, or, as dicts, of the arrays of an archive together."""
    found = read_arrays(content, max_bytes)
    if not isinstance(found, dict):
        yield from ([found[()]] if found.ndim == 0 else found)
        return
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


def _ipc_batches(source: pa.BufferReader, *, is_file: bool) -> Iterator[pa.RecordBatch]:
    if is_file:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from pa.ipc.open_stream(source)
