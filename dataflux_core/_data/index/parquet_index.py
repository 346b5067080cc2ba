"""Keep an index in its own Parquet files, of which only what is asked for is decoded."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from dataflux_core._data.index.content import fingerprint_of
from dataflux_core._data.index.mapped import MappedIndex, write_file
from dataflux_core._data.index.parquet_files import parquet_rows
from dataflux_core._data.index.picked import picked
from dataflux_core._data.index.row_groups import RowGroups
from dataflux_core._data.index.rows import as_plain, first_rows
from dataflux_core._data.index.scratch import locked
from dataflux_core.errors import FileNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dataflux_core._data.index.parquet_files import ParquetPart
    from dataflux_core._data.index.sample_index import Home
    from dataflux_core._data.index.scratch import Scratch

# A file whose row groups are decoded time and again, as in random order, is decoded once more, into a copy that is
# mapped, as soon as what was decoded in vain, with what is about to be, comes to half of it: rows in random order tell
# at once, rows in order when they begin again, unless the row groups are few.
MIN_COPY_BYTES = 4 * 1024**2  # less is soon decoded, then held
MAX_COPY_BYTES = 16 * 1024**3
_SPARE_SHARE = 2  # of the space that is free, at most one part for the copy
_WAIT_S = 60.0  # for another process to make it; then row groups will do
_COPY = "decoded.arrow"


@dataclass(frozen=True, slots=True)
class Footers:
    """What is known of an index before any of its rows is decoded."""

    parts: tuple[ParquetPart, ...]
    schema: pa.Schema
    ends: NDArray[np.int64]  # (row groups,) rows up to the end of each
    fingerprint: str
    home: Home
    copies: Path  # where the copy is, once there is one


class ParquetIndex:
    """Rows of files one after the other; pickled as what their footers say, so that each process decodes for itself."""

    def __init__(self, footers: Footers, scratch: Scratch | None = None) -> None:
        self._footers = footers
        self._scratch = scratch  # lives as long as this
        self._pid = 0
        self._decoding: _Decoding | None = None

    def __reduce__(self) -> tuple[type[ParquetIndex], tuple[Footers]]:
        return ParquetIndex, (self._footers,)

    def __len__(self) -> int:
        return int(self._footers.ends[-1])

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._footers.schema.names)

    @property
    def fingerprint(self) -> str:
        return self._footers.fingerprint

    @property
    def home(self) -> Home:
        return self._footers.home

    def take(self, rows: NDArray[np.int64]) -> pa.Table:
        # A fork may have come while another thread of its parent was decoding, whose lock nobody would open.
        if self._decoding is None or self._pid != os.getpid():
            self._decoding, self._pid = _Decoding(self._footers), os.getpid()
        return self._decoding.take(rows)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        return _all_rows(self._footers, self.columns if columns is None else columns)


def parquet_index(
    parts: Sequence[ParquetPart], schema: pa.Schema, *, scratch: Scratch, home: Home, max_samples: int | None
) -> ParquetIndex:
    """Open files whose footers are read, which hold at least one row."""
    ends = np.cumsum(np.concatenate([part.group_rows for part in parts]))
    if max_samples is not None:
        ends = np.minimum(ends, max_samples)
    asked = [str(max_samples), *(f"{field.name}\n{field.type}" for field in schema)]
    fingerprint = fingerprint_of(*asked, *(part.digest for part in parts))
    return ParquetIndex(Footers(tuple(parts), schema, ends, fingerprint, home, scratch.path), scratch)


def _all_rows(footers: Footers, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    wanted = pa.schema([footers.schema.field(name) for name in columns])
    every = (
        as_plain(batch, wanted, part.source) for part in footers.parts for batch in parquet_rows(part).read(columns)
    )
    return first_rows(every, int(footers.ends[-1]))


class _Decoding:
    """How one process reads an index: from row groups at first, then perhaps from a copy."""

    def __init__(self, footers: Footers) -> None:
        self._footers = footers
        self._groups = RowGroups(footers.parts, footers.schema)
        self._path = footers.copies / _COPY
        self._lock = threading.Lock()
        self._copy: MappedIndex | None = None
        self._may_make = True

    def take(self, rows: NDArray[np.int64]) -> pa.Table:
        if self._copy is None:
            self._look_for_copy(rows)
        return picked(self._groups, self._footers.ends, rows) if self._copy is None else self._copy.take(rows)

    def _look_for_copy(self, rows: NDArray[np.int64]) -> None:
        """Use the copy that another process has made, or make one where that pays."""
        cost = self._groups.cost(np.unique(np.searchsorted(self._footers.ends, rows, side="right")).tolist())
        if not cost:
            return
        with self._lock:
            if self._copy is not None:
                return
            if self._may_make and not self._path.exists() and self._is_worth_it(cost):
                self._may_make = False  # whoever has waited in vain once only looks from then on
                self._make()
            if self._path.exists():
                self._copy = MappedIndex(self._path, self._footers.fingerprint)
                self._groups.drop()

    def _is_worth_it(self, cost: int) -> bool:
        size = self._copy_bytes()
        return size >= MIN_COPY_BYTES and self._groups.again_bytes + cost >= size // 2

    def _copy_bytes(self) -> int:
        return int(self._groups.row_bytes * int(self._footers.ends[-1]))

    def _make(self) -> None:
        """Make the copy, or wait for the process that does; without room there will be none."""
        with suppress(OSError, FileNotWritten):  # no directory any more, or no space: it is only a copy
            if self._copy_bytes() > min(MAX_COPY_BYTES, shutil.disk_usage(self._path.parent).free // _SPARE_SHARE):
                return
            lock = self._path.with_name(f"{_COPY}.lock")
            lock.touch()
            with locked(lock, wait_s=_WAIT_S) as is_ours:
                if is_ours and not self._path.exists():
                    write_file(_all_rows(self._footers, self._footers.schema.names), self._footers.schema, self._path)
