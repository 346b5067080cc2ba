"""Read Parquet files by their footers first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
_DAMAGED = "write the file anew, or bring a whole copy of it here"


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """What the footer of one file says."""

    path: Path
    source: str  # for errors: the file may be a copy
    size: int  # bytes
    schema: pa.Schema
    group_rows: NDArray[np.int64]  # of each row group
    digest: str  # of the footer

    @property
    def rows(self) -> int:
        return int(self.group_rows.sum())

    def open(self) -> pq.ParquetFile:
        """Open the file as it was when its footer was read; raises IndexUnusable."""
        with damage_of(self.source):
            if self.path.stat().st_size != self.size:
                problem = f"it had {self.size:,} bytes when it was opened, now it has {self.path.stat().st_size:,}"
                raise IndexUnusable(self.source, problem, "open it again, with a new epoch: its samples changed")
            return pq.ParquetFile(self.path, memory_map=True)


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
    with damage_of(source), pq.ParquetFile(path, memory_map=True) as file:
        footer = file.metadata
        groups = np.array([footer.row_group(n).num_rows for n in range(footer.num_row_groups)], np.int64)
        schema = plain_schema(file.schema_arrow, source)
        size = path.stat().st_size
        return ParquetPart(path, source, size, schema, groups, _digest(path, size))


def _digest(path: Path, size: int) -> str:
    with path.open("rb") as file:
        file.seek(max(0, size - _TAIL_BYTES))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - _TAIL_BYTES - length))
        return fingerprint_of(str(size), file.read())


def parquet_rows(part: ParquetPart) -> Rows:
    """Take all rows of a file in order, in bounded memory."""

    def read(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wanted = pa.schema([part.schema.field(name) for name in columns])
        with part.open() as file, damage_of(part.source):
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False):
                yield as_plain(batch, wanted, part.source)

    return Rows(part.source, part.schema, read)


def filtered(part: ParquetPart, condition: pc.Expression, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows for which a condition holds, with the columns of `schema`; whole row groups are passed over."""
    with asking(part.source):
        import pyarrow.dataset as ds  # noqa: PLC0415 - slow import: it brings pandas in where that is installed
        from pyarrow.fs import LocalFileSystem  # noqa: PLC0415

        fragment = ds.ParquetFileFormat().make_fragment(str(part.path), LocalFileSystem())
        scanner = fragment.scanner(
            schema=fragment.physical_schema,
            columns=schema.names,
            filter=condition,
            batch_size=BATCH_ROWS,
            batch_readahead=2,
            fragment_readahead=1,
        )
        for batch in scanner.to_batches():
            if batch.num_rows:
                yield as_plain(batch, schema, part.source)


class OpenFiles:
    """The files of an index, of which those used last stay open; of one process, of any of its threads."""

    def __init__(self, parts: Sequence[ParquetPart]) -> None:
        self._parts = parts
        self._open: OrderedDict[int, pq.ParquetFile] = OrderedDict()
        self.lock = threading.RLock()  # a file is read by one thread at a time

    def __getitem__(self, number: int) -> pq.ParquetFile:
        file = self._open.pop(number, None) or self._parts[number].open()
        self._open[number] = file
        if len(self._open) > _MAX_OPEN:
            self._open.popitem(last=False)[1].close()
        return file
