"""Find the files below a local directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = 65_536


def files_below(directory: str) -> pa.Table:
    """Return the names (below it, with "/" between) and sizes of all files, links followed, hidden ones left out.

    Raises IndexUnusable for a directory that cannot be read, a name that is not UTF-8.
    """
    batches, names, sizes = [], list[str](), list[int]()
    schema = pa.schema([("name", pa.string()), ("size", pa.int64())])
    for name, size in _walk(directory):
        names.append(name)
        sizes.append(size)
        if len(names) == _BATCH:
            batches.append(_batch(names, sizes, schema, directory))
            names, sizes = [], []
    batches.append(_batch(names, sizes, schema, directory))
    return pa.Table.from_batches(batches, schema)


def _batch(names: list[str], sizes: list[int], schema: pa.Schema, directory: str) -> pa.RecordBatch:
    try:
        return pa.record_batch([pa.array(names, pa.string()), pa.array(sizes, pa.int64())], schema=schema)
    except UnicodeEncodeError as error:
        problem = f"the name of the file {os.fsencode(error.object)!r} is not UTF-8"
        raise IndexUnusable(directory, problem, "rename it") from error


class _Around(NamedTuple):
    """A directory on the way down, with those around it."""

    outer: _Around | None
    number: tuple[int, int]  # of its device, of its inode

    def holds(self, number: tuple[int, int]) -> bool:
        each: _Around | None = self
        while each is not None and each.number != number:
            each = each.outer
        return each is not None


def _walk(directory: str) -> Iterator[tuple[str, int]]:
    """Yield files as they are found; a link that leads back to a directory around it is not followed."""
    left = [("", _Around(None, (-1, -1)))]
    while left:
        below, around = left.pop()
        try:
            here = os.stat(os.path.join(directory, below))  # noqa: PTH116, PTH118 - a million of these
            if around.holds((here.st_dev, here.st_ino)):
                continue
            around = _Around(around, (here.st_dev, here.st_ino))
            with os.scandir(os.path.join(directory, below)) as entries:  # noqa: PTH118
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        left.append((f"{below}{entry.name}/", around))
                    elif entry.is_file():
                        yield f"{below}{entry.name}", entry.stat().st_size
                    elif entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - as above
                        problem = f"{below}{entry.name} is a link to nothing"
                        raise IndexUnusable(directory, problem, "remove it, or bring here what it stands for")
        except OSError as error:
            path = error.filename or directory
            problem = f"{path} cannot be read ({error.strerror})"
            raise IndexUnusable(directory, problem, "correct its permissions") from error
