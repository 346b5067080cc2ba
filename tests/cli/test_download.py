"""`dataflux download` makes files of objects."""

from __future__ import annotations

import os
import re
import resource
import signal
from typing import TYPE_CHECKING

import pytest

from dataflux_core._wire.times import nanoseconds
from dataflux_core.emulator import Emulator, Fault, Latency, Memory
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
        pytest.param(["--strategy", "compose"], {"compose", "read"}, id="composed on request"),
        pytest.param(["--strategy", "direct"], {"read"}, id="directly on request"),
        pytest.param(["--strategy", "compose", "--max-composite-bytes", "0"], {"read"}, id="directly with a cap of 0"),
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


def test_what_has_no_room_is_said_by_a_dry_run_then_refused_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        full.setattr(os, "statvfs", lambda _: os.statvfs_result([1, 1, 1000, 2, 2, 0, 0, 0, 0, 255]))
        lacking = "5 B more are needed there, 2 B are free"
        dry = dataflux("download", "--dry-run", "gs://mixed/d/", str(tmp_path / "new"))
        assert (dry.returncode, dry.stderr.splitlines()[-1]) == (0, f"there is no room for them: {lacking}")
        ran = dataflux("download", "gs://mixed/d/", str(tmp_path / "new"))
        assert ran.returncode == 1
        assert ran.stderr.startswith(
            f"dataflux: the target directory: cannot write {tmp_path}/new: {lacking}; make room"
        )
        assert not (tmp_path / "new").exists()
        assert dataflux("download", "--free-space", "ignore", "gs://mixed/d/", str(tmp_path / "new")).returncode == 0
    assert set(files_of(tmp_path / "new")) == {"b", "e/c"}


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


