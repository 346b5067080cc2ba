"""Refuse samples whose files would lie outside the directory, or in each other's place."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dataflux_core._data.samples.kinds import extension_of
from dataflux_core._plan.paths import MAX_PATH_BYTES, directories_of
from dataflux_core._plan.sample_files import file_of, flaw_of_file, folded
from dataflux_core._plan.text import shortened
from dataflux_core.errors import BadSample, IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from dataflux_core._data.epoch.binding import Binding
    from dataflux_core._data.epoch.window import Window

WINDOW_ROWS = 1024
_ADVICE = "nothing is written; give each sample an id that is a path of its own, or choose another index_col_name"
_SHOWN = 80


class Named(NamedTuple):
    """The file of one object."""

    row: int
    sample_id: str
    path: str


def windows_of(binding: Binding) -> Iterator[Window]:
    """Yield all rows of an index in order, some at a time."""
    count = len(binding.index)
    for start in range(0, count, WINDOW_ROWS):
        yield binding.window(np.arange(start, min(start + WINDOW_ROWS, count), dtype=np.int64))


def paths_of(window: Window) -> list[str | None]:
    """Return where the file of each object goes; None for those of rows that name no object somewhere."""
    paths: list[str | None] = [None] * len(window.objects)
    owners = window.owners()
    bad_rows = {owners[at] for at in window.unreadable}
    for place in range(len(window)):
        if place in bad_rows:
            continue
        columns = window.columns[place]
        for at, column in enumerate(columns, window.starts[place]):
            extension = extension_of(window.objects.urls[at])
            paths[at] = file_of(window.ids[place], column, extension, has_several=len(columns) > 1)
    return paths


def bad_rows_of(window: Window) -> Iterator[BadSample]:
    """Yield what is wrong with rows that name no object somewhere, one error for each object."""
    owners = window.owners()
    for at, problem in window.unreadable.items():
        place = owners[at]
        column = window.columns[place][at - window.starts[place]]
        yield BadSample(window.rows[place], window.ids[place], column, problem)


class NameCheck:
    """Looks at all names of an index before the first file is written; holds a few bytes of each, not the names."""

    def __init__(self, binding: Binding, source: str, directory: Path, *, folds_case: bool) -> None:
        self._binding = binding
        self._source = source
        self._key: Callable[[str], str] = folded if folds_case else str
        self._max_path_bytes = min(MAX_PATH_BYTES, os.pathconf(directory, "PC_PATH_MAX") - 1)
        self._max_path_bytes -= len(os.fsencode(directory.absolute())) + 1

    def check(self, *, keeps_going: bool) -> None:
        """Raise IndexUnusable for an id that is no path of its own, BadSample for a row that names no object."""
        ids, files, directories = array("q"), array("q"), array("q")
        above = ""
        for window in windows_of(self._binding):
            if not keeps_going:
                for bad in bad_rows_of(window):
                    raise bad
            self._check_ids(window)
            ids.extend(map(hash, window.ids))
            for named in _files(window):
                self._check_alone(named)
                files.append(hash(self._key(named.path)))
                directory = named.path.rpartition("/")[0]
                if directory != above:  # names come in order, mostly
                    above = directory
                    directories.extend(hash(self._key(each)) for each in directories_of([named.path]))
        if repeated := _repeated(ids):
            self._compare_ids(repeated)
        if suspects := _repeated(files) | _common(files, directories):
            self._compare_files(suspects)

    def _check_ids(self, window: Window) -> None:
        column = self._binding.id_column
        for row, sample_id, values in zip(window.rows, window.ids, window.values, strict=True):
            value = values[column] if column else row
            if value is None or isinstance(value, (dict, list)):
                flaw = "the id is null" if value is None else f"an id is a text or a number, no {type(value).__name__}"
                raise self._refused(Named(row, sample_id, ""), flaw)

    def _check_alone(self, named: Named) -> None:
        flaw = flaw_of_file(named.sample_id, named.path, max_path_bytes=self._max_path_bytes)
        if flaw:
            raise self._refused(named, flaw)

    def _compare_ids(self, suspects: set[int]) -> None:
        """Look at the ids themselves where their hashes are the same; raises IndexUnusable."""
        rows: dict[str, int] = {}
        for window in windows_of(self._binding):
            for row, sample_id in zip(window.rows, window.ids, strict=True):
                if hash(sample_id) not in suspects:
                    continue
                if sample_id in rows:
                    raise self._refused(Named(row, sample_id, ""), f"row {rows[sample_id]} has the same id")
                rows[sample_id] = row

    def _compare_files(self, suspects: set[int]) -> None:
        """Look at the paths themselves where their hashes are the same; raises IndexUnusable."""
        files: dict[str, Named] = {}
        directories: dict[str, Named] = {}
        for window in windows_of(self._binding):
            for named in _files(window):
                for directory in directories_of([named.path]):
                    key = self._key(directory)
                    if hash(key) in suspects:
                        directories.setdefault(key, named)
                key = self._key(named.path)
                if hash(key) not in suspects:
                    continue
                if key in files:
                    other = _told(files[key])
                    raise self._refused(named, f"its file {named.path!r} has the same path as that of {other}")
                files[key] = named
        for key in files.keys() & directories.keys():
            other = _told(directories[key])
            raise self._refused(files[key], f"its file {files[key].path!r} would be a directory of {other} too")

    def _refused(self, named: Named, flaw: str) -> IndexUnusable:
        return IndexUnusable(self._source, f"{_told(named)}: {flaw}", _ADVICE)


def _told(named: Named) -> str:
    return f"row {named.row}, id {shortened(repr(named.sample_id), _SHOWN)}"


def _files(window: Window) -> Iterator[Named]:
    for place, path in zip(window.owners(), paths_of(window), strict=True):
        if path is not None:
            yield Named(window.rows[place], window.ids[place], path)


def _repeated(hashes: array[int]) -> set[int]:
    numbers: NDArray[np.int64] = np.sort(np.array(hashes, np.int64))
    return set(numbers[1:][numbers[1:] == numbers[:-1]].tolist())


def _common(one: array[int], other: array[int]) -> set[int]:
    return set(np.intersect1d(np.array(one, np.int64), np.array(other, np.int64)).tolist())
