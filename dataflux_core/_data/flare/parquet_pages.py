"""Read what the pages of a Parquet file say of themselves, before any is decompressed.

Source: the format's parquet.thrift, written in Thrift's compact protocol. The sums in a file's footer may be wrong;
what stands before a page is what its reader takes memory for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

DELTA_BYTE_ARRAY = 7
_DICTIONARY_PAGE = 2
_KIND, _UNFOLDED, _STORED, _PLAIN_HEADER, _DICTIONARY_HEADER, _V2_HEADER = 1, 2, 3, 5, 7, 8  # of PageHeader
_VALUES = 1  # of each of the three
_ENCODING = {_PLAIN_HEADER: 2, _DICTIONARY_HEADER: 2, _V2_HEADER: 4}
_ROW_GROUPS, _COLUMNS, _ROWS, _COLUMN_FACTS = 4, 1, 3, 3  # of FileMetaData, of RowGroup, of ColumnChunk
_COLUMN_VALUES, _COLUMN_BYTES, _DATA_START, _DICTIONARY_START = 5, 7, 9, 11  # of ColumnMetaData
_MAGIC = b"PAR1"
_FOOTER_END_BYTES = 8  # how long it is, the magic
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_MOST_NESTED = 8
_MOST_VARINT_BYTES = 10

_Value: TypeAlias = "int | _Struct | list[_Value] | None"
_Struct: TypeAlias = "dict[int, _Value]"


class Page(NamedTuple):
    """What is said of one page."""

    is_dictionary: bool
    unfolded_bytes: int
    values: int
    encoding: int


class ColumnPlace(NamedTuple):
    """Where the pages of one column of one row group lie."""

    start: int
    stop: int
    values: int


class RowGroup(NamedTuple):
    """What the footer says of one row group."""

    rows: int
    columns: list[ColumnPlace]


def row_groups_of(content: bytes) -> list[RowGroup]:
    """Read the footer; raises ValueError.

    Asked for the same, pyarrow ends the process where a column's statistics do not fit its type.
    """
    stop = len(content) - _FOOTER_END_BYTES
    start = stop - int.from_bytes(content[stop : stop + 4], "little")
    if start < 0 or not content.endswith(_MAGIC):
        raise ValueError("the footer is damaged")
    said = _Compact(content, start, stop).struct()
    return [
        RowGroup(_number(group.get(_ROWS)), [_place(column) for column in _structs(group.get(_COLUMNS))])
        for group in _structs(said.get(_ROW_GROUPS))
    ]


def pages_of(content: bytes, column: ColumnPlace) -> Iterator[Page]:
    """Yield the pages of one column of one row group, as far as a reader goes; raises ValueError."""
    position, stop = column.start, min(column.stop, len(content))
    values = 0
    while position < stop and values < column.values:
        header = _Compact(content, position, stop)
        page, stored_bytes = _page(header.struct())
        yield page
        values += 0 if page.is_dictionary else page.values
        position = header.position + stored_bytes


def _place(column: _Struct) -> ColumnPlace:
    facts = column.get(_COLUMN_FACTS)
    if not isinstance(facts, dict):
        raise ValueError("the footer lacks what it should say of a column")  # noqa: TRY004 - hostile bytes, no caller
    start, dictionary = _number(facts.get(_DATA_START)), _number(facts.get(_DICTIONARY_START))
    if 0 < dictionary < start:
        start = dictionary
    length = _number(facts.get(_COLUMN_BYTES))
    if min(start, length) < 0:
        raise ValueError("the footer has a place before the file's start")
    return ColumnPlace(start, start + length, _number(facts.get(_COLUMN_VALUES)))


def _page(said: _Struct) -> tuple[Page, int]:
    unfolded_bytes, stored_bytes = said.get(_UNFOLDED), said.get(_STORED)
    if (
        not isinstance(unfolded_bytes, int)
        or not isinstance(stored_bytes, int)
        or min(unfolded_bytes, stored_bytes) < 0
    ):
        raise ValueError("the header of a page lacks its sizes")
    values, encoding = 0, 0
    for field, encoding_field in _ENCODING.items():
        header = said.get(field)
        if isinstance(header, dict):
            values = max(values, _number(header.get(_VALUES)))
            encoding = max(encoding, _number(header.get(encoding_field)))
    return Page(said.get(_KIND) == _DICTIONARY_PAGE, unfolded_bytes, values, encoding), stored_bytes


def _number(value: _Value) -> int:
    return value if isinstance(value, int) else 0


def _structs(value: _Value) -> list[_Struct]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


class _Compact:
    """Reads a struct that Thrift wrote in its compact protocol; texts are passed over."""

    def __init__(self, content: bytes, position: int, stop: int) -> None:
        self._content = content
        self._stop = stop
        self.position = position

    def struct(self, depth: int = 0) -> _Struct:
        """Read one from here on; raises ValueError."""
        if depth > _MOST_NESTED:
            raise ValueError("the header of a page, or the footer, is nested too deep")
        found: _Struct = {}
        field = 0
        while first := self._byte():
            field = field + (first >> 4) if first >> 4 else self._signed()
            value = self._value(first & 15, depth)
            if value is not None:
                found[field] = value
        return found

    def _value(self, kind: int, depth: int) -> _Value:
        if kind in (_TRUE, _FALSE):
            return None
        if kind in (_I16, _I32, _I64):
            return self._signed()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind in (_BYTE, _DOUBLE, _BINARY):
            length = 1 if kind == _BYTE else 8 if kind == _DOUBLE else self._unsigned()
            self.position += length
            return None
        raise ValueError("the header of a page, or the footer, holds what none has")  # maps among them

    def _list(self, depth: int) -> list[_Value]:
        first = self._byte()
        kind, count = first & 15, first >> 4
        if count == 15:  # noqa: PLR2004 - then it follows
            count = self._unsigned()
        if kind in (_TRUE, _FALSE):
            kind = _BYTE  # one byte each, beside fields, where the kind is the value
        return [self._value(kind, depth + 1) for _ in range(count)]

    def _byte(self) -> int:
        if self.position >= self._stop:
            raise ValueError("the header of a page, or the footer, is cut short")
        self.position += 1
        return self._content[self.position - 1]

    def _unsigned(self) -> int:
        value = 0
        for number in range(_MOST_VARINT_BYTES):
            byte = self._byte()
            value |= (byte & 127) << (7 * number)
            if byte < 128:  # noqa: PLR2004 - the bit that says that more follow
                return value
        raise ValueError("the header of a page, or the footer, has a number without end")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
