"""Read JSON without losing what its values look like."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.json as pa_json

from dataflux_core._data.index.opened_files import opened, unreadable
from dataflux_core._data.index.rows import BATCH_ROWS, Rows, as_plain
from dataflux_core._data.index.values import columns_of_rows
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_MARK = b"\xef\xbb\xbf"  # of UTF-8, which some editors write
_BLOCK_BYTES = 8 * 1024**2
_MAX_ARRAY_BYTES = 4 * 1024**3  # such a file is held in memory
_ADVICE = "write an array of objects, or one object a line"
_MAX_LINE_BYTES = 64 * 1024**2
_MAX_DEPTH = 64  # of lists in lists: Arrow takes minutes for a thousand, and dies of more
_NO_OPENINGS = bytes(set(range(256)) - set(b"[{\n"))
_LONG_NUMBER = re.compile(rb"[\s:,\[]-?[0-9]{19}")  # Arrow would round it
_NO_DOUBLE = re.compile(rb"[\s:,\[]-?[0-9]{16}")  # it would round this in a column that has fractions, too
_NAME = re.compile(rb'"\s*:')  # where one may end


class _Block(NamedTuple):
    first: int  # its first line, or object
    content: bytes  # an object a line


def json_rows(path: Path, source: str) -> Rows:
    """Take an array of objects, or an object a line; what an object lacks is null; raises IndexUnusable."""
    file = _JsonFile(path, source)
    schema = file.schema()

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([schema.field(name) for name in columns])
        for table in file.tables(schema):
            for batch in table.select(list(columns)).to_batches(max_chunksize=BATCH_ROWS):
                yield as_plain(batch, wanted, source)

    return Rows(source, schema, read)


class _JsonFile:
    """One file, read once to know the types of its columns, then for its rows."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source
        with unreadable(source, path, _ADVICE), opened(path, source) as file:
            start = file.read(1024).removeprefix(_MARK).lstrip()
        if start[:1] not in {b"[", b"{"}:
            problem = f"it begins with {start[:20]!r}" if start else "it is empty"
            raise IndexUnusable(source, problem, _ADVICE)
        self._is_array = start.startswith(b"[")
        self._unit = "object" if self._is_array else "line"

    def schema(self) -> pa.Schema:
        schemas: dict[pa.Schema, int] = {}
        for block in self._blocks():
            schemas.setdefault(_without_times(self._table(block, None).schema), block.first)
        if not schemas:
            raise IndexUnusable(self._source, "there is no object in it", "give an index with at least one sample")
        try:
            schema = pa.unify_schemas(list(schemas), promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            places = ", ".join(str(first) for first in schemas.values())
            problem = (
                f"values of one column have other types in the parts that begin at {self._unit}s {places} ({error})"
            )
            raise IndexUnusable(self._source, problem, "give each column one type") from error
        nulls_as_texts = [(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in schema]
        return pa.schema(nulls_as_texts)

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        for block in self._blocks():
            table = self._table(block, schema)
            for field in schema:
                if field.name not in table.column_names:
                    table = table.append_column(field, pa.nulls(table.num_rows, field.type))
            yield table

    def _blocks(self) -> Iterator[_Block]:
        with unreadable(self._source, self._path, _ADVICE), opened(self._path, self._source) as file:
            yield from self._array_blocks(file) if self._is_array else self._line_blocks(file)

    def _line_blocks(self, file: pa.NativeFile) -> Iterator[_Block]:
        line, rest = 1, b""
        while content := file.read(_BLOCK_BYTES):
            content = rest + content if line > 1 or rest else content.removeprefix(_MARK)
            end = content.rfind(b"\n") + 1
            if end:
                yield _Block(line, self._checked(content[:end]))
            line, rest = line + content.count(b"\n"), content[end:]
            if len(rest) > _MAX_LINE_BYTES:
                problem = f"line {line} has more than {_MAX_LINE_BYTES:,} bytes"
                raise IndexUnusable(self._source, problem, _ADVICE)
        if rest.strip():
            yield _Block(line, self._checked(rest))

    def _array_blocks(self, file: pa.NativeFile) -> Iterator[_Block]:
        content = file.read(_MAX_ARRAY_BYTES + 1)
        if len(content) > _MAX_ARRAY_BYTES:
            problem = f"an array of more than {_MAX_ARRAY_BYTES:,} bytes does not fit in memory"
            raise IndexUnusable(self._source, problem, "write one object a line (.jsonl) instead")
        content = self._checked(content.removeprefix(_MARK))
        try:
            objects = msgspec.json.decode(content, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as error:
            raise IndexUnusable(self._source, f"it is damaged ({error})", _ADVICE) from error
        for start in range(0, len(objects), BATCH_ROWS):
            part = objects[start : start + BATCH_ROWS]
            yield _Block(start + 1, b"\n".join(msgspec.json.format(bytes(each), indent=-1) for each in part))

    def _checked(self, content: bytes) -> bytes:
        content.decode()  # Arrow takes any bytes for a text
        return content

    def _table(self, block: _Block, schema: pa.Schema | None) -> pa.Table:
        """Parse a block: at Arrow's pace where it is plain, else object by object, which also finds what is wrong."""
        if not _LONG_NUMBER.search(block.content) and _is_flat(block.content):
            options = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer")
            reading = pa_json.ReadOptions(use_threads=False, block_size=2 * len(block.content))
            try:
                table = pa_json.read_json(pa.BufferReader(block.content), reading, options)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError):
                return self._by_object(block)
            if not ("double" in str(table.schema) and _NO_DOUBLE.search(block.content)):
                return table
        return self._by_object(block)

    def _by_object(self, block: _Block) -> pa.Table:
        rows = []
        for number, line in enumerate(block.content.split(b"\n"), block.first):
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError) as error:
                raise IndexUnusable(self._source, f"{self._unit} {number} is damaged ({error})", _ADVICE) from error
            if not isinstance(row, dict):
                raise IndexUnusable(self._source, f"{self._unit} {number} is no object", _ADVICE)
            if not _is_flat(line) and _depth(row) > _MAX_DEPTH:
                problem = f"{self._unit} {number} nests lists or objects more than {_MAX_DEPTH} deep"
                raise IndexUnusable(self._source, problem, _ADVICE)
            if len(_NAME.findall(line)) > len(row):
                self._check_names(line, number)
            rows.append(row)
        return columns_of_rows(rows, self._source, unit=self._unit, first=block.first)

    def _check_names(self, line: bytes, number: int) -> None:
        """Refuse an object in which a name stands twice: parsers do not agree which value that is."""
        try:
            json.loads(line, object_pairs_hook=_distinct)
        except _NamedTwice as error:
            problem = f"{self._unit} {number} has two values for {error.args[0]!r}"
            raise IndexUnusable(self._source, problem, "give each object one value of a name") from error


class _NamedTwice(Exception):
    """One name stands for two values of an object."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _NamedTwice(name)
        found[name] = value
    return found


def _is_flat(content: bytes) -> bool:
    """Tell whether no line can nest deep; it may open as many brackets one after the other, or in a text."""
    return max(map(len, content.translate(None, _NO_OPENINGS).split(b"\n"))) <= _MAX_DEPTH


def _depth(value: object) -> int:
    """Return how deep lists or objects are nested."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, (dict, list))]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _without_times(schema: pa.Schema) -> pa.Schema:
    """Leave texts that look like times what they are."""
    return pa.schema([(field.name, _without_time(field.type)) for field in schema])


def _without_time(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_time(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_time(field.type)) for field in kind])
    return kind
