"""`dataflux download` makes files of objects."""

from __future__ import annotations

import re
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Latency
from dataflux_core.fast_list import ListingController
from tests.cli.conftest import CONTROL, OBJECTS, asked
from tests.cli.terminal import TIMEOUT_S, at_terminal, dataflux, dataflux_process, seen_at_terminal
from tests.directory.conftest import files_of
from tests.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

DOWNLOADED = {name: content for name, content in OBJECTS.items() if name in {"a.txt", "d/b", "d/e/c", "é/✓"}}


def test_every_object_becomes_a_file_then_none_is_fetched_again(gcs: Emulator, tmp_path: Path) -> None:
    first = dataflux_process("download", "gs://mixed", str(tmp_path / "new"))
    assert (first.returncode, first.stdout) == (0, "")
    assert "wrote 4 files, 10 B," in first.stderr
    assert files_of(tmp_path / "new") == DOWNLOADED
    gcs.reset_requests()
    second = dataflux("download", "gs://mixed", str(tmp_path / "new"))
    assert "wrote 0 files, 0 B," in second.stderr
    assert "4 files there already" in second.stderr
    assert asked(gcs) == {"list"}


@pytest.mark.parametrize(
    ("prefix", "files"),
    [
        pytest.param("d/", {"b", "e/c"}, id="a directory: what is below it"),
        pytest.param("d/e", {"e/c"}, id="the beginning of a name: from the last slash on"),
        pytest.param("d/e/c", {"c"}, id="one object"),
        pytest.param("d", {"d/b", "d/e/c"}, id="no slash at all"),
    ],
)
def test_the_prefix_is_cut_off_up_to_its_last_slash(tmp_path: Path, prefix: str, files: set[str]) -> None:
    assert dataflux("download", "-q", f"gs://mixed/{prefix}", str(tmp_path)).stderr == ""
    assert set(files_of(tmp_path)) == files


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], {"compose", "read"}, id="composed by default"),
        pytest.param(["--no-compose"], {"read"}, id="directly on request"),
        pytest.param(["--max-composite-bytes", "0"], {"read"}, id="directly with a cap of 0"),
    ],
)
def test_how_objects_are_read(gcs: Emulator, tmp_path: Path, arguments: list[str], expected: set[str]) -> None:
    gcs.reset_requests()
    assert dataflux("download", *arguments, "gs://some", str(tmp_path)).returncode == 0
    assert asked(gcs) & {"compose", "read"} == expected
    assert len(files_of(tmp_path)) == 300


def test_placeholders_of_directories_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    assert dataflux("download", "--all", "gs://mixed/di", str(tmp_path)).returncode == 1
    assert dataflux("download", "--all", "--unsafe-names", "encode", "gs://mixed/di", str(tmp_path)).returncode == 0
    assert files_of(tmp_path) == {"dir%2F": b""}


def test_a_dry_run_writes_nothing(gcs: Emulator, tmp_path: Path) -> None:
    gcs.reset_requests()
    ran = dataflux("download", "--dry-run", "gs://mixed/d/", str(tmp_path / "new"))
    assert ran.stdout.splitlines() == [f"{tmp_path}/new/b", f"{tmp_path}/new/e/c"]
    assert "would write 2 files, 5 B; 0 files there already; 0 skipped" in ran.stderr
    assert not (tmp_path / "new").exists()
    assert asked(gcs) == {"list"}


def test_an_unsafe_name_stops_everything_unless_told_otherwise(tmp_path: Path) -> None:
    ran = dataflux("download", "gs://odd", str(tmp_path / "new"))
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"dataflux: {CONTROL!r}: it holds a control character; nothing is written, choose")
    assert not (tmp_path / "new").exists()
    skipping = dataflux("download", "-q", "--unsafe-names", "skip", "gs://odd", str(tmp_path / "new"))
    assert skipping.returncode == 0
    assert skipping.stderr.startswith("skipped 'control\\x1b")
    assert dataflux("download", "-q", "--unsafe-names", "encode", "gs://odd", str(tmp_path / "new")).returncode == 0
    assert files_of(tmp_path / "new") == {"control%1B[2J\u202e%C2%9B": b"12345"}


def test_a_directory_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "b" / "mine").mkdir(parents=True)
    ran = dataflux("download", "gs://mixed/d/", str(tmp_path))
    assert ran.returncode == 1
    assert f"d/b: cannot write {tmp_path}/b: 'b' is a directory" in ran.stderr
    assert files_of(tmp_path) == {}


def test_a_disk_that_is_full_is_one_line(tmp_path: Path) -> None:
    ran = dataflux_process(
        "download",
        "gs://mixed/d/",
        str(tmp_path),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2, 2)),
    )
    assert ran.returncode == 1
    assert ran.stderr == (
        f"dataflux: d/e/c: cannot write {tmp_path}/e/c: File too large; the files that are there are whole\n"
    )
    assert files_of(tmp_path).items() <= {("b", b"22")}


def test_nothing_below_the_prefix_is_an_error(tmp_path: Path) -> None:
    assert dataflux("download", "gs://mixed/none/", str(tmp_path / "new")).returncode == 1
    assert not (tmp_path / "new").exists()


def test_a_terminal_sees_a_bar_of_bytes_and_files(gcs: Emulator, tmp_path: Path) -> None:
    gcs.configure(latency=Latency(read_s=0.05))
    code, seen = seen_at_terminal("download", "--no-compose", "-j", "64", "gs://some", str(tmp_path), streams="stderr")
    assert code == 0
    assert "gs://some:" in seen
    assert "/300 files" in seen
    assert "wrote 300 files" in seen
    code, seen = seen_at_terminal("download", "-q", "gs://some", str(tmp_path / "quiet"), streams="stderr")
    assert (code, seen) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "kill"])
@pytest.mark.parametrize("how", ["--no-compose", "--max-composite-bytes=400"])
def test_an_interruption_leaves_whole_files_that_are_not_fetched_again(
    gcs: Emulator, tmp_path: Path, number: signal.Signals, code: int, how: str
) -> None:
    gcs.configure(latency=Latency(read_s=0.05))
    command = ["download", how, "-j", "4", "gs://some", str(tmp_path)]
    with at_terminal(*command, streams="stderr") as (process, terminal):
        terminal.read_until(lambda seen: re.search(r"[1-9]\d*/300 files", seen))
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == code
        assert "Traceback" not in terminal.read()
    left = files_of(tmp_path)
    assert 0 < len(left) < 300
    assert {len(content) for content in left.values()} == {100}
    temporaries = ListingController(1, None, "some", prefix="dataflux-composed-objects/", skip_compose=False)
    assert wait_until(lambda: temporaries.run() == [])  # those of a compose that was on its way go a moment later
    gcs.configure(latency=Latency())
    ran = dataflux("download", "gs://some", str(tmp_path))
    assert f"{len(left)} file" in ran.stderr.partition(";")[2]
    assert len(files_of(tmp_path)) == 300
