"""Decide how the row groups of a Parquet file can be read within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._data.flare.parquet_pages import DELTA_BYTE_ARRAY, RowGroup, pages_of, row_groups_of
from dataflux_core._data.flare.row_bytes import ROWS
from dataflux_core._plan.text import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow.parquet as pq

_TEXTS = "BYTE_ARRAY"
_ITEM_BYTES = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12, _TEXTS: 4}

_LENGTH_BYTES = 4  # some encodings have the lengths of all texts of a page at its front


class ReadingPlan(NamedTuple):
    """How one row group is read."""

    row_group: int
    rows: int  # at once
    as_dictionaries: list[str]  # columns whose values are repeated within rows


class _Column(NamedTuple):
    """What the pages of one column of one row group say."""

    path: str
    is_text: bool
    is_repeated: bool  # a row may have many of its values
    page_bytes: int  # of all pages, once they are decompressed
    values: int
    page_values: int  # of the page that has most
    item_bytes: int  # of one value, beside the bytes of texts
    dictionary_bytes: int
    delta_bytes: int  # of the largest page whose texts may begin with the one before

    @property
    def longest_bytes(self) -> int:
        """How long a value may be that is stored once for many; what is stored in full, the pages' bytes bound."""
        return max(self.item_bytes, self.dictionary_bytes, self.delta_bytes) if self.is_text else self.item_bytes

    @property
    def repeated_bytes(self) -> int:
        """How many bytes its texts may have in one row at most."""
        return self.values * (self.longest_bytes - self.item_bytes)


def reading_plans(content: bytes, file: pq.ParquetFile, max_bytes: int) -> Iterator[ReadingPlan]:
    """Yield a plan for each row group; raises ValueError where one unfolds to more than `max_bytes`."""
    for number, group in enumerate(row_groups_of(content)):
        columns = list(_columns(content, file, group))
        unfolded_bytes = max(_unfolded_bytes(columns), group.rows)
        as_dictionaries: list[str] = []
        for column in columns:
            if column.is_repeated and column.repeated_bytes:
                if unfolded_bytes + column.repeated_bytes > max_bytes and not column.delta_bytes:
                    as_dictionaries.append(column.path)
                else:
                    unfolded_bytes += column.repeated_bytes
        row_bytes = sum(column.longest_bytes for column in columns if not column.is_repeated)
        if max(unfolded_bytes, row_bytes) > max_bytes:
            size = human_bytes(max(unfolded_bytes, row_bytes))
            raise ValueError(f"row group {number} may unfold to {size}; max_decoded_bytes={max_bytes}")
        yield ReadingPlan(number, min(ROWS, max_bytes // max(row_bytes, 1)), as_dictionaries)


def _unfolded_bytes(columns: list[_Column]) -> int:
    """Return what is there at once: of columns without lists a page or two, of others perhaps all, in one row."""
    return sum(
        column.page_bytes
        + (column.values * column.item_bytes if column.is_repeated else column.page_values * _LENGTH_BYTES)
        for column in columns
    )


def _columns(content: bytes, file: pq.ParquetFile, group: RowGroup) -> Iterator[_Column]:
    if len(group.columns) != len(file.schema):
        raise ValueError(f"a row group has {len(group.columns)} columns, the schema {len(file.schema)}")
    for number, place in enumerate(group.columns):
        kind = file.schema.column(number)
        pages = list(pages_of(content, place))
        values = [page.values for page in pages if not page.is_dictionary]
        yield _Column(
            kind.path,
            kind.physical_type == _TEXTS,
            kind.max_repetition_level > 0,
            sum(page.unfolded_bytes for page in pages),
            sum(values),
            max(values, default=0),
            _ITEM_BYTES.get(kind.physical_type, max(1, kind.length or 1)),
            max((page.unfolded_bytes for page in pages if page.is_dictionary), default=0),
            max((page.unfolded_bytes for page in pages if page.encoding == DELTA_BYTE_ARRAY), default=0),
        )
