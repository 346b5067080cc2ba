"""Take samples that are in memory already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataflux_core._data.index.rows import BATCH_ROWS, Rows, as_plain, plain_schema
from dataflux_core._data.index.values import columns_of_lists, columns_of_rows
from dataflux_core.errors import IndexUnusable, InvalidArgument

_WANTED = "a path, a URL, a Listing, a list of dicts, a dict of lists, or a table of pyarrow, pandas or polars"
_MAX_BATCH_BYTES = 1024**3  # of texts that 32 bits are to count


def rows_in_memory(source: Any) -> Rows:  # noqa: ANN401 - whatever a caller gives
    """Take a table of any of these kinds; raises IndexUnusable, InvalidArgument."""
    library = type(source).__module__.partition(".")[0]
    name = f"the given {library}.{type(source).__name__}" if library != "builtins" else "the given samples"
    return rows_of_table(_table(source, library, name), name)


def rows_of_table(table: pa.Table, name: str) -> Rows:
    schema = plain_schema(table.schema, name)
    schema = pa.schema([(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in schema])

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([schema.field(column) for column in columns])
        rows = max(1, min(BATCH_ROWS, int(BATCH_ROWS * _MAX_BATCH_BYTES / max(1, table.nbytes))))
        for batch in table.select(list(columns)).to_batches(max_chunksize=rows):
            yield as_plain(batch, wanted, name)

    return Rows(name, schema, read)


def _table(source: Any, library: str, name: str) -> pa.Table:  # noqa: ANN401 - whatever a caller gives
    try:
        return _taken(source, library, name)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        problem = f"it is no table of columns with one type each ({'; '.join(map(str, error.args))})"
        raise IndexUnusable(name, problem, "give each column values of one type") from error


def _taken(source: Any, library: str, name: str) -> pa.Table:  # noqa: ANN401 - whatever a caller gives
    if isinstance(source, pa.Table):
        return source
    if library == "pandas" and hasattr(source, "columns"):
        has_names = any(name is not None for name in source.index.names)  # else they are but numbers of rows
        return pa.Table.from_pandas(source, preserve_index=has_names).replace_schema_metadata(None)
    if library == "polars" and hasattr(source, "collect"):
        source = source.collect()  # a lazy one
    if hasattr(source, "__arrow_c_stream__"):
        return pa.table(source)
    if hasattr(source, "__arrow_c_array__"):
        return pa.table(pa.record_batch(source))
    if isinstance(source, Mapping):
        return columns_of_lists(source, name)
    if isinstance(source, Sequence) and not isinstance(source, (str, bytes)):
        return columns_of_rows(source, name)
    raise InvalidArgument("src", repr(source)[:80], _WANTED)
