"""A value of csv that is too long is said to be, with what to do."""

from __future__ import annotations

import csv
import io

import pytest

from dataflux_core._data.flare.line_records import csv_records

LONG = b"a,b\n1,2\n3," + b"x" * 140_000 + b"\n"


def test_a_long_value_of_csv_names_the_limit_to_raise() -> None:
    records = csv_records(io.BytesIO(LONG))
    assert next(records) == {"a": "1", "b": "2"}
    with pytest.raises(ValueError, match=r"line 3: a value of more than 131,072 characters; call csv.field_size_limit"):
        next(records)


def test_a_long_value_of_csv_is_read_once_the_limit_is_raised() -> None:
    before = csv.field_size_limit(200_000)
    try:
        assert len(list(csv_records(io.BytesIO(LONG)))[1]["b"]) == 140_000
    finally:
        csv.field_size_limit(before)


def test_csv_that_ends_within_quotes_has_a_line() -> None:
    with pytest.raises(ValueError, match="line 2: unexpected end of data"):
        list(csv_records(io.BytesIO(b'a\n"x')))
