"""Write files below a directory, never outside it."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._wire.objects import crc32c_number
from dataflux_core.errors import FileNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1024**2


class TargetTree:
    """A directory to write below, by any number of threads; when it is left, what is unfinished goes away.

    Every step below it is taken relative to an open directory, follows no symbolic link. A link is refused even
    where it leads back inside: two names would share a file.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the user's own, link or not
        self._token = secrets.token_hex(8)
        self._numbers = count()
        self._unfinished: dict[str, NewFile] = {}  # by the name aside

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for file in list(self._unfinished.values()):
                file.discard()
        finally:
            os.close(self._root)

    def has(self, name: str, path: str, size: int, crc32c: str) -> bool:
        """Tell whether `path` is a file of these bytes, by size where `crc32c` is ""; raises FileNotWritten."""
        with _blamed(name, self.directory / path):
            try:
                parent, last = self._enter(path, make=False)
            except FileNotFoundError:
                return False
            try:
                return _is_there(parent, last, size, crc32c)
            finally:
                os.close(parent)

    def create(self, name: str, path: str) -> NewFile:
        """Begin a file; it is not at `path` before it is committed. Raises FileNotWritten."""
        with _blamed(name, self.directory / path):
            parent, last = self._enter(path, make=True)
            aside = f".dataflux-{self._token}-{next(self._numbers)}.part"
            file = NewFile(Place(name, self.directory / path, parent, last), aside, self._unfinished)
            file.open()
            return file

    def write(self, name: str, path: str, content: bytes) -> None:
        """Make `path` a file of `content`, whole or not at all, however the process ends; raises FileNotWritten."""
        file = self.create(name, path)
        file.write_at(0, content)
        file.commit()

    def _enter(self, path: str, *, make: bool) -> tuple[int, bytes]:
        """Open the directory of `path`, a step at a time; return it with the last component."""
        *components, last = path.encode().split(b"/")
        parent = os.dup(self._root)
        for component in components:
            try:
                child = _open_directory(component, parent, make=make)
            finally:
                os.close(parent)
            parent = child
        return parent, last


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file of an object belongs."""

    name: str  # of the object
    path: Path
    parent: int  # descriptor of the directory
    last: bytes  # component of the path


class NewFile:
    """A file beside its place; its methods raise FileNotWritten."""

    def __init__(self, place: Place, aside: str, unfinished: dict[str, NewFile]) -> None:
        self._place = place
        self._aside = aside
        self._unfinished = unfinished
        self.descriptor = -1
        # Noted before it is there: an interruption can come as soon as the system has made it.
        unfinished[aside] = self

    def open(self) -> None:
        """Make the file."""
        self.descriptor = os.open(self._aside, _NEW_FILE, 0o666, dir_fd=self._place.parent)

    def write_at(self, start: int, content: bytes) -> None:
        """Write bytes at a place in the file."""
        view = memoryview(content)
        with _blamed(self._place.name, self._place.path):
            while view:
                written = os.pwrite(self.descriptor, view, start)
                view, start = view[written:], start + written

    def commit(self) -> None:
        """Put the file in its place, over one that is there."""
        # No fsync: a million of them would take hours. What a power loss spoils is found by its checksum.
        parent = self._place.parent
        with _blamed(self._place.name, self._place.path):
            os.rename(self._aside, self._place.last, src_dir_fd=parent, dst_dir_fd=parent)
        self._close()

    def discard(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            os.unlink(self._aside, dir_fd=self._place.parent)
        self._close()

    def _close(self) -> None:
        if self._unfinished.pop(self._aside, None) is None:
            return  # closed, perhaps up to where an interruption came: its descriptors may be another's by now
        if self.descriptor >= 0:
            os.close(self.descriptor)
        os.close(self._place.parent)


@contextmanager
def _blamed(name: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileNotWritten(name, str(path), error.strerror or str(error)) from error


def _open_directory(component: bytes, parent: int, *, make: bool) -> int:
    try:
        return os.open(component, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            is_link = stat.S_ISLNK(os.lstat(component, dir_fd=parent).st_mode)
            raise _InTheWay(
                component, "a symbolic link, which is not followed" if is_link else "no directory"
            ) from error
        raise
    with suppress(FileExistsError):
        os.mkdir(component, dir_fd=parent)
    return os.open(component, _DIRECTORY, dir_fd=parent)


class _InTheWay(OSError):
    """Something else has the place of a file or directory."""

    def __init__(self, component: bytes, kind: str) -> None:
        super().__init__(f"{component.decode(errors='replace')!r} is {kind}; move it away or choose another directory")


def _is_there(parent: int, last: bytes, size: int, crc32c: str) -> bool:
    try:
        found = os.lstat(last, dir_fd=parent)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise _InTheWay(last, "a directory")
    if not stat.S_ISREG(found.st_mode):
        raise _InTheWay(last, "no regular file")
    if found.st_size != size:
        return False
    if not crc32c:
        return True
    descriptor = os.open(last, _FILE, dir_fd=parent)
    try:
        return checksum_of(descriptor) == crc32c_number(crc32c)
    finally:
        os.close(descriptor)


def checksum_of(descriptor: int) -> int:
    """Return the crc32c of a file's bytes."""
    checksum = position = 0
    while chunk := os.pread(descriptor, _CHUNK_BYTES, position):
        checksum = google_crc32c.extend(checksum, chunk)
        position += len(chunk)
    return checksum
