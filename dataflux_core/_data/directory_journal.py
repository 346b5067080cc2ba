"""Know which directories a process that was killed has left files in."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_THERE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK_NAME = re.compile(r"\.dataflux-([0-9a-f]{16})\.lock")
_FIRST_LINE = b"dataflux: which directories below hold files that are not whole; removed in the end\n"


class Journal:
    """The directories in which this process makes files beside their places, on disk while it lives.

    Its file lies in the root, is locked, and lists a directory before anything is made there. The system unlocks it
    when the process ends, however, so whoever can lock it may remove what it lists. Where a file system knows no
    locks nobody can, so what is left stays.
    """

    def __init__(self, root: int) -> None:
        """Make the file in `root`, an open directory; raises OSError."""
        self.token, self._descriptor = _locked(root)
        self._root = root
        try:
            os.write(self._descriptor, _FIRST_LINE)
        except BaseException:
            self.close()
            raise

    def note(self, directory: str) -> None:
        """List a directory, relative to the root; any thread may, twice does no harm."""
        os.write(self._descriptor, f"./{directory}\n".encode())

    def close(self) -> None:
        """Remove the file: all that was made is in its place or gone."""
        with suppress(OSError):
            os.unlink(_lock_name(self.token), dir_fd=self._root)
        os.close(self._descriptor)


def aside_name(token: str, number: int) -> str:
    """Name a file that is not whole."""
    return f".dataflux-{token}-{number}.part"


def remove_leftovers(root: int, enter: Callable[[str], int]) -> None:
    """Remove what processes that are dead have left below `root`; what cannot be removed stays.

    `enter` opens a directory relative to the root, following no link.
    """
    with os.scandir(root) as entries:
        found = [match for entry in entries if (match := _LOCK_NAME.fullmatch(entry.name))]
    for match in found:
        with suppress(OSError):  # it went meanwhile, or is another user's
            _remove_left_by(root, match.group(1), enter)


def _lock_name(token: str) -> str:
    return f".dataflux-{token}.lock"


def _locked(root: int) -> tuple[str, int]:
    """Make a file that nobody else can lock."""
    while True:
        token = secrets.token_hex(8)
        descriptor = os.open(_lock_name(token), _NEW, 0o666, dir_fd=root)
        # Another process may have locked it by now, which takes it for a dead one's: then this one has lost it.
        if _lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return token, descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Tell whether the file is locked now: False where another process has done so, None where nobody can."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_left_by(root: int, token: str, enter: Callable[[str], int]) -> None:
    descriptor = os.open(_lock_name(token), _THERE, dir_fd=root)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not _lock(descriptor) or not os.fstat(descriptor).st_nlink:
            return
        content = os.pread(descriptor, found.st_size, 0)
        if not _FIRST_LINE.startswith(content[: len(_FIRST_LINE)]):
            return  # a user's own
        files = sum(_remove_from(directory, token, enter) for directory in _directories(content))
        os.unlink(_lock_name(token), dir_fd=root)
        log.info("download.leftovers removed=%d", files)
    finally:
        os.close(descriptor)


def _directories(content: bytes) -> Iterator[str]:
    """Yield each directory below that was listed; the last line may be cut off."""
    lines = content[len(_FIRST_LINE) :].split(b"\n")[:-1]
    for line in dict.fromkeys(lines):
        directory = line.decode(errors="replace").removeprefix("./")
        if ".." not in directory.split("/"):  # none of ours is above
            yield directory


def _remove_from(directory: str, token: str, enter: Callable[[str], int]) -> int:
    try:
        descriptor = enter(directory)
    except OSError:
        return 0  # it is gone
    try:
        with os.scandir(descriptor) as entries:
            left = [entry.name for entry in entries if entry.name.startswith(f".dataflux-{token}-")]
        for name in left:
            os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return len(left)
