"""Keep a listing in a Parquet file."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dataflux_core._data.aside import listing_file
from dataflux_core._data.page_order import disentangled
from dataflux_core._data.tables import batches_of, schema_of, table_of
from dataflux_core._wire.page import FIELDS, NUMBER_FIELDS, TEXT_SEPARATOR, Page
from dataflux_core.errors import InvalidArgument

import pyarrow as pa  # isort: skip - tables has said by now where the extra is missing
import pyarrow.compute as pc  # isort: skip
import pyarrow.parquet as pq  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_PAGE_ROWS = 5000  # of a page that is read back, as of one that is listed
_READ_ROWS = 65_536
_MIN_RUN_ROWS = 64  # in name order, on average; shorter runs are sorted before they become pages
_DISTINCT = frozenset({"name", "generation", "crc32c", "md5", "etag"})  # a dictionary would be the column over again


def write_parquet(pages: Iterable[Page], fields: Sequence[str], path: str | Path) -> int:
    """Write pages as they come, whole or not at all; return the number of objects. Raises FileNotWritten."""
    objects = 0
    schema = schema_of(fields)
    repetitive = [column for column in schema.names if column not in _DISTINCT]
    with (
        listing_file(path) as file,
        pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=repetitive) as writer,
    ):
        for batch in batches_of(pages, fields):
            writer.write_batch(batch, row_group_size=batch.num_rows)
            objects += batch.num_rows
    return objects


def read_parquet(path: str | Path) -> tuple[list[Page], tuple[str, ...]]:
    """Return a file's rows as pages in name order, with the optional fields that it holds.

    Raises InvalidArgument where the file is damaged or holds no listing, OSError where it cannot be opened.
    """
    try:
        with pq.ParquetFile(path) as file:
            fields = _known_fields(file.schema_arrow, str(path))
            batches = file.iter_batches(batch_size=_READ_ROWS, columns=["name", "size", *fields])
            pages = [page for batch in batches for page in _pages_of(batch, fields)]
    except _Unusable as error:
        raise InvalidArgument("path", str(path), str(error)) from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the file's own; Arrow's, of bytes that are damaged, have no number
        raise InvalidArgument("path", str(path), f"a Parquet file of UTF-8 names and whole sizes ({error})") from error
    return disentangled(pages) or _sorted_anew(pages, fields), fields


class _Unusable(Exception):
    """A column holds what no listing holds; says what was expected."""


def _known_fields(schema: pa.Schema, path: str) -> tuple[str, ...]:
    """Return the optional fields of a file; raises InvalidArgument where it holds no listing."""
    if schema.names.count("name") != 1 or schema.names.count("size") != 1:
        raise InvalidArgument("path", path, "a Parquet file with the columns name and size, each once")
    name, size = (schema.field(column).type for column in ("name", "size"))
    if not _is_text(name) or not pa.types.is_integer(size):
        raise InvalidArgument("path", path, f"names as strings, sizes as integers, not {name}, {size}")
    once = [field for field in FIELDS if schema.names.count(field) == 1]
    return tuple(field for field in once if _fits(field, schema.field(field).type))


def _fits(field: str, kind: pa.DataType) -> bool:
    """Tell whether a column is ours: other programs keep, say, times that are no text under the same name."""
    return bool(pa.types.is_integer(kind)) if field in NUMBER_FIELDS else _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # pyarrow before 16 has no string_view.
    is_view = getattr(pa.types, "is_string_view", lambda _: False)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or is_view(kind))


def _pages_of(batch: pa.RecordBatch, fields: Sequence[str]) -> Iterator[Page]:
    """Cut a batch into pages in name order, each of rows that follow each other; no row becomes a Python object."""
    if not batch.num_rows:
        return
    columns = {column: _clean(batch.column(column), column) for column in ("name", "size", *fields)}
    starts = _run_starts(columns["name"])
    if len(starts) * _MIN_RUN_ROWS > batch.num_rows + _PAGE_ROWS:
        order = pc.array_sort_indices(columns["name"])
        columns = {column: values.take(order) for column, values in columns.items()}
        starts = [0]
    runs = pairwise([*starts, batch.num_rows])
    cuts = [*(cut for start, stop in runs for cut in range(start, stop, _PAGE_ROWS)), batch.num_rows]
    packed = {column: _packed(values, cuts, column) for column, values in columns.items()}
    names, sizes = packed.pop("name"), packed.pop("size")
    for place, (start, stop) in enumerate(pairwise(cuts)):
        optional = {field: packed[field][place] for field in fields}
        numbers = {field: column for field, column in optional.items() if field in NUMBER_FIELDS}
        texts = {field: column for field, column in optional.items() if field not in NUMBER_FIELDS}
        yield Page(stop - start, names[place], sizes[place], texts, numbers)


def _clean(values: pa.Array, column: str) -> pa.Array:
    """Give a column the type that pages have; what another writer left out of an optional one is "" or 0."""
    is_number = column == "size" or column in NUMBER_FIELDS
    values = values.cast(pa.int64() if is_number else pa.string())
    if column in {"name", "size"}:
        if values.null_count:
            raise _Unusable("names of objects with their sizes, not None")
    elif values.null_count:
        values = values.fill_null(0 if is_number else "")
    values.validate(full=True)  # raises ArrowInvalid where text is no UTF-8
    if column == "name" and pc.any(pc.equal(values, "")).as_py():
        raise _Unusable("names of objects with their sizes, not ''")
    return values


def _run_starts(names: pa.Array) -> list[int]:
    """Return the rows whose names are below those of the rows before, with row 0."""
    descents = pc.indices_nonzero(pc.less(names.slice(1), names.slice(0, len(names) - 1)))
    return [0, *pc.add(descents, 1).to_pylist()]


def _packed(values: pa.Array, cuts: Sequence[int], column: str) -> list[bytes]:
    """Pack a column as pages hold it, a piece from each cut to the next."""
    if column == "size" or column in NUMBER_FIELDS:
        content = memoryview(values.buffers()[1]).cast("B")
        return [
            bytes(content[8 * (values.offset + start) : 8 * (values.offset + stop)]) for start, stop in pairwise(cuts)
        ]
    lists = pa.ListArray.from_arrays(pa.array(cuts, pa.int32()), values)
    pieces = [piece.as_buffer().to_pybytes() for piece in pc.binary_join(lists, TEXT_SEPARATOR)]
    for piece, (start, stop) in zip(pieces, pairwise(cuts), strict=True):
        if piece.count(b"\n") != stop - start - 1:
            bad = next(value for value in values.slice(start, stop - start).to_pylist() if "\n" in value)
            raise _Unusable(f"{column} without line breaks, not {bad!r}")
    return pieces


def _sorted_anew(pages: Sequence[Page], fields: Sequence[str]) -> list[Page]:
    """Sort rows whose pages overlap, as of a file that another program shuffled."""
    table = table_of(pages, fields)
    large = pa.schema([(column.name, _large(column.type)) for column in table.schema])
    table = table.cast(large)  # `take` joins chunks, which may come to more bytes than a string's 32 bits count
    table = table.take(pc.sort_indices(table, sort_keys=[("name", "ascending")]))
    return [page for batch in table.to_batches(max_chunksize=_READ_ROWS) for page in _pages_of(batch, fields)]


def _large(kind: pa.DataType) -> pa.DataType:
    return pa.large_string() if pa.types.is_string(kind) else kind
