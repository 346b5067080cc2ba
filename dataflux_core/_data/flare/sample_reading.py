"""Read the files of samples, sure that they are those that were found."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from dataflux_core.errors import FileNotRead, ObjectChanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._data.flare.gathering import SampleFile

_ADVICE = "correct its permissions, or try again once nobody changes the folder"


class Reading:
    """A file that is read to its end; what goes wrong with it is never taken for what goes wrong with another."""

    def __init__(self, file: SampleFile, content: BinaryIO) -> None:
        self._file = file
        self._content = content
        self._left = file.size

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; raises ObjectChanged where there are fewer than were found, FileNotRead."""
        wanted = self._left if size < 0 else min(size, self._left)
        try:
            content = self._content.read(wanted)
        except OSError as error:
            raise _not_read(self._file, error) from error
        self._left -= len(content)
        if len(content) < wanted:
            raise ObjectChanged(self._file.path, self._file.size, self._file.size - self._left)
        return content


@contextmanager
def opened(file: SampleFile) -> Iterator[Reading]:
    """Open a file for all of its bytes to be read; raises ObjectChanged, FileNotRead where they cannot be."""
    try:
        content = open(file.path, "rb")  # noqa: PTH123, SIM115 - a million of these; closed below
    except OSError as error:
        raise _not_read(file, error) from error
    with content:
        before = _state(file, content)
        yield Reading(file, content)
        if _state(file, content) != before:
            raise FileNotRead(file.path, "it was written to while it was packed", _ADVICE)


def content_of(file: SampleFile) -> bytes:
    """Return the bytes of a file; raises ObjectChanged, FileNotRead."""
    with opened(file) as content:
        return content.read()


def made_of(file: SampleFile) -> str:
    """Say by what one tells whether a file has changed, without its bytes; raises FileNotRead."""
    try:
        found = os.stat(file.path)  # noqa: PTH116 - a million of these
    except OSError as error:
        raise _not_read(file, error) from error
    return f"{file.path}\0{file.size}\0{found.st_mtime_ns}\0{found.st_ino}"


def _state(file: SampleFile, content: BinaryIO) -> tuple[int, int]:
    found = os.fstat(content.fileno())
    if found.st_size != file.size:
        raise ObjectChanged(file.path, file.size, found.st_size)
    return found.st_size, found.st_mtime_ns


def _not_read(file: SampleFile, error: OSError) -> FileNotRead:
    return FileNotRead(file.path, error.strerror or str(error), _ADVICE)
