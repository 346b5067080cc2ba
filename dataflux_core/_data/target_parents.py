"""Keep directories open that files are written to."""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Of each thread, the first opened is closed for another one: names come in order, so that few directories are written
# to at a time. A process may have as few as 256 files open, half of them connections.
_MOST = 8


class InTheWay(OSError):
    """Something else has the place of a file or directory."""

    def __init__(self, component: bytes, kind: str) -> None:
        super().__init__(f"{component.decode(errors='replace')!r} is {kind}; move it away or choose another directory")


class Parents:
    """The directories below a root that were opened last, each taken a step at a time, over no symbolic link.

    A link is refused even where it leads back inside: two names would share a file. Each thread has its own, so that
    none is closed while another thread is at work in it.
    """

    def __init__(self, root: int, made: Callable[[str], None]) -> None:
        self._root = root
        self._made = made  # told before anything is made in a directory
        self._mine = threading.local()
        self._all: list[dict[str, int]] = []

    def find(self, directory: str) -> int:
        """Return the open directory, which stays the tree's; raises OSError where it is not there."""
        return self._opened(directory, make=False) if directory else self._root

    def make(self, directory: str) -> int:
        """Return the open directory, made where it is missing; raises OSError."""
        return self._opened(directory, make=True)

    def close(self) -> None:
        """Close all, when no thread is at work any more."""
        for opened in self._all:
            while opened:
                os.close(opened.popitem()[1])

    def enter(self, directory: str) -> int:
        """Open a directory for the caller to close; raises OSError where it is not there."""
        return self._walk(directory, make=False)

    def _opened(self, directory: str, *, make: bool) -> int:
        opened = self._of_this_thread(make=make)
        descriptor = opened.get(directory)
        if descriptor is not None:
            return descriptor
        descriptor = self._walk(directory, make=make)
        if make:
            try:
                self._made(directory)
            except BaseException:
                os.close(descriptor)
                raise
        if len(opened) >= _MOST:
            os.close(opened.pop(next(iter(opened))))
        opened[directory] = descriptor
        return descriptor

    def _of_this_thread(self, *, make: bool) -> dict[str, int]:
        attribute = "made" if make else "found"
        opened: dict[str, int] | None = getattr(self._mine, attribute, None)
        if opened is None:
            opened = {}
            setattr(self._mine, attribute, opened)
            self._all.append(opened)
        return opened

    def _walk(self, directory: str, *, make: bool) -> int:
        descriptor = os.dup(self._root)
        for component in directory.encode().split(b"/") if directory else ():
            try:
                child = _step(component, descriptor, make=make)
            finally:
                os.close(descriptor)
            descriptor = child
        return descriptor


def _step(component: bytes, parent: int, *, make: bool) -> int:
    try:
        return os.open(component, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            is_link = stat.S_ISLNK(os.lstat(component, dir_fd=parent).st_mode)
            raise InTheWay(
                component, "a symbolic link, which is not followed" if is_link else "no directory"
            ) from error
        raise
    with suppress(FileExistsError):
        os.mkdir(component, dir_fd=parent)
    return os.open(component, _DIRECTORY, dir_fd=parent)
