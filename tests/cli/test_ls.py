"""`dataflux ls` lists a level, or everything, in four formats."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from dataflux_core.emulator import Memory
from dataflux_core.fast_list import Listing, ListingController
from tests.cli.conftest import CONTROL, OBJECTS, asked
from tests.cli.terminal import dataflux, dataflux_process, seen_at_terminal

if TYPE_CHECKING:
    from dataflux_core.emulator import Emulator


def urls(*names: str) -> str:
    return "".join(f"gs://mixed/{name}\n" for name in names)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        pytest.param(["gs://mixed"], urls("a.txt", "d/", "dir/", "é/"), id="one level of a bucket"),
        pytest.param(["gs://mixed/"], urls("a.txt", "d/", "dir/", "é/"), id="a slash behind the bucket"),
        pytest.param(["gs://mixed/d/"], urls("d/b", "d/e/"), id="one level below a prefix"),
        pytest.param(["gs://mixed/d"], urls("d/", "dir/"), id="a prefix that ends within a name"),
        pytest.param(["-a", "gs://mixed/d"], urls("d/", "dataflux-composed-objects/", "dir/"), id="temporaries too"),
        pytest.param(
            ["gs://mixed/dataflux-composed-objects/"],
            urls("dataflux-composed-objects/1"),
            id="temporaries where they are asked for",
        ),
        pytest.param(["-r", "gs://mixed"], urls("a.txt", "d/b", "d/e/c", "é/✓"), id="everything"),
        pytest.param(
            ["-r", "--hierarchical", "gs://mixed"], urls("a.txt", "d/b", "d/e/c", "é/✓"), id="everything by folder"
        ),
        pytest.param(["-r", "--flat", "gs://mixed"], urls("a.txt", "d/b", "d/e/c", "é/✓"), id="everything but flat"),
        pytest.param(["-ra", "gs://mixed"], urls(*OBJECTS), id="everything, really"),
        pytest.param(["-r", "gs://mixed/d/e"], urls("d/e/c"), id="everything below a prefix"),
        pytest.param(["gs://empty"], "", id="an empty bucket"),
        pytest.param(["-r", "gs://empty"], "", id="an empty bucket, recursively"),
    ],
)
def test_what_is_listed(arguments: list[str], shown: str) -> None:
    ran = dataflux("ls", *arguments)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, shown, "")


def test_one_level_is_merged_from_all_its_pages(gcs: Emulator) -> None:
    del gcs
    listed = ListingController(4, None, "many").listing()
    directories = sorted({name.rpartition("/")[0] + "/" for name, _ in listed})
    ran = dataflux("ls", "gs://many/train/")
    assert ran.stdout.splitlines() == [f"gs://many/{directory}" for directory in directories]
    first = directories[0]
    ran = dataflux("ls", f"gs://many/{first}")
    assert ran.stdout.splitlines() == [f"gs://many/{name}" for name, _ in listed if name.startswith(first)]


def test_a_long_listing_has_sizes_and_dates() -> None:
    lines = dataflux("ls", "-l", "gs://mixed/d/").stdout.splitlines()
    assert lines[0].split()[0] == "2"
    assert lines[0].split()[1].startswith("20")
    assert [line.split()[-1] for line in lines] == ["gs://mixed/d/b", "gs://mixed/d/e/"]
    assert dataflux("ls", "-rlh", "gs://mixed/d/b").stdout.split()[:2] == ["2", "B"]


@pytest.mark.parametrize("level", [[], ["-r"]], ids=["one level", "recursive"])
def test_json_is_an_exact_object_per_line(level: list[str]) -> None:
    ran = dataflux("ls", *level, "--format", "json", "gs://odd")
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [{"name": CONTROL, "size": 5}]
    long = json.loads(dataflux("ls", *level, "-l", "--format", "json", "gs://odd").stdout)
    assert set(long) == {
        "name", "size", "generation", "crc32c", "updated", "storage_class", "content_type", "content_encoding"
    }  # fmt: skip


def test_json_tells_a_prefix_from_an_object() -> None:
    lines = dataflux("ls", "--format", "json", "gs://mixed/d/").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"name": "d/b", "size": 2}, {"prefix": "d/e/"}]


@pytest.mark.parametrize("level", [[], ["-r"]], ids=["one level", "recursive"])
def test_csv_has_a_header_and_exact_names(level: list[str], tmp_path: Path) -> None:
    dataflux("ls", *level, "--format", "csv", "-o", str(tmp_path / "list.csv"), "gs://odd")
    with (tmp_path / "list.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["name", "size"], [CONTROL, "5"]]


def test_parquet_is_a_listing_again(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    assert dataflux("ls", "-r", "-l", "--format", "parquet", "-o", str(path), "gs://some").returncode == 0
    assert Listing.from_parquet(path) == ListingController(4, None, "some").listing()
    assert pq.read_schema(path).names[:4] == ["name", "size", "generation", "crc32c"]


@pytest.mark.parametrize("format_", ["text", "json", "csv"])
def test_a_terminal_never_gets_an_escape_sequence(format_: str) -> None:
    for level in ([], ["-r"], ["-rl"]):
        code, seen = seen_at_terminal("ls", *level, "-q", "--format", format_, "gs://odd")
        assert code == 0
        assert "control" in seen
        assert not set(CONTROL) & set(seen) - set("contrl[2J")


def test_text_in_a_pipe_is_exact() -> None:
    assert dataflux_process("ls", "gs://odd").stdout == f"gs://odd/{CONTROL}\n"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("before")
    ran = dataflux("ls", "-o", str(path), "gs://nowhere")
    assert (ran.returncode, path.read_text()) == (1, "before")
    assert dataflux("ls", "-o", str(path), "gs://mixed/d/").returncode == 0
    assert path.read_text() == urls("d/b", "d/e/")
    assert [entry.name for entry in tmp_path.iterdir()] == ["list.txt"]


def test_the_target_of_a_link_is_replaced_but_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real").write_text("before")
    dataflux("ls", "-o", str(tmp_path / "link"), "gs://mixed/d/")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == urls("d/b", "d/e/")


def test_a_device_is_written_to_never_replaced() -> None:
    assert dataflux_process("ls", "-o", "/dev/stdout", "gs://mixed/d/").stdout == urls("d/b", "d/e/")
    full = dataflux_process("ls", "-o", "/dev/full", "gs://mixed")
    assert (full.returncode, full.stderr) == (1, "dataflux: /dev/full: No space left on device\n")
    assert Path("/dev/full").is_char_device()


def test_a_full_disk_under_stdout_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        ran = dataflux_process("ls", "gs://mixed", stdout=full)
    assert (ran.returncode, ran.stderr) == (1, "dataflux: output: No space left on device\n")


@pytest.mark.parametrize("format_", ["text", "json", "csv"])
def test_a_reader_that_has_seen_enough_ends_it_quietly(format_: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = dataflux_process("ls", "-r", "--format", format_, "gs://many", stdout=writing)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("format_", ["text", "json", "csv"])
def test_unsorted_lines_are_those_of_the_listing_in_another_order(format_: str) -> None:
    arguments = ["ls", "-r", "-l", "--format", format_, "gs://some"]
    unsorted = dataflux(*arguments, "--unsorted").stdout.splitlines()
    assert sorted(unsorted) == sorted(dataflux(*arguments).stdout.splitlines())


def test_an_unsorted_parquet_file_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "some.parquet"
    ran = dataflux("ls", "-r", "--unsorted", "--format", "parquet", "-o", str(path), "gs://some")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert Listing.from_parquet(path) == ListingController(4, None, "some").listing()


def test_unsorted_has_no_meaning_for_one_level() -> None:
    ran = dataflux("ls", "--unsorted", "gs://some")
    assert (ran.returncode, "--unsorted needs -r" in ran.stderr) == (2, True)


def test_a_prefix_without_objects_leaves_no_unsorted_file(tmp_path: Path) -> None:
    for format_ in ("csv", "parquet"):
        path = tmp_path / "list"
        ran = dataflux("ls", "-r", "--unsorted", "--format", format_, "-o", str(path), "gs://some/nothing")
        assert (ran.returncode, "no object's name begins so" in ran.stderr) == (1, True)
        assert list(tmp_path.iterdir()) == []


def test_parquet_must_know_where_to_go() -> None:
    for arguments in (["-r"], ["-o", "x.parquet"]):
        ran = dataflux("ls", "--format", "parquet", *arguments, "gs://mixed")
        assert ran.returncode == 2
        assert "--format parquet needs -o FILE, as well as -r" in ran.stderr


@pytest.mark.parametrize(
    ("package", "arguments", "feature", "extra"),
    [
        pytest.param("pyarrow", ["--format", "parquet", "-o", "{}/x"], "Arrow tables and Parquet files", "arrow"),
        pytest.param("matplotlib", ["--trace", "{}/t.png"], "the picture of a trace", "trace"),
    ],
)
def test_a_missing_extra_is_known_before_anything_is_asked(  # noqa: PLR0913, PLR0917 - the columns of a table
    gcs: Emulator, tmp_path: Path, package: str, arguments: list[str], feature: str, extra: str
) -> None:
    gcs.reset_requests()
    line = ["ls", "-r", *(argument.format(tmp_path) for argument in arguments), "gs://mixed"]
    code = f"""import sys; sys.modules[{package!r}] = None
