"""Names that differ by case alone are told apart by the file system that they go to."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflux_core._data.directory import directory_plan
from dataflux_core.download import DirectoryOptions, download_to_directory
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import UnsafeName
from tests.directory.conftest import files_of

TWINS = {"a": b"small", "A": b"capital"}
PAIRS = [(name, len(content)) for name, content in TWINS.items()]


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a directory whose own file system folds case, where that of its parent does not."""
    target = tmp_path / "mounted"
    target.mkdir()
    true_exists = Path.exists

    def exists(path: Path) -> bool:
        if target not in path.parents or not true_exists(path.parent):
            return true_exists(path)
        return path.name.casefold() in {entry.name.casefold() for entry in path.parent.iterdir()}

    monkeypatch.setattr(Path, "exists", exists)
    monkeypatch.setattr(Path, "samefile", lambda one, other: one.name.casefold() == Path(other).name.casefold())
    return target


def test_a_mounted_file_system_that_folds_case_is_found_before_anything_is_fetched(
    gcs: Emulator, mounted: Path
) -> None:
    gcs.reset_requests()
    with pytest.raises(UnsafeName, match="has the same path"):
        download_to_directory("b", PAIRS, mounted)
    assert files_of(mounted) == {}
    assert gcs.requests().counts == {}


def test_a_directory_still_to_be_made_is_of_the_file_system_above_it(mounted: Path) -> None:
    with pytest.raises(UnsafeName, match="has the same path"):
        download_to_directory("b", PAIRS, mounted / "new" / "target")
    assert list(mounted.iterdir()) == []


def test_a_plan_that_writes_nothing_tells_by_a_name_inside(mounted: Path) -> None:
    (mounted / "1").touch()
    (mounted / "readme").touch()
    with pytest.raises(UnsafeName, match="has the same path"):
        directory_plan(PAIRS, mounted, DirectoryOptions())


@pytest.mark.parametrize("target", ["target", "target/new"])
def test_a_link_of_the_other_case_beside_the_target_is_no_folding(gcs: Emulator, tmp_path: Path, target: str) -> None:
    gcs.create_bucket("b", Memory(TWINS))
    (tmp_path / "target").mkdir()
    (tmp_path / "TARGET").symlink_to("target")
    download_to_directory("b", PAIRS, tmp_path / target)
    assert files_of(tmp_path / target) == TWINS


def test_where_nothing_may_be_written_what_is_there_is_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in TWINS.items():
        (tmp_path / name).write_bytes(content)

    def refuse(root: int) -> None:
        del root
        raise PermissionError(13, "Read-only file system")

    monkeypatch.setattr("dataflux_core._data.target_tree.Journal", refuse)
    assert download_to_directory("b", PAIRS, tmp_path).present == 2
