"""Read a listing back from a file."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from itertools import chain, islice
from operator import itemgetter
from reprlib import Repr
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from dataflux_core._data.listing import Listing
from dataflux_core._data.page_order import disentangled
from dataflux_core._wire.page import FIELDS, FLAG_FIELDS, NUMBER_FIELDS, Page, int64s, page_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Self

    Rows: TypeAlias = Iterator[Sequence[object]]  # name, size, then the fields

_PARQUET = b"PAR1"  # how such a file begins: https://parquet.apache.org/docs/file-format
_PAGE_ROWS = 5000
_WANTED = "a listing of every object, as Parquet, CSV or JSON lines of `dataflux ls -r`"
_MAX_DIGITS = 19  # of 2**63
_CRC32C = re.compile(r"[A-Za-z0-9+/]{6}==")  # four bytes in base64
_IS_PREFIX = "a prefix with names below it, so one level alone was listed: list with -r"
_repr = Repr()
_repr.maxstring = _repr.maxother = 100


def read_listing(path: Path) -> Listing:
    """Read what `dataflux ls -r` wrote as Parquet, CSV or JSON lines; rows are put in name order.

    Columns other than fields of an object are left alone. Raises InvalidArgument for a file that holds no listing,
    OSError for one that cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(len(_PARQUET))
    try:
        if start == _PARQUET:
            return _checked(Listing.from_parquet(path))
        with path.open(encoding="utf-8-sig", newline="") as text:
            return _listing_of(_table_of(text))
    except (_BadRow, UnicodeDecodeError) as error:
        raise InvalidArgument("path", str(path), f"{_WANTED} ({error})") from error


class _BadRow(Exception):
    """A row is none of a listing; says what is wrong with it."""

    @classmethod
    def at(cls, row: int, problem: str) -> Self:
        return cls(f"row {row}: {problem}")


class _Table(NamedTuple):
    fields: tuple[str, ...]
    rows: Rows


def _table_of(lines: Iterator[str]) -> _Table:
    """Tell CSV from JSON by the first line that is not blank."""
    first = next((line for line in lines if not line.isspace()), "")
    if first.lstrip().startswith("{"):
        return _json_table(chain([first], lines))
    return _csv_table(chain([first], lines))


def _csv_table(lines: Iterable[str]) -> _Table:
    rows = _csv_rows(csv.reader(lines, strict=True))
    header = next(rows, [])
    if header.count("name") != 1 or header.count("size") != 1:
        raise _BadRow("it has no columns name and size")
    fields = tuple(field for field in FIELDS if header.count(field) == 1)
    pick = itemgetter(*map(header.index, ("name", "size", *fields)))
    return _Table(fields, (pick(cells) for cells in _of_width(len(header), rows)))


