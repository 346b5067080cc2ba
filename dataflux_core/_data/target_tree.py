"""Write files below a directory, never outside it."""

from __future__ import annotations

import os
import secrets
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._data.directory_errors import TARGET, blamed, not_written
from dataflux_core._data.directory_journal import Journal, remove_leftovers
from dataflux_core._data.target_parents import InTheWay, Parents
from dataflux_core._plan.own_files import aside_name, lock_name
from dataflux_core._wire.objects import crc32c_number

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Place:
    """Where the file of an object belongs."""

    name: str  # of the object
    path: str  # below the tree's directory
    mtime_ns: int | None = None  # that the file is to have; None: when it is written


@dataclass(frozen=True, slots=True)
class Present:
    """A file that is there."""

    is_whole: bool  # of the bytes that were looked for
    size: int
    atime_ns: int
    mtime_ns: int


class TargetTree:
    """A directory to write below, by any number of threads; when it is left, what is unfinished goes away.

    Every step below it is taken relative to an open directory, follows no symbolic link.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with blamed(TARGET, directory):
            self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # the user's own, link or not
        self._journal: Journal | None = None
        self._parents = Parents(self._root, self._note)
        self._token = secrets.token_hex(8)
        self._numbers = count()
        self._unfinished: dict[str, NewFile] = {}  # by the name aside
        self._process_id = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if os.getpid() == self._process_id:  # a forked child's files are its parent's, which may be at work
                for file in list(self._unfinished.values()):
                    file.discard()
        finally:
            if self._journal is not None:
                self._journal.close()
            self._parents.close()
            os.close(self._root)

    def claim(self) -> None:
        """Remove what killed processes have left; have what this one would leave removed by a later one.

        Where nothing may be made in the directory itself, files may still be written below: that is not noted then.
        """
        with suppress(OSError):
            remove_leftovers(self._root, self._parents.enter)
        with suppress(OSError):
            self._journal = Journal(self._root)
            self._token = self._journal.token

    def folds_case(self) -> bool | None:
        """Tell whether the file system takes one case for the other, None where this process has claimed nothing.

        Told by a file of its own, the only one that nobody else can have made in both cases.
        """
        if self._journal is None:
            return None
        with blamed(TARGET, self.directory):
            return self.directory.joinpath(lock_name(self._token).swapcase()).exists()

    def look(self, place: Place, size: int, crc32c: str) -> Present | None:
        """Return what is there, with whether it has these bytes, by size alone where `crc32c` is "".

        Raises FileNotWritten where something else is in the way.
        """
        directory, _, last = place.path.rpartition("/")
        try:
            return _present(self._parents.find(directory), last.encode(), size, crc32c)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise not_written(place.name, self.directory / place.path, error) from error

    def set_time(self, place: Place, present: Present) -> bool:
        """Give a file that is there the time of its place; tell whether that could be done."""
        directory, _, last = place.path.rpartition("/")
        times = (present.atime_ns, present.mtime_ns if place.mtime_ns is None else place.mtime_ns)
        try:
            os.utime(last.encode(), ns=times, dir_fd=self._parents.find(directory), follow_symlinks=False)
        except OSError:
            return False  # another user's, or nothing may be written there: its bytes are right all the same
        return True

    def create(self, place: Place) -> NewFile:
        """Begin a file; it is not in its place before it is committed. Raises FileNotWritten."""
        directory, _, last = place.path.rpartition("/")
        with blamed(place.name, self.directory / place.path):
            parent = os.dup(self._parents.make(directory))  # it may take its time, on more than one thread
            spot = _Spot(place.name, self.directory / place.path, parent, last.encode(), place.mtime_ns)
            file = NewFile(spot, self._aside(), self._unfinished)
            file.open()
            return file

    def write(self, place: Place, content: bytes) -> None:
        """Make a file of `content`, whole or not at all, however the process ends; raises FileNotWritten."""
        # As `create`, `write_at`, `commit` do, at two thirds of their price: there are millions of these.
        directory, _, last = place.path.rpartition("/")
        try:
            parent, aside = self._parents.make(directory), self._aside()
            try:
                descriptor = os.open(aside, _NEW_FILE, 0o666, dir_fd=parent)
                try:
                    _write_at(descriptor, 0, content)
                    _set_time(descriptor, place.mtime_ns)
                    os.rename(aside, last.encode(), src_dir_fd=parent, dst_dir_fd=parent)
                finally:
                    os.close(descriptor)
            except BaseException:
                with suppress(OSError):
                    os.unlink(aside, dir_fd=parent)
                raise
        except OSError as error:
            raise not_written(place.name, self.directory / place.path, error) from error

    def _aside(self) -> str:
        return aside_name(self._token, next(self._numbers))

    def _note(self, directory: str) -> None:
        if self._journal is not None:
            self._journal.note(directory)


@dataclass(frozen=True, slots=True)
class _Spot:
    name: str  # of the object
    path: Path
    parent: int  # descriptor of the directory
    last: bytes  # component of the path
    mtime_ns: int | None


class NewFile:
    """A file beside its place; its methods raise FileNotWritten."""

    def __init__(self, spot: _Spot, aside: str, unfinished: dict[str, NewFile]) -> None:
        self._spot = spot
        self._aside = aside
        self._unfinished = unfinished
        self.descriptor = -1
        # Noted before it is there: an interruption can come as soon as the system has made it.
        unfinished[aside] = self

    def open(self) -> None:
        """Make the file."""
        self.descriptor = os.open(self._aside, _NEW_FILE, 0o666, dir_fd=self._spot.parent)

    def write_at(self, start: int, content: bytes) -> None:
        """Write bytes at a place in the file."""
        with blamed(self._spot.name, self._spot.path):
            _write_at(self.descriptor, start, content)

    def commit(self) -> None:
        """Put the file in its place, over one that is there."""
        spot = self._spot
        with blamed(spot.name, spot.path):
            _set_time(self.descriptor, spot.mtime_ns)
            # No fsync: a million of them would take hours. What a power loss spoils is found by its checksum.
            os.rename(self._aside, spot.last, src_dir_fd=spot.parent, dst_dir_fd=spot.parent)
        self._close()

    def discard(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            os.unlink(self._aside, dir_fd=self._spot.parent)
        self._close()

    def _close(self) -> None:
        if self._unfinished.pop(self._aside, None) is None:
            return  # closed, perhaps up to where an interruption came: its descriptors may be another's by now
        if self.descriptor >= 0:
            os.close(self.descriptor)
        os.close(self._spot.parent)


def _write_at(descriptor: int, start: int, content: bytes) -> None:
    written = os.pwrite(descriptor, content, start)
    if written == len(content):
        return
    view = memoryview(content)[written:]
    while view:
        start += written
        written = os.pwrite(descriptor, view, start)
        view = view[written:]


def _set_time(descriptor: int, mtime_ns: int | None) -> None:
    if mtime_ns is not None:
        os.utime(descriptor, ns=(time.time_ns(), mtime_ns))


def _present(parent: int, last: bytes, size: int, crc32c: str) -> Present:
    found = os.lstat(last, dir_fd=parent)
    if stat.S_ISDIR(found.st_mode):
        raise InTheWay(last, "a directory")
    if not stat.S_ISREG(found.st_mode):
        raise InTheWay(last, "no regular file")
    is_whole = found.st_size == size and (not crc32c or _has_checksum(parent, last, crc32c))
    return Present(is_whole, found.st_size, found.st_atime_ns, found.st_mtime_ns)


def _has_checksum(parent: int, last: bytes, crc32c: str) -> bool:
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
