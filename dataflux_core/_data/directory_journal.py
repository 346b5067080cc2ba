"""Know which directories a process that was killed has left files in."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from dataflux_core._plan.own_files import is_aside, lock_name, token_of_lock
from dataflux_core._plan.paths import MAX_PATH_BYTES, flaw_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_THERE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FIRST_LINE = b"dataflux: which directories below hold files that are not whole; removed in the end\n"
_BELOW = b"./"
_MAX_LINE_BYTES = MAX_PATH_BYTES + len(_BELOW) + len(b"\n")
_MAX_BYTES = 256 * 1024**2  # read of a file that may be anybody's: some millions of directories


class Journal:
    """The directories in which this process makes files beside their places, on disk while it lives.

    Its file lies in the root, is locked, and lists a directory before anything is made there. The system unlocks it
    when the process ends, however, so whoever can lock it may remove what it lists. Where a file system knows no
    locks nobody can, so what is left stays.
    """

    def __init__(self, root: int) -> None:
        """Make the file in `root`, an open directory; raises OSError."""
        _let_go_in_children()
        self.token, self._descriptor = _locked(root)
        self._root = root
        self._noted: set[str] = set()  # where names come in no order, directories come again and again
        _open_ones.add(self)
        try:
            os.write(self._descriptor, _FIRST_LINE)
        except BaseException:
            self.close()
            raise

    def note(self, directory: str) -> None:
        """List a directory, relative to the root; any thread may, twice does no harm."""
        if directory not in self._noted:
            os.write(self._descriptor, f"./{directory}\n".encode())
            self._noted.add(directory)

    def close(self) -> None:
        """Remove the file: all that was made is in its place or gone."""
        if self._descriptor < 0:
            return  # in a forked child, whose parent is at work
        with suppress(OSError):
            os.unlink(lock_name(self.token), dir_fd=self._root)
        self.let_go()

    def let_go(self) -> None:
        """Close the file, which stays: its lock ends with the last process that has it open."""
        descriptor, self._descriptor = self._descriptor, -1
        _open_ones.discard(self)
        os.close(descriptor)


_open_ones: set[Journal] = set()
_hooks = 0


def _let_go_in_children() -> None:
    """Have each child that is forked from now on let go of its parent's locks, which would outlive the parent."""
    global _hooks  # noqa: PLW0603 - one per process, by nature
    if not _hooks:
        _hooks = 1
        os.register_at_fork(after_in_child=_let_go_of_all)


def _let_go_of_all() -> None:
    for journal in list(_open_ones):
        journal.let_go()


def remove_leftovers(root: int, enter: Callable[[str], int]) -> None:
    """Remove what processes that are dead have left below `root`; what cannot be removed stays.

    `enter` opens a directory relative to the root, following no link.
    """
    with os.scandir(root) as entries:
        found = [token for entry in entries if (token := token_of_lock(entry.name))]
    for token in found:
        with suppress(OSError):  # it went meanwhile, or is another user's
            _remove_left_by(root, token, enter)


def _locked(root: int) -> tuple[str, int]:
    """Make a file that nobody else can lock."""
    while True:
        token = secrets.token_hex(8)
        descriptor = os.open(lock_name(token), _NEW, 0o666, dir_fd=root)
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
    descriptor = os.open(lock_name(token), _THERE, dir_fd=root)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not _lock(descriptor) or not os.fstat(descriptor).st_nlink:
            return
        directories = _noted(descriptor) if found.st_size <= _MAX_BYTES else None
        if directories is None:
            return
        files = sum(_remove_from(directory, token, enter) for directory in directories)
        os.unlink(lock_name(token), dir_fd=root)
        log.info("download.leftovers removed=%d", files)
    finally:
        os.close(descriptor)


def _noted(descriptor: int) -> Sequence[str] | None:
    """Return each directory that a journal lists, None where a line of it is none that a journal has.

    Whoever wrote such a line, it was no download, so nothing it says is done. The last line may be cut off.
    """
    noted: dict[str, None] = {}
    with os.fdopen(descriptor, "rb", closefd=False) as lines:
        first = lines.readline(len(_FIRST_LINE))
        if not _FIRST_LINE.startswith(first):
            return None
        while (line := lines.readline(_MAX_LINE_BYTES)).endswith(b"\n"):
            directory = _directory_of(line)
            if directory is None:
                return None
            noted[directory] = None
    return None if len(line) == _MAX_LINE_BYTES else list(noted)


def _directory_of(line: bytes) -> str | None:
    """Return the path below the root that a whole line holds, None where it holds none."""
    try:
        below, directory = line[: len(_BELOW)], line[len(_BELOW) : -1].decode()
    except UnicodeDecodeError:
        return None
    if below != _BELOW or (directory and flaw_of(f"{directory}/file")):
        return None
    return directory


def _remove_from(directory: str, token: str, enter: Callable[[str], int]) -> int:
    try:
        descriptor = enter(directory)
    except OSError:
        return 0  # it is gone
    try:
        with os.scandir(descriptor) as entries:
            left = [entry.name for entry in entries if is_aside(entry.name, token)]
        for name in left:
            os.unlink(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)
    return len(left)
