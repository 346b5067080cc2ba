"""What an interruption leaves of a file goes away with the tree."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._data.target_tree import Place, TargetTree
from dataflux_core.errors import FileNotWritten
from tests.directory.conftest import files_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Interrupted(BaseException):
    pass


def interrupt_after(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first such call for a file beside its place be done, then interrupt before its result is looked at."""

    def interrupted(path: Any, *arguments: Any, **options: Any) -> Any:
        result = call(path, *arguments, **options)
        if str(path).startswith(".dataflux-"):
            monkeypatch.undo()
            raise Interrupted
        return result

    monkeypatch.setattr(os, call.__name__, interrupted)


def write_interrupted(directory: Path) -> None:
    with TargetTree(directory) as tree:
        tree.write(Place("a/b", "a/b"), b"content")


def create_interrupted(directory: Path) -> None:
    with TargetTree(directory) as tree:
        file = tree.create(Place("a/b", "a/b"))
        file.write_at(0, b"content")
        file.commit()


@pytest.mark.parametrize("written", [write_interrupted, create_interrupted], ids=["at once", "in pieces"])
@pytest.mark.parametrize(
    ("call", "left"),
    [
        pytest.param(os.open, {}, id="a file that was just made"),
        pytest.param(os.rename, {"a/b": b"content"}, id="a file that was just put in its place"),
    ],
)
def test_an_interruption_leaves_whole_files_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., Any],
    left: dict[str, bytes],
    written: Callable[[Path], None],
) -> None:
    interrupt_after(call, monkeypatch)
    with pytest.raises(Interrupted):
        written(tmp_path)
    assert files_of(tmp_path) == left


def test_leaving_the_tree_removes_what_was_never_finished(tmp_path: Path) -> None:
    gc.collect()  # what earlier tests have left
    before = len(list(Path("/proc/self/fd").iterdir()))
    with TargetTree(tmp_path) as tree:
        tree.create(Place("a", "a")).write_at(0, b"half")
        assert list(files_of(tmp_path).values()) == [b"half"]
    assert files_of(tmp_path) == {}
    assert len(list(Path("/proc/self/fd").iterdir())) <= before  # those of tests before may be closed meanwhile


def test_a_directory_that_is_removed_meanwhile_is_named(tmp_path: Path) -> None:
    with TargetTree(tmp_path) as tree:
        tree.write(Place("d/a", "d/a"), b"1")
        shutil.rmtree(tmp_path / "d")
        with pytest.raises(FileNotWritten, match="d/b: cannot write .*; a directory was removed meanwhile: call again"):
            tree.write(Place("d/b", "d/b"), b"2")
    assert files_of(tmp_path) == {}
