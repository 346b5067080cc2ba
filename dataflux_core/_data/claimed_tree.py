"""Open a directory for one download to write below."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from dataflux_core._data.directory_errors import TARGET, blamed
from dataflux_core._data.target_tree import TargetTree
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def claimed_tree(directory: Path) -> Iterator[TargetTree]:
    """Give the tree of a directory, made where it is missing, cleared of what killed downloads have left there.

    An error or an interruption inside removes what was made here, unless something lies in it by then. Raises
    InvalidArgument, FileNotWritten.
    """
    with ExitStack() as undoing:
        with blamed(TARGET, directory):
            check_target(directory)
            _make(directory, undoing)
        with TargetTree(directory) as tree:
            tree.claim()
            yield tree
        undoing.pop_all()


def check_target(directory: Path) -> None:
    """Refuse what is no directory, nor a path where one can be made; raises InvalidArgument, OSError."""
    expected = "a directory, or a path where one can be made"
    if directory.exists():
        if not directory.is_dir():
            raise InvalidArgument("directory", str(directory), expected)
        return
    for path in (directory, *directory.parents):
        if path.is_symlink() and not path.exists():
            raise InvalidArgument("directory", str(directory), f"{expected}; {path} is a link that leads nowhere")


def _make(directory: Path, undoing: ExitStack) -> None:
    missing = takewhile(lambda path: not path.exists(), (directory, *directory.parents))
    for path in reversed(list(missing)):
        path.mkdir(exist_ok=True)
        undoing.callback(_remove_empty, path)


def _remove_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()
