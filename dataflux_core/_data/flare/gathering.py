"""Gather the samples of a folder into chunks of about one size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pyarrow.compute as pc

from dataflux_core._data.index.directory_files import files_below
from dataflux_core._data.index.grouping import samples_of
from dataflux_core._plan.sample_names import ID, NO_EXTENSION
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

_BATCH_ROWS = 8192
_TAR_BLOCK = 512  # bytes, of headers and what files are filled up to
_TAR_NAME = 100  # characters that a header has room for


class SampleFile(NamedTuple):
    """One file of a sample."""

    extension: str  # in small letters; NO_EXTENSION where it has none
    path: str
    size: int  # bytes, as the folder was read

    @property
    def suffix(self) -> str:
        """What stands behind the sample's id in the name of its file."""
        has_none = self.extension == NO_EXTENSION and not self.path.lower().endswith(f".{NO_EXTENSION}")
        return "" if has_none else f".{self.extension}"


class Sample(NamedTuple):
    """The files of one base name."""

    id: str  # the path below the folder, without the extension
    files: tuple[SampleFile, ...]  # in the order of the extensions

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Folder:
    """The samples of a folder in the order of their files' names."""

    path: str
    table: pa.Table

    @classmethod
    def read(cls, path: Path) -> Folder:
        """Find the samples below a directory; hidden files, temporaries left out. Raises IndexUnusable."""
        root = os.path.abspath(path)  # noqa: PTH100 - no links resolved: messages name what the caller gave
        return cls(root, samples_of(files_below(root), f"{root.rstrip('/')}/", str(path)))

    @property
    def extensions(self) -> tuple[str, ...]:
        return tuple(name for name in self.table.column_names if name != ID and "." not in name)

    @property
    def total_bytes(self) -> int:
        return sum(pc.sum(self.table.column(f"{name}.size")).as_py() or 0 for name in self.extensions)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def check_complete(self) -> None:
        """Raise IndexUnusable where a sample lacks a file that others have."""
        for extension in self.extensions:
            column = self.table.column(extension)
            if column.null_count:
                row = column.is_null().index(True).as_py()
                problem = f"the sample {self.table.column(ID)[row].as_py()!r} has no .{extension}, which others have"
                raise IndexUnusable(self.path, problem, "add the file, remove the sample, or make one stream of all")

    def samples(self) -> Iterator[Sample]:
        """Yield the samples, a few thousand of them in memory at once."""
        extensions = self.extensions
        for batch in self.table.to_batches(max_chunksize=_BATCH_ROWS):
            ids = batch.column(ID).to_pylist()
            places = [batch.column(name).to_pylist() for name in extensions]
            sizes = [batch.column(f"{name}.size").to_pylist() for name in extensions]
            for row, sample_id in enumerate(ids):
                found = zip(extensions, places, sizes, strict=True)
                files = (SampleFile(name, of[row], size[row]) for name, of, size in found if of[row] is not None)
                yield Sample(sample_id, tuple(files))


def file_bytes(sample: Sample) -> int:
    """Return how many bytes the files of a sample have."""
    return sample.size


def tar_bytes(sample: Sample) -> int:
    """Return how many bytes a sample takes in a tar archive, of a million small files several times their own."""
    total = 0
    for file in sample.files:
        name = f"{sample.id}{file.suffix}"
        is_plain = name.isascii() and len(name) <= _TAR_NAME
        total += (1 if is_plain else 3) * _TAR_BLOCK  # its header, another one with the name
        total += -(-file.size // _TAR_BLOCK) * _TAR_BLOCK
    return total


def gathered(
    samples: Iterable[Sample], target_bytes: int, size_of: Callable[[Sample], int] = file_bytes
) -> Iterator[list[Sample]]:
    """Yield neighbours that have at most `target_bytes` together; a larger sample goes alone."""
    together: list[Sample] = []
    total = 0
    for sample in samples:
        size = size_of(sample)
        if together and total + size > target_bytes:
            yield together
            together, total = [], 0
        together.append(sample)
        total += size
    if together:
        yield together
