"""Write packed columns as CSV."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dataflux_core._data.aside import listing_file
from dataflux_core._wire.page import NUMBER_FIELDS, TEXT_SEPARATOR, Page, int64s

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_MARKS = '",\r'
_NEEDS_QUOTES = re.compile(f"[{_MARKS}\n]")


def write_csv(pages: Iterable[Page], fields: Sequence[str], path: str | Path) -> int:
    """Write pages as they come, whole or not at all; return the number of objects. Raises FileNotWritten."""
    objects = 0
    with listing_file(path) as aside, aside.open("wb") as file:
        file.write(header_line(fields))
        for page in pages:
            file.write(lines(page, fields))
            objects += page.count
    return objects


def header_line(fields: Sequence[str]) -> bytes:
    return (",".join(["name", "size", *fields]) + "\n").encode()


def lines(page: Page, fields: Sequence[str]) -> bytes:
    """Return a page's rows, quoted as RFC 4180 has it, each with a newline alone at its end."""
    if not page.count:
        return b""
    columns = [_text_cells(page.names), _number_cells(page.sizes)]
    for field in fields:
        is_number = field in NUMBER_FIELDS
        columns.append(_number_cells(page.numbers[field]) if is_number else _text_cells(page.texts[field]))
    return ("\n".join(map(",".join, zip(*columns, strict=True))) + "\n").encode()


def _number_cells(column: bytes) -> Iterator[str]:
    return map(str, int64s(column))


def _text_cells(column: bytes) -> list[str]:
    text = column.decode()
    cells = text.split(TEXT_SEPARATOR)
    is_plain = not any(mark in text for mark in _MARKS)  # one look at a page instead of one at each cell
    return cells if is_plain else list(map(cell, cells))


def cell(text: str) -> str:
    """Return a text as a cell, quoted as RFC 4180 has it."""
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text
