"""Read CSV without losing what its values look like."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from dataflux_core._data.index.opened_files import opened, unreadable
from dataflux_core._data.index.rows import BATCH_ROWS, Rows, plain_schema
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

_BLOCK_BYTES = 16 * 1024**2  # no row may be longer
_LOOK_ROWS = 64  # before all of a column: most fit few kinds
_DECIMALS = range(2, 15)


class _Kind(NamedTuple):
    """What all values of a column may be."""

    type: pa.DataType
    pattern: str
    is_shortest: bool = False  # only where each is written as the number that it becomes would be


def _float_kind(pattern: str, *, is_shortest: bool) -> _Kind:
    return _Kind(pa.float64(), rf"\A(?:{pattern}|NaN|nan|-?inf)\z", is_shortest)


# A column is of the first kind that all its values fit, where no two texts become one number. Zeros before a number
# are part of an id, so are those at its end, unless all values have as many decimals; an exponent is one only where
# Python itself writes it, else "1e5" is an id too. 18 digits fit 64 bits, 15 a float in any case.
_EXPONENT = r"[1-9](?:\.[0-9]*[1-9])?e[-+][0-9]{2,3}"
_KINDS = (
    _Kind(pa.int64(), r"\A(?:0|-?[1-9][0-9]{0,17})\z"),
    _float_kind(rf"0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]|-?{_EXPONENT}", is_shortest=True),
    _float_kind(rf"-?(?:0|[1-9][0-9]*)\.(?:0|[0-9]*[1-9])|-?{_EXPONENT}", is_shortest=True),
    *(_float_kind(rf"-?(?:0|[1-9][0-9]{{0,{14 - n}}})\.[0-9]{{{n}}}", is_shortest=False) for n in _DECIMALS),
    _Kind(pa.bool_(), r"\A(?:true|false|True|False)\z"),
)
_WORDS = frozenset({"nan", "NaN", "inf", "-inf"})
_ADVICE = "mend the file, or write it anew with quotes around values that hold commas, quotes or line breaks"
_COLUMN = re.compile(r"In CSV column #(\d+): ")


def csv_rows(path: Path, source: str) -> Rows:
    """Take a file with a header; what stands unquoted as nothing is null; raises IndexUnusable."""
    delimiter = "\t" if ".tsv" in source.lower().rpartition("/")[2] else ","
    file = _CsvFile(path, source, delimiter)
    return _rows(file, file.schema(), source)


def _rows(file: _CsvFile, schema: pa.Schema, source: str) -> Rows:

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([schema.field(name) for name in columns])
        for texts in file.texts():
            cast = [texts.column(field.name).cast(field.type) for field in wanted]
            batch = pa.RecordBatch.from_arrays(cast, schema=wanted)
            yield from (batch.slice(start, BATCH_ROWS) for start in range(0, batch.num_rows, BATCH_ROWS))

    def as_texts(columns: Collection[str]) -> Rows:
        kinds = [(field.name, pa.string() if field.name in columns else field.type) for field in schema]
        return _rows(file, pa.schema(kinds), source)

    return Rows(source, schema, read, as_texts=as_texts)


class _CsvFile:
    """One file, read once to know the types of its columns, then for its rows.

    Arrow's own guess is of the first megabyte, turns "007" into 7, and cannot be taken back.
    """

    def __init__(self, path: Path, source: str, delimiter: str) -> None:
        self._path = path
        self._source = source
        self._parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        self._names = self._header()

    def schema(self) -> pa.Schema:
        kinds = {name: list(_KINDS) for name in self._names}
        seen: set[str] = set()
        last: pa.RecordBatch | None = None
        for batch in self.texts():
            last = batch if batch.num_rows else last
            for name, left in kinds.items():
                column = batch.column(name)
                if column.null_count < len(column):
                    seen.add(name)
                    kinds[name] = _fitting(column, left)
        self._check_end(last)
        return pa.schema(
            [(name, kinds[name][0].type if name in seen and kinds[name] else pa.string()) for name in kinds]
        )

    def texts(self) -> Iterator[pa.RecordBatch]:
        """Yield batches whose columns are all texts."""
        convert = pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in self._names},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        with unreadable(self._source, self._path, _ADVICE, self._worded), opened(self._path, self._source) as file:
            yield from pa_csv.open_csv(file, self._read_options(), self._parse, convert)

    def _header(self) -> list[str]:
        with unreadable(self._source, self._path, _ADVICE), opened(self._path, self._source) as file:
            schema = pa_csv.open_csv(file, self._read_options(), self._parse).schema
            return list(plain_schema(schema, self._source).names)

    def _read_options(self) -> pa_csv.ReadOptions:
        return pa_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)  # rows have numbers only on one thread

    def _worded(self, message: str) -> str:
        """Name columns in place of their numbers."""
        found = _COLUMN.match(message)
        if found and int(found[1]) < len(self._names):
            return f"column {self._names[int(found[1])]!r}: {message[found.end() :]}"
        return message.removeprefix("CSV parse error: ")

    def _check_end(self, last: pa.RecordBatch | None) -> None:
        """Refuse a quote that is never closed: all that follows would be one value."""
        if last is None or "\n" not in str(last.column(last.num_columns - 1)[-1].as_py()):
            return
        with opened(self._path, self._source) as file:
            quotes = sum(block.count(b'"') for block in iter(lambda: file.read(_BLOCK_BYTES), b""))
        if quotes % 2:
            raise IndexUnusable(self._source, "its last value begins with a quote that nothing closes", _ADVICE)


def _fitting(column: pa.Array, kinds: Sequence[_Kind]) -> list[_Kind]:
    """Return those of which all values are."""
    found = [kind for kind in kinds if _matches(column.slice(0, _LOOK_ROWS), kind) and _matches(column, kind)]
    if any(kind.is_shortest for kind in found) and not _is_shortest(column):
        return [kind for kind in found if not kind.is_shortest]
    return found


def _matches(column: pa.Array, kind: _Kind) -> bool:
    return pc.all(pc.match_substring_regex(column, kind.pattern), skip_nulls=True).as_py() is not False


def _is_shortest(texts: pa.Array) -> bool:
    """Tell whether each number is written as one that becomes it again would be, with ".0" behind it or without."""
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    as_arrow_writes = pc.replace_substring_regex(texts, r"(e[-+])0|\.0\z", r"\1")  # 1e-07 as 1e-7, 1.0 as 1
    is_same = pc.equal(numbers.cast(pa.string()), as_arrow_writes)
    # It takes an exponent for some that Python does not, or the other way round.
    others = texts.filter(pc.invert(is_same)).to_pylist()
    return all(text in _WORDS or text in {written := repr(float(text)), written.removesuffix(".0")} for text in others)
