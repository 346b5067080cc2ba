"""Read Parquet files by their footers first."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflux_core._data.index.content import fingerprint_of
from dataflux_core._data.index.opened_files import not_opened
from dataflux_core._data.index.rows import BATCH_ROWS, Rows, as_plain, asking, first_line, plain_schema
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow.compute as pc
    from numpy.typing import NDArray

_MAX_OPEN = 32
_TAIL_BYTES = 8  # the length of the footer, then the mark: https://parquet.apache.org/docs/file-format
_BUFFER_BYTES = 1024**2  # read at once: else all that a row group has of a column
_DAMAGED = "write the file anew, or bring a whole copy of it here"
_CHANGED = "open it again, with a new epoch: its samples may be others"


class FileState(NamedTuple):
    """What tells a file from another in its place; not the device, which another machine calls otherwise."""

    inode: int
    modified_ns: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """What the footer of one file says."""

    path: Path
    source: str  # for errors: the file may be a copy
    state: FileState
    schema: pa.Schema
    group_rows: NDArray[np.int64]  # of each row group
    digest: str  # of the footer

    @property
    def rows(self) -> int:
        return int(self.group_rows.sum())


class OpenPart:
    """A file as it was when its footer was read, until it is closed; raises IndexUnusable where it is another.

    It is read, not mapped: where a mapped file is cut short, the process that looks at it is killed.
    """

    def __init__(self, part: ParquetPart) -> None:
        self._part = part
        with damage_of(part.source), ExitStack() as opened:
            self.file = opened.enter_context(pa.OSFile(str(part.path)))
            self.check()
            if _digest(self.file) != part.digest:
                raise IndexUnusable(part.source, "its footer has changed since it was opened", _CHANGED)
            self._parquet = pq.ParquetFile(self.file, buffer_size=_BUFFER_BYTES)
            opened.pop_all()

    def batches(self, rows: int, columns: Sequence[str], group: int | None = None) -> Iterator[pa.RecordBatch]:
        """Yield batches of so many rows, of one row group or of all; raises IndexUnusable."""
        groups = None if group is None else [group]
        with damage_of(self._part.source):
            try:
                self.check()
                # Without Arrow's threads: a loader worker is one of many, and after a fork they may be gone.
                for batch in self._parquet.iter_batches(
                    rows, row_groups=groups, columns=list(columns), use_threads=False
                ):
                    self.check()  # what was written over while it was read may be neither the old nor the new
                    yield batch
            except (OSError, pa.ArrowException):
                self.check()  # rather than call damaged what has only changed
                raise

    def check(self) -> None:
        """Raise IndexUnusable where the file has been written to."""
        now, then = _state(self.file, self._part.path), self._part.state
        if now.size != then.size:
            problem = f"it had {then.size:,} bytes when it was opened, now it has {now.size:,}"
            raise IndexUnusable(self._part.source, problem, _CHANGED)
        if now != then:
            raise IndexUnusable(self._part.source, "it was written anew since it was opened", _CHANGED)

    def close(self) -> None:
        self._parquet.close()
        self.file.close()


@contextmanager
def damage_of(source: str) -> Iterator[None]:
    """Turn Arrow's errors about a file into one that names it; raises IndexUnusable."""
    try:
        yield
    except OSError as error:
        if error.errno:  # Arrow's, of bytes that are damaged, have no number
            raise not_opened(source, error) from error
        raise IndexUnusable(source, f"it is damaged ({first_line(error)})", _DAMAGED) from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, UnicodeDecodeError) as error:
        raise IndexUnusable(source, f"it is no whole Parquet file ({first_line(error)})", _DAMAGED) from error


def parquet_part(path: Path, source: str) -> ParquetPart:
    """Read the footer of a file; raises IndexUnusable."""
    with damage_of(source), pa.OSFile(str(path)) as file:
        state = _state(file, path)
        parquet = pq.ParquetFile(file)
        footer = parquet.metadata
        groups = np.array([footer.row_group(n).num_rows for n in range(footer.num_row_groups)], np.int64)
        return ParquetPart(path, source, state, plain_schema(parquet.schema_arrow, source), groups, _digest(file))


def _state(file: pa.OSFile, path: Path) -> FileState:
    try:
        found = os.fstat(file.fileno())
    except AttributeError:  # of pyarrow, which in older versions has lost the number
        found = path.stat()
    return FileState(found.st_ino, found.st_mtime_ns, found.st_size)


def _digest(file: pa.OSFile) -> str:
    size = file.size()
    length = int.from_bytes(file.read_at(_TAIL_BYTES, max(0, size - _TAIL_BYTES))[:4], "little")
    start = max(0, size - _TAIL_BYTES - length)
    return fingerprint_of(str(size), file.read_at(size - start, start))


def parquet_rows(part: ParquetPart) -> Rows:
    """Take all rows of a file in order, in bounded memory."""

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([part.schema.field(name) for name in columns])
        with closing(OpenPart(part)) as opened:
            for batch in opened.batches(BATCH_ROWS, columns):
                yield as_plain(batch, wanted, part.source)

    return Rows(part.source, part.schema, read)


def filtered(part: ParquetPart, condition: pc.Expression, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows for which a condition holds, with the columns of `schema`; whole row groups are passed over."""
    import pyarrow.dataset as ds  # noqa: PLC0415 - slow import: it brings pandas in where that is installed

    with closing(OpenPart(part)) as opened, damage_of(part.source), asking(part.source):
        fragment = ds.ParquetFileFormat().make_fragment(opened.file)
        scanner = fragment.scanner(
            schema=fragment.physical_schema,
            columns=schema.names,
            filter=condition,
            batch_size=BATCH_ROWS,
            batch_readahead=2,
            fragment_readahead=1,
        )
        for batch in scanner.to_batches():
            opened.check()
            if batch.num_rows:
                yield as_plain(batch, schema, part.source)


class OpenFiles:
    """The files of an index, of which those used last stay open; of one process, of any of its threads."""

    def __init__(self, parts: Sequence[ParquetPart]) -> None:
        self._parts = parts
        self._open: OrderedDict[int, OpenPart] = OrderedDict()
        self.lock = threading.RLock()  # a file is read by one thread at a time

    def __getitem__(self, number: int) -> OpenPart:
        file = self._open.pop(number, None) or OpenPart(self._parts[number])
        self._open[number] = file
        if len(self._open) > _MAX_OPEN:
            self._open.popitem(last=False)[1].close()
        return file