def test_a_file_that_cannot_be_written_is_one_line(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("large", Memory({"d/b": b"22", "d/e/c": b"3" * 5000}))
    ran = dataflux_process(
        "download",
        "gs://large/d/",
        str(tmp_path),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert ran.returncode == 1
    assert ran.stderr == (
        f"dataflux: d/e/c: cannot write {tmp_path}/e/c: File too large; raise the limit of a file's size (ulimit -f), "
        "or choose a file system that takes such files; the files that are there are whole\n"
    )
    assert files_of(tmp_path).items() <= {("b", b"22")}


def test_files_are_as_old_as_their_objects_unless_told_otherwise(gcs: Emulator, tmp_path: Path) -> None:
    gcs.put("mixed", "a.txt", b"1")
    assert dataflux("download", "-q", "gs://mixed/a", str(tmp_path)).returncode == 0
    path = tmp_path / "a.txt"
    os.utime(path, ns=(5, 7))
    ran = dataflux("download", "--file-times", "now", "gs://mixed/a", str(tmp_path))
    assert path.stat().st_mtime_ns == 7
    assert "there already; 0 skipped" in ran.stderr
    ran = dataflux("download", "gs://mixed/a", str(tmp_path))
    assert "1 file there already, 1 given the time of their objects; 0 skipped" in ran.stderr
    (listed,) = ListingController(1, None, "mixed", prefix="a").listing(fields=["updated"]).column("updated")
    assert path.stat().st_mtime_ns == nanoseconds(str(listed))


def test_globs_choose_below_the_prefix(gcs: Emulator, tmp_path: Path) -> None:
    gcs.reset_requests()
    ran = dataflux("download", "--include", "*", "--include", "e/*", "--exclude", "b", "gs://mixed/d/", str(tmp_path))
    assert set(files_of(tmp_path)) == {"e/c"}
    assert "wrote 1 file, 3 B," in ran.stderr
    assert ran.stderr.endswith("; 0 skipped; 1 left out\n")
    assert gcs.requests().counts["read"] == 1


def test_a_glob_that_includes_nothing_is_told_with_what_may_be_meant(tmp_path: Path) -> None:
    ran = dataflux("download", "--include", "*c", "--include", "b", "gs://mixed/d/", str(tmp_path))
    assert set(files_of(tmp_path)) == {"b"}
    assert ran.stderr.startswith(
        "--include '*c' matches nothing: it is matched against names without 'd/', '*' stops at '/', perhaps '**c'\n"
    )
    assert dataflux("download", "-q", "--include", "*c", "--include", "b", "gs://mixed/d/", str(tmp_path)).stderr == ""


@pytest.mark.parametrize("how", [["-q"], ["-q", "--dry-run"]], ids=["done", "a dry run"])
def test_where_no_glob_includes_anything_that_is_an_error(gcs: Emulator, tmp_path: Path, how: list[str]) -> None:
    gcs.reset_requests()
    ran = dataflux("download", *how, "--include", "**.jpeg", "--include", "*x", "gs://mixed/d/", str(tmp_path))
    assert (ran.returncode, ran.stdout, asked(gcs)) == (1, "", {"list"})
    assert ran.stderr == "dataflux: gs://mixed/d/: nothing was chosen: of 2 objects no --include matches any\n"


@pytest.mark.parametrize(
    ("arguments", "bucket"),
    [
        pytest.param(["--include", "**", "--exclude", "**"], "mixed", id="all that was included is excluded"),
        pytest.param(["--include", "*x"], "empty", id="an empty bucket"),
        pytest.param(["--include", "*x", "--min-size", "1k"], "mixed", id="nothing is left of another choice"),
    ],
)
def test_that_nothing_is_chosen_may_be_meant(tmp_path: Path, arguments: list[str], bucket: str) -> None:
    assert dataflux("download", *arguments, f"gs://{bucket}", str(tmp_path)).returncode == 0


def test_temporaries_that_stay_are_told_with_the_command_that_removes_them(gcs: Emulator, tmp_path: Path) -> None:
    gcs.configure(faults=[Fault("batch", "503"), Fault("delete", "503")])
    ran = dataflux("download", "-q", "--strategy", "compose", "gs://some", str(tmp_path))
    assert ran.returncode == 0
    assert ran.stderr.splitlines()[-1] == (
        "10 temporary objects could not be deleted yet; a day from now `dataflux clean gs://some` removes what is left "
        "of them"
    )
    gcs.configure(faults=())
    assert dataflux("clean", "-q", "--yes", "--older-than", "0s", "gs://some").returncode == 0


def test_a_glob_that_cannot_be_read_is_wrong_usage(gcs: Emulator, tmp_path: Path) -> None:
    gcs.reset_requests()
    ran = dataflux("download", "--exclude", "[a", "gs://mixed/d/", str(tmp_path))
    assert ran.returncode == 2
    assert "'[a': expected every '[' to be closed" in ran.stderr
    assert asked(gcs) == set()


@pytest.mark.parametrize("format_", ["parquet", "csv", "json"])
def test_a_listing_that_was_kept_is_not_made_again(gcs: Emulator, tmp_path: Path, format_: str) -> None:
    kept = str(tmp_path / "kept")
    assert dataflux("ls", "-q", "-r", "-l", "--format", format_, "-o", kept, "gs://mixed").returncode == 0
    gcs.reset_requests()
    whole = dataflux("download", "--from", kept, "gs://mixed", str(tmp_path / "whole"))
    assert files_of(tmp_path / "whole") == DOWNLOADED, whole.stderr
    dataflux("download", "--from", kept, "--min-size", "3", "gs://mixed/d/", str(tmp_path / "part"))
    assert files_of(tmp_path / "part") == {"e/c": b"333"}
    assert "list" not in asked(gcs)
    assert "4 files there already" in dataflux("download", "--from", kept, "gs://mixed", str(tmp_path / "whole")).stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        pytest.param([], 1, "gs://mixed/none/, as of {kept}: no object's name begins so", id="nothing below a prefix"),
        pytest.param(["--match-glob", "**"], 2, "use --include", id="a glob that only the service matches"),
        pytest.param(["--updated-from", "7d"], 2, "--updated-from", id="a column that the file has not"),
    ],
)
def test_a_listing_that_cannot_tell_is_named(tmp_path: Path, options: list[str], code: int, message: str) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("name,size\nd/b,2\n")
    ran = dataflux("download", "--from", str(kept), *options, "gs://mixed/none/", str(tmp_path / "new"))
    assert ran.returncode == code
    assert message.format(kept=kept) in ran.stderr
    assert not (tmp_path / "new").exists()


