"""A directory is made for a download, claimed before anything is decided, and goes away where nothing came of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dataflux_core._data.claimed_tree import claimed_tree
from dataflux_core._data.target_tree import Place
from dataflux_core.download import DirectoryOptions, download_to_directory
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import InvalidArgument, ObjectNotFound, UnsafeName
from tests.directory.conftest import files_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Failed(Exception):
    pass


def fail_in(directory: Path, written: Sequence[str] = ()) -> None:
    def download() -> None:
        with claimed_tree(directory) as tree:
            for path in written:
                tree.write(Place(path, path), b"1")
            raise Failed

    with pytest.raises(Failed):
        download()


def test_what_was_made_goes_away_with_an_error(tmp_path: Path) -> None:
    fail_in(tmp_path / "a/b/c")
    assert not list(tmp_path.iterdir())


def test_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    fail_in(tmp_path / "a/b/c")
    assert list(tmp_path.rglob("*")) == [tmp_path / "a"]


def test_what_holds_a_file_stays(tmp_path: Path) -> None:
    fail_in(tmp_path / "a/b", written=["c"])
    assert files_of(tmp_path) == {"a/b/c": b"1"}


def test_a_download_of_nothing_makes_the_directory(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("b", Memory({}))
    assert download_to_directory("b", [], tmp_path / "a/b").written == 0
    assert (tmp_path / "a/b").is_dir()
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize(
    ("objects", "options", "error"),
    [
        pytest.param([("../a", 1)], DirectoryOptions(), UnsafeName, id="a name that is no path"),
        pytest.param([("a", 1)], DirectoryOptions(strip_prefix="b"), InvalidArgument, id="a prefix of none"),
        pytest.param([("a", 1)], DirectoryOptions(), ObjectNotFound, id="an object that is gone"),
    ],
)
def test_a_download_that_is_refused_leaves_no_directory(
    gcs: Emulator, tmp_path: Path, objects: list[tuple[str, int]], options: DirectoryOptions, error: type[Exception]
) -> None:
    gcs.create_bucket("b", Memory({}))
    with pytest.raises(error):
        download_to_directory("b", objects, tmp_path / "a/b", options=options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "link").symlink_to("gone")
    with pytest.raises(
        InvalidArgument, match=f"expected a directory, .*; {tmp_path}/link is a link that leads nowhere"
    ):
        download_to_directory("b", [("a", 1)], tmp_path / "link" / below)


KILLED_LOOKING = """
import os, signal, sys
from pathlib import Path
from dataflux_core.download import download_to_directory
true_exists = Path.exists
def exists(path):
    if path.name.startswith(".DATAFLUX"):
        os.kill(os.getpid(), signal.SIGKILL)
    return true_exists(path)
Path.exists = exists
download_to_directory("b", [("a", 1)], sys.argv[1])
"""


@pytest.mark.parametrize("target", [".", "new"])
def test_a_download_killed_as_it_looks_whether_case_is_folded_leaves_nothing_for_ever(
    gcs: Emulator, tmp_path: Path, target: str
) -> None:
    gcs.create_bucket("b", Memory({"a": b"1"}))
    killed = subprocess.run([sys.executable, "-c", KILLED_LOOKING, str(tmp_path / target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(files_of(tmp_path)) == 1
    download_to_directory("b", [("a", 1)], tmp_path / target)
    assert files_of(tmp_path / target) == {"a": b"1"}
    assert len(files_of(tmp_path)) == 1
