"""Translate packed columns to Arrow tables or Parquet files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._data.aside import written_aside
from dataflux_core._wire.page import FIELDS, NUMBER_FIELDS, Page, int64s, page_of
from dataflux_core.errors import ExtraMissing, InvalidArgument

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise ExtraMissing("Arrow tables and Parquet files", "arrow") from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_ROWS = 5000  # of a page that is read back, as of one that is listed


def schema_of(fields: Sequence[str]) -> pa.Schema:
    columns = [("name", pa.string()), ("size", pa.int64())]
    columns += [(field, pa.int64() if field in NUMBER_FIELDS else pa.string()) for field in fields]
    return pa.schema(columns)


def table_of(pages: Iterable[Page], fields: Sequence[str]) -> pa.Table:
    """Build a table with one chunk per page."""
    return pa.Table.from_batches((_batch(page, fields) for page in pages), schema_of(fields))


def _batch(page: Page, fields: Sequence[str]) -> pa.RecordBatch:
    columns = [pa.array(page.name_list(), pa.string()), _numbers(page.sizes)]
    for field in fields:
        if field in NUMBER_FIELDS:
            columns.append(_numbers(page.numbers[field]))
        else:
            columns.append(pa.array(page.text_list(field), pa.string()))
    return pa.RecordBatch.from_arrays(columns, schema=schema_of(fields))


def _numbers(column: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), len(int64s(column)), [None, pa.py_buffer(column)])


def write_parquet(pages: Iterable[Page], fields: Sequence[str], path: str | Path) -> int:
    """Write pages as they come, whole or not at all; return the number of objects."""
    objects = 0
    with written_aside(Path(path)) as aside, pq.ParquetWriter(aside, schema_of(fields)) as writer:
        for page in pages:
            writer.write_batch(_batch(page, fields))
            objects += page.count
    return objects


def read_parquet(path: str | Path) -> tuple[list[Page], tuple[str, ...]]:
    """Return the pages of a file, each a row group or less, with the optional fields that it holds."""
    with pq.ParquetFile(path) as file:
        present = file.schema_arrow.names
        if not {"name", "size"}.issubset(present):
            raise InvalidArgument("path", str(path), "a Parquet file with the columns name and size")
        fields = tuple(field for field in FIELDS if field in present)
        name, size = (file.schema_arrow.field(column).type for column in ("name", "size"))
        if not (pa.types.is_string(name) or pa.types.is_large_string(name)) or not pa.types.is_integer(size):
            raise InvalidArgument("path", str(path), f"names as strings, sizes as integers, not {name}, {size}")
        batches = file.iter_batches(batch_size=_ROWS, columns=["name", "size", *fields])
        pages = [_page(batch, fields, str(path)) for batch in batches]
    return pages, fields


def _page(batch: pa.RecordBatch, fields: Sequence[str], path: str) -> Page:
    names, sizes = batch.column("name").to_pylist(), batch.column("size").to_pylist()
    bad = next((name for name in names if not name or "\n" in name), "")
    if bad != "" or None in sizes:
        raise InvalidArgument("path", path, f"names of objects with their sizes, not {bad!r}")
    return page_of(names, sizes, {field: batch.column(field).to_pylist() for field in fields})
