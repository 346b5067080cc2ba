"""Write, read, remove the files of a cache."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_THERE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ObjectFiles:
    """The files below an open directory, by names relative to it."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._known: set[str] = set()  # directories that are no links

    def write(self, name: str, content: bytes) -> None:
        """Write a file that is not there yet; raises OSError, with nothing left of it.

        It needs no other name first: only the ledger says which files are whole. Nor is it forced to disk: what a
        power failure spoils does not have its checksum.
        """
        descriptor = self._new(name)
        try:
            written = os.write(descriptor, content)
            while written < len(content):
                written += os.write(descriptor, memoryview(content)[written:])
        except BaseException:
            os.close(descriptor)
            self.remove(name)
            raise
        os.close(descriptor)

    def read(self, name: str, size: int) -> bytes | None:
        """Read a file, None where it is gone or of another size."""
        try:
            descriptor = os.open(name, _THERE, dir_fd=self._root)
        except OSError:
            return None
        try:
            content = os.read(descriptor, size + 1)
            if len(content) < size:
                content = _rest(descriptor, content, size)
        except OSError:
            return None  # the disk cannot read it
        finally:
            os.close(descriptor)
        return content if len(content) == size else None

    def remove(self, name: str) -> None:
        """Remove a file, if it is there; raises OSError where it stays."""
        try:
            self._check_parents(name, create=False)
            os.unlink(name, dir_fd=self._root)
        except (FileNotFoundError, NotADirectoryError):
            return

    def is_there(self, name: str) -> bool:
        """Tell whether there is such a file, however large."""
        try:
            return stat.S_ISREG(os.lstat(name, dir_fd=self._root).st_mode)
        except OSError:
            return False

    def _new(self, name: str) -> int:
        self._check_parents(name, create=True)
        try:
            return os.open(name, _NEW, 0o600, dir_fd=self._root)
        except FileNotFoundError:  # the directory was there before; whoever cleared the cache has removed it
            self._known.clear()
            self._check_parents(name, create=True)
            return os.open(name, _NEW, 0o600, dir_fd=self._root)

    def _check_parents(self, name: str, *, create: bool) -> None:
        """Raise NotADirectoryError where the way to a file leads elsewhere."""
        inner = name.rpartition("/")[0]
        if inner in self._known:
            return
        for directory in (inner.rpartition("/")[0], inner):
            if create:
                with suppress(FileExistsError):
                    os.mkdir(directory, 0o700, dir_fd=self._root)
            if not stat.S_ISDIR(os.lstat(directory, dir_fd=self._root).st_mode):
                raise NotADirectoryError(directory)
        self._known.add(inner)


def _rest(descriptor: int, content: bytes, size: int) -> bytes:
    """Read on: one call gives two gigabytes at most."""
    pieces, length = [content], len(content)
    while length <= size and pieces[-1]:
        pieces.append(os.read(descriptor, size + 1 - length))
        length += len(pieces[-1])
    return b"".join(pieces)
