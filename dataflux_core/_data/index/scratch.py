"""Hold copies on disk for as long as an index needs them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._data.aside import listing_file
from dataflux_core.errors import FileNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "dataflux-index-"
_LOCK = "lock"
_LOOK_S = 0.05


class Scratch:
    """A directory of our own, made when it is first needed; it goes away with this object, at the latest at exit.

    Other processes may read what is in it for as long as its maker holds it; what they have mapped stays theirs.
    A process that was killed leaves its directory behind, which the next one that needs such a place removes.
    """

    def __init__(self, parent: str = "") -> None:
        self._parent = parent
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        if self._path is None:
            self._path = self._made()
        return self._path

    def _made(self) -> Path:
        try:
            parent = Path(self._parent or tempfile.gettempdir()).absolute()
            parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(parent)
            made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))
            descriptor = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # let go when the last process that inherits it ends
            path = made.rename(parent / made.name[1:])  # once it is locked: else it would look abandoned
        except OSError as error:
            raise FileNotWritten("the index", self._parent or "a temporary directory", str(error)) from error
        weakref.finalize(self, _remove, path, descriptor, os.getpid())
        return path


def _remove(path: Path, descriptor: int, maker: int) -> None:
    if os.getpid() == maker:  # a fork has inherited this call
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    """Remove what processes of this user left that were killed: nobody holds their locks any more."""
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), locked(lock) as is_ours:
            if is_ours and lock.stat().st_uid == os.getuid():
                shutil.rmtree(lock.parent, ignore_errors=True)


@contextmanager
def locked(path: Path, *, wait_s: float = 0.0) -> Iterator[bool]:
    """Tell whether nobody else has this file locked any more, which is locked then until the context is left."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        deadline_s = time.monotonic() + wait_s
        while not (is_ours := _lock(descriptor)) and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)  # flock itself knows no time limit
        yield is_ours
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a path to write to; what is written stands at `path` whole or not at all; raises FileNotWritten."""
    with listing_file(path, "the index") as aside:
        yield aside