def test_a_file_that_holds_no_listing_is_named(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("gs://mixed/d/b\n")
    ran = dataflux("download", "--from", str(kept), "gs://mixed", str(tmp_path / "new"))
    assert ran.returncode == 2
    assert f"Invalid value for '--from': {kept}: expected a listing of every object" in ran.stderr
    assert dataflux("download", "--from", f"{kept}.no", "gs://mixed", str(tmp_path / "new")).returncode == 2


def test_an_object_that_is_in_another_bucket_is_an_error(tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("name,size\na.txt,1\n")
    ran = dataflux("download", "--from", str(kept), "gs://some", str(tmp_path / "new"))
    assert ran.returncode == 1
    assert "gs://some/a.txt: no such object; if it was listed it has been deleted, so list again" in ran.stderr


def test_objects_that_are_gone_keep_no_other_away_where_that_is_asked_for(tmp_path: Path) -> None:
    kept = tmp_path / "kept.csv"
    gone = "".join(f"d/gone-{number:02},7\n" for number in range(25))
    kept.write_text(f"name,size\nd/b,2\nd/e/c,3\n{gone}")
    command = ["download", "--from", str(kept), "gs://mixed/d/", str(tmp_path / "new")]
    assert dataflux(*command).stderr.endswith("no such object; if it was listed it has been deleted, so list again\n")
    ran = dataflux(*command, "--keep-going")
    *failed, more, summary, last = ran.stderr.splitlines()
    assert ran.returncode == 1
    assert files_of(tmp_path / "new") == {"b": b"22", "e/c": b"333"}
    assert [line.partition(": ")[0] for line in failed] == [f"failed gs://mixed/d/gone-{at:02}" for at in range(20)]
    assert (more, last) == (
        "failed 5 more objects",
        "dataflux: 25 objects could not be downloaded; the same command tries them again",
    )
    assert "2 files" in summary
    assert dataflux(*command, "-q", "--keep-going", "--include", "*").returncode == 1


def test_nothing_below_the_prefix_is_an_error(tmp_path: Path) -> None:
    assert dataflux("download", "gs://mixed/none/", str(tmp_path / "new")).returncode == 1
    assert not (tmp_path / "new").exists()


def test_a_terminal_sees_a_bar_of_bytes_and_files(gcs: Emulator, tmp_path: Path) -> None:
    gcs.configure(latency=Latency(read_s=0.05))
    code, seen = seen_at_terminal(
        "download", "--strategy", "direct", "-j", "64", "gs://some", str(tmp_path), streams="stderr"
    )
    assert code == 0
    # As "some: 11.7k/29.3k |████▌     | 00:02 left, 9.90kiB/s, 120/300 files, 99/s": in the units of the summary
    assert re.search(r"some: [\d.]+k?/29\.3k \|[^|]*\| \d\d:\d\d left, +[\d.]+[kM]?iB/s, ", seen)
    assert re.search(r"[1-9]\d*/300 files, [\d,.k]+/s", seen)
    assert "wrote 300 files" in seen
    for path in sorted(files_of(tmp_path))[:100]:
        (tmp_path / path).unlink()
    code, seen = seen_at_terminal("download", "--strategy", "direct", "gs://some", str(tmp_path), streams="stderr")
    assert re.search(r"9\.77k/9\.77k \|[^|]*\| 00:00 left, [^,]*B/s, 100/100 files, [\d,.k]+/s", seen)
    assert "wrote 100 files" in seen
    assert "200 files there already" in seen
    code, seen = seen_at_terminal("download", "-q", "gs://some", str(tmp_path / "quiet"), streams="stderr")
    assert (code, seen) == (0, "")


def test_a_terminal_that_does_not_tell_its_size_sees_the_bar_too(gcs: Emulator, tmp_path: Path) -> None:
    gcs.configure(latency=Latency(read_s=0.05))
    code, seen = seen_at_terminal("download", "gs://some", str(tmp_path), streams="stderr", size=(0, 0))
    assert code == 0
    assert re.search(r"some: [\d.]+k?/29\.3k \|", seen)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "kill"])
