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
        rows = csv.reader(text, strict=True)
        names = next(rows, [])
        if len(set(names)) != len(names):
            raise ValueError("two columns of the first row have one name")
        for row in rows:
            if not row:
                continue
            if len(row) != len(names):
                raise ValueError(f"line {rows.line_num}: {len(row)} values, the first row names {len(names)} columns")
            yield dict(zip(names, row, strict=True))
