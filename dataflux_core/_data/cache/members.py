"""Know which of the processes that use a cache are alive."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from dataflux_core._data.cache.place import LIVE, lock_file

if TYPE_CHECKING:
    from pathlib import Path

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_THERE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def join(root: int, folder: Path) -> tuple[str, int]:
    """Make a file that is locked while this process lives; return its token with its descriptor.

    The system unlocks it however the process ends, and a process number that another has by now deceives nobody.
    """
    while True:
        token = secrets.token_hex(8)
        descriptor = os.open(f"{LIVE}/{token}", _NEW, 0o600, dir_fd=root)
        try:
            lock_file(descriptor, folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return token, descriptor
        except BlockingIOError:
            pass  # another process looked at it just now, and may take it for a dead one's
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def is_alive(root: int, token: str) -> bool:
    """Tell whether the process that joined with this token still runs."""
    try:
        descriptor = os.open(f"{LIVE}/{token}", _THERE, dir_fd=root)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # what cannot be told is left alone
    try:
        # Shared, so that two who look at once do not take each other for its owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def leave(root: int, token: str, descriptor: int) -> None:
    """Remove the file, then unlock it."""
    remove_traces(root, token)
    os.close(descriptor)


def remove_traces(root: int, token: str) -> None:
    """Remove the file of a process that is gone, with the bells that it hung up."""
    with suppress(OSError):
        for name in _names(root):
            if name.partition("-")[0] == token:
                os.unlink(f"{LIVE}/{name}", dir_fd=root)


def tokens(root: int) -> set[str]:
    """Return the token of every file there."""
    with suppress(FileNotFoundError):  # somebody has tidied up
        return {name.partition("-")[0] for name in _names(root)}
    return set()


def _names(root: int) -> list[str]:
    descriptor = os.open(LIVE, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    try:
        return os.listdir(descriptor)  # noqa: PTH208 - of an open directory
    finally:
        os.close(descriptor)