from dataflux_core._cli.root import run
sys.exit(run({line!r}))"""
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"dataflux: an extra is needed for {feature}: pip install 'dataflux_core[{extra}]'\n"
    assert asked(gcs) == set()


def test_a_directory_that_is_not_there_is_known_before_anything_is_asked(gcs: Emulator, tmp_path: Path) -> None:
    gcs.reset_requests()
    ran = dataflux("ls", "-o", str(tmp_path / "missing" / "list.txt"), "gs://mixed")
    assert ran.returncode == 2
    assert "missing is no directory to write to" in ran.stderr
    assert asked(gcs) == set()


@pytest.mark.parametrize(
    "arguments", [["-h"], ["-rh"], ["-lh", "--format", "json"]], ids=["one level", "recursive", "json"]
)
def test_sizes_for_a_person_need_sizes(arguments: list[str]) -> None:
    ran = dataflux("ls", *arguments, "gs://mixed")
    assert (ran.returncode, "-h needs -l" in ran.stderr) == (2, True)


def test_a_prefix_without_objects_is_an_error_that_explains_patterns() -> None:
    for level in ([], ["-r"]):
        ran = dataflux("ls", *level, "gs://mixed/*.txt")
        assert ran.returncode == 1
        assert "gs://mixed/*.txt: no object's name begins so; '*' has no meaning" in ran.stderr
        assert "--match-glob of ls -r, du or download takes patterns" in ran.stderr


@pytest.mark.parametrize("line", [["ls"], ["ls", "-r"], ["ls", "-r", "--unsorted"], ["du"]], ids=" ".join)
def test_that_all_was_left_out_is_said_with_what_shows_it(gcs: Emulator, line: list[str]) -> None:
    gcs.create_bucket("placeholders", Memory({"dir/": b"", "dir/a/": b""}))
    ran = dataflux(*line, "gs://placeholders/dir/a/")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "dataflux: gs://placeholders/dir/a/: nothing but 1 object that is left out: -a shows temporaries of downloads "
        "as well as names that end in '/'\n"
    )


def test_a_bucket_of_which_all_was_left_out_is_no_error(gcs: Emulator) -> None:
    gcs.create_bucket("placeholders", Memory({"dir/": b"", "dir/a/": b""}))
    ran = dataflux_process("ls", "-r", "gs://placeholders")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == (
        "gs://placeholders/: nothing but 2 objects that are left out: -a shows temporaries of downloads as well as "
        "names that end in '/'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--flat"], "--hierarchical and --flat need -r", id="one level is one folder"),
        pytest.param(["--hierarchical"], "--hierarchical and --flat need -r", id="one level, by folder"),
        pytest.param(["-r", "--hierarchical", "--flat"], "give one of them", id="by folder, and not"),
        pytest.param(["-r", "--hierarchical", "--versions"], "--hierarchical goes with no", id="generations by folder"),
    ],
)
def test_listing_by_folder_is_refused_where_it_means_nothing(arguments: list[str], said: str) -> None:
    ran = dataflux("ls", *arguments, "gs://mixed")
    assert (ran.returncode, said in ran.stderr) == (2, True)
