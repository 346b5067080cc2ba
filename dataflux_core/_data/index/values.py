"""Make columns of Python's values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataflux_core.errors import IndexUnusable

_REASON = "give each column values of one type"


def columns_of_rows(rows: Sequence[Mapping[str, Any]], source: str, *, unit: str = "row", first: int = 0) -> pa.Table:
    """Build a table of mappings; what one of them lacks is null; raises IndexUnusable."""
    names: dict[str, None] = {}
    for number, row in enumerate(rows, first):
        if not isinstance(row, Mapping):
            raise IndexUnusable(source, f"{unit} {number} is {type(row).__name__}", "give one dict for each sample")
        names.update(dict.fromkeys(row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return columns_of_lists(columns, source, unit=unit, first=first)


def columns_of_lists(
    columns: Mapping[str, Sequence[Any]], source: str, *, unit: str = "row", first: int = 0
) -> pa.Table:
    """Build a table of columns; raises IndexUnusable."""
    arrays: dict[str, pa.Array] = {}
    length: int | None = None
    for name, values in columns.items():
        if not isinstance(name, str):
            raise IndexUnusable(source, f"a column is called {name!r}", "call columns by texts")
        if isinstance(values, (str, bytes)):
            raise IndexUnusable(source, f"column {name!r} is {values[:60]!r}", "give each column a list of values")
        arrays[name] = array = _array(name, values, source, unit, first)
        length = len(array) if length is None else length
        if len(array) != length:
            problem = f"column {name!r} has {len(array):,} values, column {next(iter(arrays))!r} has {length:,}"
            raise IndexUnusable(source, problem, "give each sample a value in every column")
    return pa.table(arrays)


def _array(name: str, values: Sequence[Any], source: str, unit: str, first: int) -> pa.Array:
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, OverflowError, ValueError):
        array = _array_of_each(name, values, source, unit, first)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array


def _array_of_each(name: str, values: Sequence[Any], source: str, unit: str, first: int) -> pa.Array:
    """Look at each value: paths become texts, another that does not fit is named."""
    kind: pa.DataType | None = None
    plain: list[Any] = []
    for number, value in enumerate(values, first):
        value = os.fspath(value) if isinstance(value, os.PathLike) else value  # noqa: PLW2901 - the same, as a text
        plain.append(value)
        try:
            found = pa.array([value]).type
            if kind is not None and not pa.types.is_null(found):
                schemas = [pa.schema([("", kind)]), pa.schema([("", found)])]
                found = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, OverflowError, ValueError):
            shown = repr(value)[:60]
            problem = f"{unit} {number}, column {name!r}: {shown} is no {kind}, as the values before it are"
            problem = problem if kind is not None else f"{unit} {number}, column {name!r}: {shown} fits no column"
            raise IndexUnusable(source, problem, _REASON) from None
        kind = kind if pa.types.is_null(found) and kind is not None else found
    try:
        return pa.array(plain, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError, ValueError) as error:
        raise IndexUnusable(source, f"column {name!r}: {error}", _REASON) from error
