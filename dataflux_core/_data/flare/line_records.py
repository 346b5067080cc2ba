"""Read records that are lines."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


def text_records(file: BinaryIO) -> Iterator[str]:
    """Yield lines without their ends, a line feed with or without a carriage return."""
    for line in file:
        yield line.removesuffix(b"\n").removesuffix(b"\r").decode()


def jsonl_records(file: BinaryIO) -> Iterator[Any]:
    """Yield a value for each line that is not blank."""
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number}: {error}") from error


def csv_records(file: BinaryIO) -> Iterator[dict[str, str]]:
    """Yield a dict for each row behind the first one, which names the columns."""
    with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        rows = _rows(text)
        names = next(rows, (0, []))[1]
        if len(set(names)) != len(names):
            raise ValueError("two columns of the first row have one name")
        for line, row in rows:
            if not row:
                continue
            if len(row) != len(names):
                raise ValueError(f"line {line}: {len(row)} values, the first row names {len(names)} columns")
            yield dict(zip(names, row, strict=True))


def _rows(text: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    """Yield rows, each with the number of its last line."""
    rows = csv.reader(text, strict=True)
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        # The limit is the process's, so that its owner has to raise it.
        limit = csv.field_size_limit()
        is_long = str(limit) in str(error)
        problem = f"a value of more than {limit:,} characters; call csv.field_size_limit first" if is_long else error
        raise ValueError(f"line {rows.line_num}: {problem}") from error
