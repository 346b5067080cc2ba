"""Bring rows of any source into one shape."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa

from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import pyarrow.compute as pc

BATCH_ROWS = 65_536
_SHOWN = 12  # columns that an error names
_CHOICES = "choose among its columns, or mend the index"


@dataclass(frozen=True, slots=True)
class Rows:
    """A table that is read in batches, as often as one likes, its types plain."""

    source: str  # for errors
    schema: pa.Schema
    read: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]  # these columns, of at most BATCH_ROWS rows
    places: Mapping[str, int] = field(default_factory=dict)  # see Content
    as_texts: Callable[[Collection[str]], Rows] | None = None  # with some columns as they are written


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the one type for what writers keep in several: texts, bytes, values that a dictionary holds."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    is_view = getattr(pa.types, "is_string_view", lambda _: False)  # pyarrow before 16 has none
    if pa.types.is_large_string(kind) or is_view(kind):
        return pa.string()
    is_view = getattr(pa.types, "is_binary_view", lambda _: False)
    if pa.types.is_large_binary(kind) or is_view(kind):
        return pa.binary()
    return kind


def plain_schema(schema: pa.Schema, source: str) -> pa.Schema:
    """Return the schema with plain types; raises IndexUnusable where a column's name is there twice."""
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise IndexUnusable(source, f"it has {schema.names.count(name)} columns {name!r}", "name each differently")
    return pa.schema([(column.name, plain(column.type)) for column in schema])


def as_plain(batch: pa.RecordBatch, schema: pa.Schema, source: str) -> pa.RecordBatch:
    """Give a batch the columns of a schema, in its order with its types; raises IndexUnusable."""
    columns = []
    for wanted in schema:
        column = batch.column(wanted.name)
        try:
            columns.append(column if column.type == wanted.type else column.cast(wanted.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            problem = f"column {wanted.name!r} is {column.type}, which cannot become {wanted.type} ({error})"
            raise IndexUnusable(source, problem, "give it one type in all files") from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def together(parts: Sequence[Rows], source: str) -> Rows:
    """Join files one after the other, columns by name, types so that all values fit; raises IndexUnusable."""
    if len(parts) == 1:
        return parts[0]
    written = _texts_among(parts)
    parts = [part if part.as_texts is None else part.as_texts(written) for part in parts]
    schema = common_schema([(part.source, part.schema) for part in parts], source)

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([schema.field(name) for name in columns])
        for part in parts:
            for batch in part.read(columns):
                yield as_plain(batch, wanted, part.source)

    return Rows(source, schema, read)


def _texts_among(parts: Sequence[Rows]) -> set[str]:
    """Return the columns that are numbers or flags in some files only by chance: in others they are something else."""
    kinds: dict[str, set[str]] = {}
    for part in parts:
        for column in part.schema:
            is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
            kinds.setdefault(column.name, set()).add("number" if is_number else str(column.type))
    return {name for name, found in kinds.items() if len(found) > 1}


def common_schema(
    schemas: Sequence[tuple[str, pa.Schema]], source: str, wanted: Sequence[str] | None = None
) -> pa.Schema:
    """Return one schema for files that are to be one table; raises IndexUnusable for a column that one of them lacks.

    Where `wanted` names columns, no others need be the same.
    """
    names = dict.fromkeys(chain.from_iterable(schema.names for _, schema in schemas) if wanted is None else wanted)
    fields = []
    for name in names:
        for part, schema in schemas:
            if name not in schema.names:
                advice = "every file of an index needs the same columns: mend it, or choose the columns to load"
                raise IndexUnusable(part, f"it has no column {name!r}, {missing(schema.names)}", advice)
        fields.append(_common_field(name, schemas, source))
    return pa.schema(fields)


def _common_field(name: str, schemas: Sequence[tuple[str, pa.Schema]], source: str) -> pa.Field:
    kinds = {schema.field(name).type: part for part, schema in schemas}
    if len(kinds) == 1:
        return pa.field(name, next(iter(kinds)))
    try:
        unified = pa.unify_schemas([pa.schema([(name, kind)]) for kind in kinds], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        problem = f"column {name!r} is " + ", ".join(f"{kind} in {part}" for kind, part in kinds.items())
        raise IndexUnusable(source, problem, "give it one type in all files") from error
    return unified.field(0)


def missing(names: Sequence[str]) -> str:
    """Say which columns there are instead."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"but {', '.join(map(repr, names[:_SHOWN]))}{more}" if names else "nor any other"


def check_columns(schema: pa.Schema, columns: Sequence[str], source: str) -> None:
    """Refuse columns that are not there; raises IndexUnusable."""
    for name in columns:
        if name not in schema.names:
            raise IndexUnusable(source, f"it has no column {name!r}, {missing(schema.names)}", _CHOICES)


def chosen(
    batches: Iterator[pa.RecordBatch], condition: pc.Expression | None, columns: Sequence[str], source: str
) -> Iterator[pa.RecordBatch]:
    """Yield of each batch the rows for which a condition holds; raises IndexUnusable where it cannot be asked."""
    for batch in batches:
        if condition is None:
            yield batch.select(list(columns))
            continue
        with asking(source):
            found = pa.Table.from_batches([batch]).filter(condition).select(list(columns))
        yield from found.to_batches()


@contextmanager
def asking(source: str) -> Iterator[None]:
    """Blame the filter for what goes wrong while it is asked; raises IndexUnusable."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowKeyError) as error:
        advice = "compare columns that it has with values of their types"
        raise IndexUnusable(source, f"the filter cannot be asked ({first_line(error)})", advice) from error


def first_line(error: BaseException) -> str:
    """Return what an error says, without the lines that are for those who mend the library."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def first_rows(batches: Iterator[pa.RecordBatch], most: int | None) -> Iterator[pa.RecordBatch]:
    """Yield batches up to so many rows."""
    left = most
    for batch in batches:
        if left is None:
            yield batch
            continue
        if left <= 0:
            return
        part = batch.slice(0, left)
        left -= part.num_rows
        yield part
        if left <= 0:
            return
