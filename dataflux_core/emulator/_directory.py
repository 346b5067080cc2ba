"""Serve the files below a directory as objects."""

from __future__ import annotations

import hashlib
import mimetypes
import os
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import FileSpan
from dataflux_core.emulator._names import name_fault
from dataflux_core.emulator._objects import StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core.emulator._http import Pieces

CHUNK_BYTES = 256 << 10  # a smaller part of a file is read at once
REMEMBERED = 65_536  # checksums


class FileContent:
    """Bytes of one state of a file."""

    __slots__ = ("_path", "_size", "_state")

    def __init__(self, path: bytes, state: os.stat_result) -> None:
        self._path = path
        self._size = state.st_size
        self._state = (state.st_mtime_ns, state.st_size)

    def span(self, start: int, stop: int) -> Pieces | FileSpan:
        descriptor = _open(self._path)
        try:
            if stop - start > CHUNK_BYTES:
                return FileSpan(self._path, start, stop)
            return (os.pread(descriptor, stop - start, start),)
        finally:
            os.close(descriptor)

    def pieces(self) -> Pieces:
        return (self.read(),)

    def read(self) -> bytes:
        descriptor = _open(self._path)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(self._size)

    def crc32c(self) -> int:
        return _digests(self._path, self._state)[0]

    def md5(self) -> bytes | None:
        return _digests(self._path, self._state)[1]


@lru_cache(maxsize=REMEMBERED)
def _digests(path: bytes, state: tuple[int, int]) -> tuple[int, bytes]:
    """Compute the checksums of a file in one pass; the state makes a changed file another key."""
    del state
    checksum = 0
    digest = hashlib.md5(usedforsecurity=False)
    with os.fdopen(_open(path), "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            checksum = google_crc32c.extend(checksum, chunk)
            digest.update(chunk)
    return checksum, digest.digest()


def _open(path: bytes) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise ApiError(403, f"The emulator may not read {os.fsdecode(path)}.") from error
    except OSError as error:
        raise ApiError(404, f"The file is gone: {os.fsdecode(path)}.") from error


def _stored(name: str, path: bytes, state: os.stat_result) -> StoredObject:
    kind, encoding = mimetypes.guess_type(name, strict=False)
    modified_us = state.st_mtime_ns // 1000
    return StoredObject(
        name=name,
        size=state.st_size,
        generation=state.st_mtime_ns + state.st_size,
        content=FileContent(path, state),
        created_us=modified_us,
        updated_us=modified_us,
        # A .gz file is what it is: as `gsutil cp` uploads it, without a content encoding.
        settings={"contentType": kind} if kind and not encoding else {},
    )


class Files:
    """The files below a root, found by walking once; a file that changes later shows its new bytes when read.

    A listing stays that of the walk: looking at 5000 files again takes longer than all else about a page. Links are
    followed to files below the root, never to a directory or out of it. What has no legal object name is skipped.
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(os.fsencode(root))
        self._inside = self._root.rstrip(b"/") + b"/"
        self._index: list[str] | None = None
        self._listed: dict[str, StoredObject] = {}
        self.skipped = 0

    @property
    def columns(self) -> None:
        """Files differ in too much to be written by columns."""
        return

    def get(self, name: str) -> StoredObject | None:
        """Find an object as the file is now."""
        self._names()
        listed = self._listed.get(name)
        if listed is None:
            return None
        path = os.path.realpath(self._inside + name.encode())
        # Links may have changed since the walk.
        if not path.startswith(self._inside):
            return None
        try:
            state = os.stat(path)  # noqa: PTH116 - names are bytes, which Path does not take
        except PermissionError as error:
            raise ApiError(403, f"The emulator may not read {name}.") from error
        except OSError:
            return None
        found = _stored(name, path, state)
        # The listed one has its headers ready.
        return listed if listed.generation == found.generation else found

    def listed(self, name: str) -> StoredObject | None:
        self._names()
        return self._listed.get(name)

    def take(self, start: str, end: str | None, limit: int) -> list[str]:
        names = self._names()
        first = bisect_left(names, start)
        last = first + limit
        if end is not None:
            last = min(last, bisect_left(names, end))
        return names[first:last]

    def _names(self) -> list[str]:
        if self._index is None:
            self._listed = dict(self._walk(self._root, ""))
            self._index = sorted(self._listed)
        return self._index

    def _walk(self, directory: bytes, prefix: str) -> Iterator[tuple[str, StoredObject]]:
        waiting = [(directory, prefix)]
        while waiting:
            directory, prefix = waiting.pop()
            try:
                with os.scandir(directory) as entries:
                    found = list(entries)
            except PermissionError:
                self.skipped += 1
                continue
            for entry in found:
                name = self._legal(prefix, entry)
                if name is None:
                    self.skipped += 1
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, name + "/"))
                elif (state := self._state(entry)) is not None:
                    yield name, _stored(name, os.path.realpath(entry.path), state)

    def _state(self, entry: os.DirEntry[bytes]) -> os.stat_result | None:
        try:
            return entry.stat()
        except OSError:
            self.skipped += 1
            return None

    def _legal(self, prefix: str, entry: os.DirEntry[bytes]) -> str | None:
        try:
            name = prefix + entry.name.decode()
        except UnicodeDecodeError:
            return None
        if name_fault(name) is not None:
            return None
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if not target.startswith(self._inside) or not os.path.isfile(target):  # noqa: PTH113 - bytes
                return None
        elif not entry.is_dir(follow_symlinks=False) and not entry.is_file(follow_symlinks=False):
            return None
        return name