def _csv_rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Give the rows that are not blank."""
    number = -1  # the header is no row
    try:
        for number, cells in enumerate(filter(None, reader)):  # noqa: B007 - told where the next one is none
            yield cells
    except csv.Error as error:
        raise _BadRow.at(number + 1, str(error)) from error


def _of_width(width: int, rows: Iterable[list[str]]) -> Iterator[list[str]]:
    for number, cells in enumerate(rows, 1):
        if len(cells) != width:
            raise _BadRow.at(number, f"{len(cells)} cells, not {width}")
        yield cells


def _json_table(lines: Iterable[str]) -> _Table:
    rows = _json_rows(line for line in lines if not line.isspace())
    first = next(rows)
    fields = tuple(field for field in FIELDS if field in first)
    columns = ("name", "size", *fields)
    return _Table(fields, (list(map(row.get, columns)) for row in chain([first], rows)))


def _json_rows(lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(lines, 1):
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _BadRow.at(number, str(error)) from error
        if not isinstance(row, Mapping):
            raise _BadRow.at(number, "no object")
        if "prefix" in row:
            raise _BadRow.at(number, _IS_PREFIX)
        yield row


def _listing_of(table: _Table) -> Listing:
    """Pack rows a page at a time, so that few of them are Python objects at once."""
    pages: list[Page] = []
    row = 1
    while part := list(islice(table.rows, _PAGE_ROWS)):
        names, sizes, *columns = zip(*part, strict=True)
        checked = {field: _column(row, field, values) for field, values in zip(table.fields, columns, strict=True)}
        pages += _in_name_order(_names(row, names, sizes), _numbers(row, "size", sizes), checked)
        row += len(part)
    ordered = disentangled(pages)
    if ordered is None:  # rows in no order at all
        whole = Listing(pages, table.fields)
        ordered = list(_in_name_order(whole.names, whole.sizes, {field: whole.column(field) for field in table.fields}))
    return Listing(ordered, table.fields)


def _in_name_order(
    names: Sequence[str], sizes: Sequence[int], columns: Mapping[str, Sequence[str] | Sequence[int]]
) -> Iterator[Page]:
    order = sorted(range(len(names)), key=names.__getitem__)
    for start in range(0, len(order), _PAGE_ROWS):
        rows = order[start : start + _PAGE_ROWS]
        picked = {field: [values[row] for row in rows] for field, values in columns.items()}
        yield page_of([names[row] for row in rows], [sizes[row] for row in rows], picked)  # type: ignore[arg-type]


def _names(row: int, names: Sequence[object], sizes: Sequence[object]) -> Sequence[str]:
    checked: list[str] = []
    for number, (name, size) in enumerate(zip(names, sizes, strict=True), row):
        if name and size == "":
            raise _BadRow.at(number, _IS_PREFIX)
        if not isinstance(name, str) or not name or "\n" in name:
            raise _BadRow.at(number, f"the name of an object cannot be {_repr.repr(name)}")
        checked.append(name)
    return checked


def _column(row: int, field: str, values: Sequence[object]) -> Sequence[str] | Sequence[int]:
    if field in NUMBER_FIELDS:
        return _numbers(row, field, [value or 0 for value in values])
    texts = ["" if value is None else str(value) for value in values]
    if field == "crc32c" and (bad := _bad_checksum(texts)) is not None:
        raise _BadRow.at(row + bad, _no_checksum(texts[bad]))
    return texts


def _numbers(row: int, column: str, values: Sequence[object]) -> Sequence[int]:
    return [_number(number, column, value) for number, value in enumerate(values, row)]


def _number(row: int, column: str, value: object) -> int:
    # Not all that Python takes for a number is one: "0_5", " 5", digits of other scripts, a true that is no flag.
    is_text = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS
    if is_text or (isinstance(value, int) and (type(value) is int or column in FLAG_FIELDS)):
        found = int(value)  # type: ignore[call-overload]
        if 0 <= found < 2**63:
            return int(found)
    raise _BadRow.at(row, f"{column} cannot be {_repr.repr(value)}, only digits")


def _bad_checksum(texts: Sequence[str]) -> int | None:
    """Return where the first text is that is no crc32c, nor "" where none is known."""
    return next((at for at, text in enumerate(texts) if text and not _CRC32C.fullmatch(text)), None)


def _no_checksum(text: str) -> str:
    return f"crc32c cannot be {_repr.repr(text)}, only 8 characters of base64, such as AAAAAA=="


def _checked(listing: Listing) -> Listing:
    """Refuse what a Parquet file may hold, though no listing does; its rows are in another order than the file's."""
    for page in listing.pages:
        texts = page.text_list("crc32c") if "crc32c" in page.texts else []
        bad = _bad_checksum(texts)
        if bad is not None:
            raise _BadRow(f"object {_repr.repr(page.name_list()[bad])}: {_no_checksum(texts[bad])}")
        least = min(int64s(page.sizes))
        if least < 0:
            name = page.name_list()[page.size_list().index(least)]
            raise _BadRow(f"object {_repr.repr(name)}: size cannot be {least}, only digits")
    return listing
