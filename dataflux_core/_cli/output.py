"""Write what a command prints, to the terminal, a pipe or a file."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias

import msgspec

from dataflux_core._cli.text import human_bytes, shown
from dataflux_core._data.aside import written_aside
from dataflux_core._data.csv_file import cell
from dataflux_core._wire.page import int64s
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dataflux_core._wire.page import Page

Row: TypeAlias = tuple["str | int | None", ...]  # name, size in bytes (None: a directory), then the fields
Format = Literal["text", "json", "csv", "parquet"]

_BATCH_ROWS = 5000
_UNSHOWABLE_IN_JSON = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # the rest JSON escapes itself
_SIZE_WIDTH = 12
_DATE_WIDTH = 24


@contextmanager
def opened(path: str) -> Iterator[tuple[BinaryIO, bool]]:
    """Give where to write UTF-8, whole or not at all where that is a file; tell whether it is a terminal."""
    if path == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer, sys.stdout.isatty()
        sys.stdout.buffer.flush()
        return
    try:
        with written_aside(Path(path)) as aside, aside.open("wb") as file:
            yield file, file.isatty()
    except OSError as error:
        if isinstance(error, DatafluxError) or error.filename or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error  # a full disk has many files


def rows_of(pages: Iterable[Page], fields: Sequence[str]) -> Iterator[Row]:
    """Yield the objects of some pages as rows."""
    for page in pages:
        columns = [_column(page, field) for field in fields]
        yield from zip(page.name_list(), page.size_list(), *columns, strict=True)


def _column(page: Page, field: str) -> Sequence[str | int]:
    return int64s(page.numbers[field]).tolist() if field in page.numbers else page.text_list(field)


class Rows:
    """Writes rows in one format, a batch at a time."""

    def __init__(self, out: BinaryIO, fields: Sequence[str], *, is_terminal: bool, leading: Sequence[str] = ()) -> None:
        self._out = out
        self._columns = (*leading, "name", "size", *fields)
        self._is_terminal = is_terminal

    def write_text(self, rows: Iterable[Row], *, url: str, long: bool, human: bool) -> None:
        """Write a URL per line, after size and date with `long`."""
        show = shown if self._is_terminal else str
        if not long:
            self._write(f"{url}{show(str(row[0]))}" for row in rows)
            return

        def line(row: Row) -> str:
            name, size, *rest = row
            shown_size = "" if size is None else human_bytes(int(size)) if human else str(size)
            date = str(rest[0]) if rest else ""
            return f"{shown_size:>{_SIZE_WIDTH}}  {date:<{_DATE_WIDTH}}  {url}{show(str(name))}"

        self._write(map(line, rows))

    def write_marked(self, rows: Iterable[Row], *, url: str) -> None:
        """Write a URL per line, after the mark that comes before the name."""
        show = shown if self._is_terminal else str
        self._write(f"{row[0]} {url}{show(str(row[1]))}" for row in rows)

    def write_json(self, rows: Iterable[Row]) -> None:
        """Write a JSON object per line, exact; a terminal sees every character that would act on it escaped."""

        def line(row: Row) -> str:
            value = {"prefix": row[0]} if row[1] is None else dict(zip(self._columns, row, strict=True))
            text = msgspec.json.encode(value).decode()
            return _UNSHOWABLE_IN_JSON.sub(_json_escape, text) if self._is_terminal else text

        self._write(map(line, rows))

    def write_csv(self, rows: Iterable[Row]) -> None:
        """Write CSV with a header, exact unless on a terminal."""

        def line(row: Sequence[str | int | None]) -> str:
            text = ",".join([cell("" if value is None else str(value)) for value in row])
            return shown(text) if self._is_terminal else text

        self._write([line(self._columns)])
        self._write(map(line, rows))

    def _write(self, lines: Iterable[str]) -> None:
        batch: list[str] = []
        for line in lines:
            batch.append(line)
            if len(batch) >= _BATCH_ROWS:
                self._flush(batch)
        self._flush(batch)

    def _flush(self, batch: list[str]) -> None:
        if batch:
            self._out.write(("\n".join(batch) + "\n").encode())
            batch.clear()


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"
