"""Translate packed columns to Arrow."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

from dataflux_core._wire.page import NUMBER_FIELDS, TEXT_SEPARATOR, Page
from dataflux_core.errors import ExtraMissing

try:
    import pyarrow as pa
    import pyarrow.compute as pc
except ImportError as error:
    raise ExtraMissing("Arrow tables and Parquet files", "arrow") from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BATCH_ROWS = 131_072
# Arrow's strings count bytes in 32 bits, so no column of a batch may come near 2 GiB; this also bounds memory.
_BATCH_BYTES = 64 * 1024 * 1024


def schema_of(fields: Sequence[str]) -> pa.Schema:
    columns = [("name", pa.string()), ("size", pa.int64())]
    columns += [(field, pa.int64() if field in NUMBER_FIELDS else pa.string()) for field in fields]
    return pa.schema(columns)


def table_of(pages: Iterable[Page], fields: Sequence[str]) -> pa.Table:
    """Build a table of chunks of some hundred thousand rows."""
    return pa.Table.from_batches(batches_of(pages, fields), schema_of(fields))


def batches_of(pages: Iterable[Page], fields: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield batches of whole pages in the order given, as soon as there is enough for one."""
    schema = schema_of(fields)
    for group in _groups(pages):
        columns = [_texts([page.names for page in group]), _numbers([page.sizes for page in group])]
        for field in fields:
            if field in NUMBER_FIELDS:
                columns.append(_numbers([page.numbers[field] for page in group]))
            else:
                columns.append(_texts([page.texts[field] for page in group]))
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _groups(pages: Iterable[Page]) -> Iterator[list[Page]]:
    group: list[Page] = []
    rows = held_bytes = 0
    for page in pages:
        if not page.count:
            continue
        group.append(page)
        rows += page.count
        held_bytes += len(page.names) + sum(map(len, page.texts.values()))
        if rows >= BATCH_ROWS or held_bytes >= _BATCH_BYTES:
            yield group
            group, rows, held_bytes = [], 0, 0
    if group:
        yield group


def _texts(columns: Sequence[bytes]) -> pa.Array:
    """Split packed texts into the strings of one array, without a Python string for any."""
    ends = array("i", accumulate(map(len, columns), initial=0))
    packed = pa.Array.from_buffers(
        pa.string(), len(columns), [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(columns))]
    )
    return pc.split_pattern(packed, TEXT_SEPARATOR).flatten()


def _numbers(columns: Sequence[bytes]) -> pa.Array:
    column = b"".join(columns)
    return pa.Array.from_buffers(pa.int64(), len(column) // 8, [None, pa.py_buffer(column)])
