"""Read a listing back from a file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from dataflux_core._data.listing import Listing
from dataflux_core._wire.page import FIELDS, NUMBER_FIELDS, page_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Self

_PARQUET = b"PAR1"  # how such a file begins: https://parquet.apache.org/docs/file-format
_PAGE_ROWS = 5000
_WANTED = "a listing of every object, as Parquet, CSV or JSON lines of `dataflux ls -r`"


def read_listing(path: Path) -> Listing:
    """Read what `dataflux ls -r` wrote as Parquet, CSV or JSON lines; rows are put in name order.

    Columns other than fields of an object are left alone. Raises InvalidArgument for a file that holds no listing,
    OSError for one that cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(len(_PARQUET))
    if start == _PARQUET:
        return Listing.from_parquet(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            return _listing_of(_json_rows(text) if start[:1] == b"{" else _csv_rows(text))
    except (_BadRow, UnicodeDecodeError, csv.Error, msgspec.DecodeError) as error:
        raise InvalidArgument("path", str(path), f"{_WANTED} ({error})") from error


class _BadRow(Exception):
    """A row is none of a listing; says what is wrong with it."""

    @classmethod
    def at(cls, row: int, problem: str) -> Self:
        return cls(f"row {row}: {problem}")


def _csv_rows(lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    reader = csv.reader(lines, strict=True)
    header = next(reader, [])
    if header.count("name") != 1 or header.count("size") != 1:
        raise _BadRow("it has no columns name and size")
    for number, cells in enumerate(reader, 1):
        if len(cells) != len(header):
            raise _BadRow.at(number, f"{len(cells)} cells, not {len(header)}")
        yield dict(zip(header, cells, strict=True))


def _json_rows(lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(lines, 1):
        row = msgspec.json.decode(line)
        if not isinstance(row, Mapping):
            raise _BadRow.at(number, "no object")
        yield row


def _listing_of(rows: Iterable[Mapping[str, object]]) -> Listing:
    fields: tuple[str, ...] = ()
    records: list[tuple[str | int, ...]] = []
    for number, row in enumerate(rows, 1):
        if number == 1:
            fields = tuple(field for field in FIELDS if field in row)
        records.append(_record(number, row, fields))
    records.sort(key=itemgetter(0))  # as it comes from --unsorted; else this is one look at each
    parts = (records[start : start + _PAGE_ROWS] for start in range(0, len(records), _PAGE_ROWS))
    return Listing([page_of(*_columns(part, fields)) for part in parts], fields)


def _record(number: int, row: Mapping[str, object], fields: Sequence[str]) -> tuple[str | int, ...]:
    name, size = row.get("name"), row.get("size")
    if "prefix" in row or (name and size == ""):
        raise _BadRow.at(number, "a prefix with names below it, so one level alone was listed: list with -r")
    if not isinstance(name, str) or not name or "\n" in name:
        raise _BadRow.at(number, f"the name of an object cannot be {name!r}")
    return (name, _number(number, "size", size), *(_value(number, row, field) for field in fields))


def _value(number: int, row: Mapping[str, object], field: str) -> str | int:
    value = row.get(field)
    if field in NUMBER_FIELDS:
        return _number(number, field, value or 0)
    return "" if value is None else str(value)


def _number(number: int, column: str, value: object) -> int:
    try:
        found = int(value) if isinstance(value, (str, int)) else -1
    except ValueError:
        found = -1
    if not 0 <= found < 2**63:
        raise _BadRow.at(number, f"{column} cannot be {value!r}")
    return found


def _columns(
    records: Sequence[tuple[str | int, ...]], fields: Sequence[str]
) -> tuple[Sequence[str], Sequence[int], dict[str, Sequence[str] | Sequence[int]]]:
    names, sizes, *columns = zip(*records, strict=True)
    return names, sizes, dict(zip(fields, columns, strict=True))
