from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarking import _demo_tree, _story, demo
from benchmarking._story import Difference, Row, Took, table_of, watching
from dataflux_core._data.listing import Listing
from dataflux_core._wire.page import page_of
from dataflux_core.emulator import Emulator

if TYPE_CHECKING:
    from dataflux_core.emulator import Requests

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for number in range(100):
        file = root / f"folder-{number % 7}" / f"file-{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"%d," % number * number)
    return root


def test_the_demo_runs_to_its_table_and_draws_its_picture(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarking.demo", "--smoke", "--tree", str(tree), "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "list a directory of 100 files" in done.stdout
    assert (output / "listing.png").read_bytes().startswith(b"\x89PNG")


def test_a_difference_ends_the_demo_with_status_1_and_a_message(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def differ(*_: object, **__: object) -> list[Row]:
        raise Difference("the 3 bytes of a.txt differ")

    monkeypatch.setattr(demo, "show", differ)
    monkeypatch.setattr(sys, "argv", ["demo", "--tree", str(tree), "--output", str(tmp_path)])
    assert demo.main() == 1
    assert "FAILED: the 3 bytes of a.txt differ" in capsys.readouterr().err


def test_a_byte_that_differs_is_found(tree: Path) -> None:
    name = "folder-3/file-10.txt"
    content = (tree / name).read_bytes()
    listing = Listing([page_of([name], [len(content)], {})])
    _demo_tree.compare(tree, listing, iter([content]))
    with pytest.raises(Difference, match=r"of folder-3/file-10\.txt differ"):
        _demo_tree.compare(tree, listing, iter([content[:-1] + b"!"]))


def test_a_file_that_was_not_listed_is_found(tree: Path) -> None:
    names = sorted(path.relative_to(tree).as_posix() for path in _demo_tree.files_below(tree))
    _demo_tree.demand_all_listed(tree, Listing([page_of(names, [0] * len(names), {})]))
    with pytest.raises(Difference, match="was not listed"):
        _demo_tree.demand_all_listed(tree, Listing([page_of(names[1:], [0] * (len(names) - 1), {})]))


def test_the_table_gives_ratios_only_where_there_is_a_comparison() -> None:
    table = table_of([Row("alone", Took(1.0, 0.5, 3)), Row("beside", Took(2.0, 0.5, 3), Took(9.0, 4.0, 1000))])
    assert "4.5 x" in table
    assert "3 / 1,000" in table
    assert table.count(" x") == 1


def test_a_bar_follows_the_servers_counters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_story, "is_terminal", lambda: True)
    looked = threading.Event()

    def done(requests: Requests) -> int:
        looked.set()
        return requests.total

    with Emulator() as gcs, watching(gcs, "some client", 10, done):
        assert looked.wait(60)
    assert "some client" in capsys.readouterr().err
