"""Write a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core.errors import DatafluxError, FileNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a path to write to; what is written takes the place of `path` only when all went well.

    That holds however the process ends. Nothing is forced to disk, so a power loss may still spoil a new file.
    A pipe or a device, such as /dev/stdout, is written to itself: a file must not take its place. Nor must one take
    the place of a symbolic link, so the file that it leads to is replaced.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    aside = path.with_name(f".dataflux-{secrets.token_hex(8)}.part")
    try:
        _create(aside, path)
        yield aside
        aside.replace(path)
    except BaseException:  # an interruption may come between any two steps, so all of them stand in here
        with suppress(OSError):  # as when it could not be created
            aside.unlink()
        raise


def _create(aside: Path, path: Path) -> None:
    """Create the file where there is none, so that the caller's umask decides who may read it."""
    try:
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # of the path that the caller knows


@contextmanager
def listing_file(path: str | Path, what: str = "the listing") -> Iterator[Path]:
    """Give a path to write `what` to, which then stands at `path` whole or not at all; raises FileNotWritten."""
    try:
        with written_aside(Path(path)) as aside:
            yield aside
    except DatafluxError:
        raise  # the listing's own, some of which are an OSError too
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise FileNotWritten(what, str(path), reason) from error
