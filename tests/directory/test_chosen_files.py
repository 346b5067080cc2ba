"""Globs choose among the names below the prefix, before anything else is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.download import DirectoryOptions, download_to_directory
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import InvalidArgument
from tests.directory.conftest import files_of

if TYPE_CHECKING:
    from pathlib import Path

OBJECTS = {"p/a.jpg": b"1", "p/b.png": b"22", "p/d/c.jpg": b"333", "p/d//odd.jpg": b"4444"}
PAIRS = [(name, len(content)) for name, content in OBJECTS.items()]


@pytest.fixture(autouse=True)
def _bucket(gcs: Emulator) -> None:
    gcs.create_bucket("b", Memory(OBJECTS))
    gcs.reset_requests()


def test_names_are_matched_without_the_prefix(gcs: Emulator, tmp_path: Path) -> None:
    options = DirectoryOptions(strip_prefix="p/", include=["*.jpg", "d/*"], exclude=["b*"], strategy="direct")
    done = download_to_directory("b", PAIRS, tmp_path, options=options)
    assert files_of(tmp_path) == {"a.jpg": b"1", "d/c.jpg": b"333"}
    assert (done.written, done.left_out, done.unmatched) == (2, 2, ())
    assert gcs.requests().counts == {"read": 2}


def test_a_name_that_is_not_wanted_cannot_be_unsafe(tmp_path: Path) -> None:
    options = DirectoryOptions(exclude=["**//**"])
    done = download_to_directory("b", PAIRS, tmp_path, options=options)
    assert (done.written, done.skipped) == (3, ())


def test_a_glob_that_includes_nothing_is_told(tmp_path: Path) -> None:
    options = DirectoryOptions(include=["*.jpg", "p/*.jpg"])
    done = download_to_directory("b", PAIRS, tmp_path, options=options)
    assert (done.written, done.unmatched) == (1, ("*.jpg",))


@pytest.mark.parametrize("argument", ["include", "exclude"])
@pytest.mark.parametrize("globs", ["*.jpg", ["[", "a"], [1]], ids=["a text", "a set never closed", "a number"])
def test_globs_that_cannot_be_meant_are_refused(tmp_path: Path, argument: str, globs: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"{argument}="):
        download_to_directory("b", PAIRS, tmp_path / "new", options=DirectoryOptions(**{argument: globs}))
    assert not (tmp_path / "new").exists()
