"""Say which objects and which values make up the samples of some rows."""

from __future__ import annotations

import logging
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dataflux_core._data.epoch.addresses import Addresses, NoUrl
from dataflux_core._data.epoch.window import Window
from dataflux_core._plan.remote import UNKNOWN_BYTES, RemoteObjects
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataflux_core._data.index.sample_index import SampleIndex

log = logging.getLogger(__name__)
_OF_OBJECT = ("size", "crc32c", "generation")
_KINDS = {
    "size": "whole numbers of bytes",
    "crc32c": "texts, checksums in base64",
    "generation": "whole numbers",
}
_MOST_EXACT = 2.0**53  # beyond, a float stands for several whole numbers
_URL_ENDINGS = ("_url", "_uri", "_path")
_URL_NAMES = ("url", "uri", "path")


class Binding:
    """The columns of an index, each with its part: loaded, the id, kept as it is."""

    def __init__(
        self,
        index: SampleIndex,
        source: str,
        *,
        loaded: Sequence[str] | None,
        id_column: str | None,
        kept: Sequence[str] | None,
    ) -> None:
        self.index = index
        self.source = source
        columns = index.columns
        self.loaded = tuple(_likely_loaded(columns) if loaded is None else loaded)
        self.id_column = id_column or ("id" if "id" in columns else None)
        self._facts = [self._facts_of(column) for column in self.loaded]
        facts = {fact for of_column in self._facts for fact in of_column.values()}
        others = [column for column in columns if column not in {*self.loaded, *facts, self.id_column}]
        self.kept = tuple(others if kept is None else kept)
        wanted = [*self.loaded, *self.kept, *([self.id_column] if self.id_column else [])]
        for column in wanted:
            if column not in columns:
                raise IndexUnusable(source, f"there is no column {column!r}", f"there are {', '.join(columns)}")
        if loaded is None and not self.loaded:
            told = "no column looks like one of URLs, so samples hold what the index says; name them in columns_to_load"
            log.warning("index.nothing_to_load source=%s columns=%s: %s", source, ",".join(columns), told)
        if not self.loaded and not wanted:
            raise IndexUnusable(source, "it has no columns", "give an index with a column of URLs in columns_to_load")
        self._addresses = Addresses(index.home)

    def window(self, rows: NDArray[np.int64]) -> Window:
        """Look rows up, (n,)."""
        table = self.index.take(rows)
        listed = rows.tolist()
        ids = (
            [str(value) for value in table[self.id_column].to_pylist()]
            if self.id_column
            else [str(row) for row in listed]
        )
        unreadable: dict[int, str] = {}
        width = len(self.loaded)
        urls = [""] * (len(listed) * width)
        for place, column in enumerate(self.loaded):
            for row, value in enumerate(table[column].to_pylist()):
                try:
                    urls[row * width + place] = self._addresses.of(value)
                except NoUrl as problem:  # noqa: PERF203 - each is reported in its place
                    unreadable[row * width + place] = str(problem)
        names = [*([self.id_column] if self.id_column else []), *self.kept]
        columns = [table[name].to_pylist() for name in names]
        values = (
            [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] if names else [{}] * len(listed)
        )
        sizes, crc32cs, generations = (self._fact(table, fact, len(listed)) for fact in _OF_OBJECT)
        objects = RemoteObjects(urls, sizes, crc32cs, generations)
        starts = range(0, len(urls) + 1, width) if width else [0] * (len(listed) + 1)
        return Window(listed, ids, [self.loaded] * len(listed), starts, objects, unreadable, values)

    def _facts_of(self, column: str) -> dict[str, str]:
        """Return which columns tell the size, the crc32c, the generation of a loaded column's objects.

        Raises IndexUnusable where one is of a type that none of them can have. One that merely happens to be called
        `size` is another value of the samples.
        """
        schema = self.index.take(np.empty(0, np.int64)).schema
        found = {}
        for fact in _OF_OBJECT:
            named = f"{column}.{fact}"
            if named in self.index.columns:
                if not _can_be(fact, schema.field(named).type) and not self._is_empty(named):
                    problem = f"column {named!r} is of {schema.field(named).type}"
                    raise IndexUnusable(self.source, problem, f"give {_KINDS[fact]}, or leave the column out")
                found[fact] = named
            elif len(self.loaded) == 1 and fact in self.index.columns and _can_be(fact, schema.field(fact).type):
                found[fact] = fact
        return found

    def _is_empty(self, column: str) -> bool:
        """Whether nothing is told in a column: its type is a guess then."""
        return all(batch.column(0).null_count == len(batch) for batch in self.index.batches([column]))

    def _fact(self, table: pa.Table, fact: str, count: int) -> list[Any] | None:
        unknown: Any = "" if fact == "crc32c" else UNKNOWN_BYTES if fact == "size" else 0
        width = len(self.loaded)
        told: list[Any] = [unknown] * (count * width)
        is_told = False
        for place, of_column in enumerate(self._facts):
            name = of_column.get(fact)
            if name is None:
                continue
            is_told = True
            values = table[name].to_pylist()
            if pa.types.is_floating(table[name].type):  # what pandas makes of whole numbers of which one is missing
                values = [self._whole(name, value) for value in values]
            told[place::width] = [unknown if value is None else value for value in values]
        return told if is_told else None

    def _whole(self, column: str, value: float | None) -> int | None:
        if value is None or isnan(value):
            return None
        if value != value // 1 or abs(value) > _MOST_EXACT:
            problem = f"column {column!r}: {value} is no whole number"
            raise IndexUnusable(self.source, problem, "give whole numbers, or call the column otherwise")
        return int(value)


def _can_be(fact: str, kind: pa.DataType) -> bool:
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return True
    if fact == "crc32c":
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _likely_loaded(columns: Sequence[str]) -> list[str]:
    """Return the columns of URLs: those whose sizes are told, else those that are called so."""
    measured = [column for column in columns if f"{column}.size" in columns]
    return measured or [
        column for column in columns if column.lower() in _URL_NAMES or column.lower().endswith(_URL_ENDINGS)
    ]
