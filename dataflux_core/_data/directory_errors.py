"""Say why a file cannot be written, with the next step."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dataflux_core.errors import FileNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TARGET = "the target directory"  # in place of an object's name
_ELSEWHERE = "choose another directory"
_NO_PLACE = f"no directory can be made there: {_ELSEWHERE}"
_ADVICE = {
    errno.ENOSPC: "make room there, then call again",
    errno.EDQUOT: "make room within your quota, then call again",
    errno.EACCES: f"ask for the permission to write there, or {_ELSEWHERE}",
    errno.EPERM: f"ask for the permission to write there, or {_ELSEWHERE}",
    errno.EROFS: _ELSEWHERE,
    errno.ENAMETOOLONG: "choose a directory with a shorter path, or a file system that takes longer names",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or choose fewer requests at once",
    errno.ENFILE: "too many files are open on this machine: end other programs, then call again",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or choose a file system that takes such files",
    errno.EINVAL: "this file system takes no such name: choose another",
    errno.EILSEQ: "this file system takes no such name: choose another",
    errno.ENOENT: "a directory was removed meanwhile: call again",
    errno.EISDIR: "a directory has come to be there: move it away, then call again",
    errno.ENOTDIR: f"move away what is no directory, or {_ELSEWHERE}",
    errno.EIO: "look after the disk, then call again",
    errno.ESTALE: "the file system was mounted anew: call again",
}


def not_written(name: str, path: Path | str, error: OSError) -> FileNotWritten:
    """Make the error to raise from a system's own."""
    reason = error.strerror or str(error)
    number = error.errno or 0
    # Of what is written below it ENOENT means another thing: there was a directory, which is gone.
    advice = _NO_PLACE if (name, number) == (TARGET, errno.ENOENT) else _ADVICE.get(number)
    return FileNotWritten(name, str(path), f"{reason}; {advice}" if advice else reason)


@contextmanager
def blamed(name: str, path: Path) -> Iterator[None]:
    """Raise FileNotWritten in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise not_written(name, path, error) from error
