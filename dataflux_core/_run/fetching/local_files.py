"""Read files of this machine."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._wire.objects import crc32c_number
from dataflux_core.errors import DatafluxError, FileNotRead, ObjectChanged

if TYPE_CHECKING:
    from dataflux_core._run.reading.direct import Part

_KINDS = (
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
)
_AHEAD = 1  # byte more than there should be, to notice a file that grows


def read_file(path: str, *, size: int, crc32c: str, max_bytes: int) -> Part:
    """Return the bytes of a regular file, or the error about it; `size` where known, `max_bytes` where not."""
    try:
        with open(path, "rb", opener=_opened) as file:
            status = os.fstat(file.fileno())
            problem = _problem(path, status, size, max_bytes)
            content = b"" if problem else file.read(status.st_size + _AHEAD)
    except OSError as error:
        return FileNotRead(_shown(path), _reason(error))
    except ValueError as error:  # a name that no file can have
        return FileNotRead(_shown(path), str(error))
    return problem or _changed(path, content, status.st_size, crc32c) or content


def _opened(path: str, flags: int) -> int:
    # What is no file must not keep its reader waiting: a pipe without a writer would.
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _problem(path: str, status: os.stat_result, size: int, max_bytes: int) -> DatafluxError | None:
    """Say why a file that is open is not read."""
    if not stat.S_ISREG(status.st_mode):
        return FileNotRead(_shown(path), _kind_of(status.st_mode))
    if size == UNKNOWN_SIZE and status.st_size > max_bytes:
        return FileNotRead(_shown(path), f"it has {status.st_size} bytes, at most {max_bytes} are read")
    if size not in (UNKNOWN_SIZE, status.st_size):
        return ObjectChanged(_shown(path), size, status.st_size)
    return None


def _changed(path: str, content: bytes, size: int, crc32c: str) -> DatafluxError | None:
    if len(content) != size:
        return ObjectChanged(_shown(path), size, len(content))
    if crc32c and (found := google_crc32c.value(content)) != crc32c_number(crc32c):
        return ObjectChanged(_shown(path), crc32c_number(crc32c), found, "crc32c")
    return None


def _kind_of(mode: int) -> str:
    return next((said for is_kind, said in _KINDS if is_kind(mode)), "it is a device")


def _reason(error: OSError) -> str:
    # ENXIO: a socket, or a device that is not there
    return "it is no file" if error.errno == errno.ENXIO else (error.strerror or repr(error))


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()