@pytest.mark.parametrize("how", ["--strategy=direct", "--max-composite-bytes=400"])
def test_an_interruption_leaves_whole_files_that_are_not_fetched_again(
    gcs: Emulator, tmp_path: Path, number: signal.Signals, code: int, how: str
) -> None:
    gcs.configure(latency=Latency(read_s=0.2))  # so that it is far from its end when the first file is seen
    command = ["download", how, "-j", "4", "gs://some", str(tmp_path)]
    with at_terminal(*command, streams="stderr") as (process, terminal):
        terminal.read_until(lambda seen: re.search(r"[1-9]\d*/300 files", seen))
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == code
        seen = terminal.read()
        assert "Traceback" not in seen
        told = re.search(r"at least (\d+) of 300 files (?:is|are) whole; the same command goes on after that", seen)
    left = files_of(tmp_path)
    assert told
    assert 0 < int(told[1]) <= len(left) < 300
    assert {len(content) for content in left.values()} == {100}
    temporaries = ListingController(1, None, "some", prefix="dataflux-composed-objects/", skip_compose=False)
    assert wait_until(lambda: temporaries.run() == [])  # those of a compose that was on its way go a moment later
    gcs.configure(latency=Latency())
    ran = dataflux("download", "gs://some", str(tmp_path))
    assert f"{len(left)} file" in ran.stderr.partition(";")[2]
    assert len(files_of(tmp_path)) == 300


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "kill"])
def test_an_interruption_in_the_middle_of_a_file_leaves_none_of_it(
    gcs: Emulator, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    gcs.create_bucket("large", Memory({"a": bytes(40_000_000), "b": bytes(40_000_000)}))
    gcs.configure(latency=Latency(read_s=0.3))
    command = ["download", "--max-memory", "1MiB", "-j", "1", "gs://large", str(tmp_path)]
    with at_terminal(*command, streams="stderr") as (process, terminal):
        terminal.read_until(lambda seen: re.search(r"[5-7]\d\.\dM/76\.3M", seen))
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == code
        assert terminal.read().endswith("interrupted\r\n" if number == signal.SIGINT else "ended by SIGTERM\r\n")
    assert {path: len(content) for path, content in files_of(tmp_path).items()} == {"a": 40_000_000}
    gcs.configure(latency=Latency())
    assert "wrote 1 file, 38.1 MiB" in dataflux("download", "gs://large", str(tmp_path)).stderr


def test_what_kill_9_leaves_is_removed_by_the_next_download(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("large", Memory({"d/a": bytes(40_000_000)}))
    gcs.configure(latency=Latency(read_s=0.3))
    command = ["download", "--max-memory", "1MiB", "-j", "1", "gs://large", str(tmp_path)]
    with at_terminal(*command, streams="stderr") as (process, terminal):
        terminal.read_until(lambda seen: re.search(r"[12]\d\.\dM/38\.1M", seen))
        process.kill()
        process.wait(TIMEOUT_S)
    assert len(files_of(tmp_path)) == 2
    gcs.configure(latency=Latency())
    dataflux("download", "gs://large", str(tmp_path))
    assert set(files_of(tmp_path)) == {"d/a"}
