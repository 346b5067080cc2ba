"""`dataflux diff` shows what was added, changed or removed since a listing was written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from google.cloud import storage

from dataflux_core._wire.page import page_of
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.fast_list import Listing
from tests.cli.conftest import CONTROL, asked
from tests.cli.terminal import dataflux, dataflux_process, seen_at_terminal

TEXT = """\
- gs://moving/d/a
~ gs://moving/d/b
+ gs://moving/d/new
"""


def saved(path: Path, *options: str) -> str:
    """List the bucket into a file, as a user would."""
    assert dataflux("ls", "-r", *options, "--format", "parquet", "-o", str(path), "gs://moving").returncode == 0
    return str(path)


@pytest.fixture
def old(gcs: Emulator, tmp_path: Path) -> str:
    """A listing of a bucket that has changed since, in ways that its sizes do not tell."""
    gcs.create_bucket("moving", Memory({"d/a": b"1", "d/b": b"22", "d/c": b"333", "e": b"4444"}))
    path = saved(tmp_path / "old.parquet", "-l")
    storage.Client(project="p").bucket("moving").delete_blob("d/a")
    gcs.put("moving", "d/b", b"xx")
    gcs.put("moving", "d/new", b"5")
    return path


def test_a_line_is_marked_by_what_happened(old: str) -> None:
    ran = dataflux("diff", old, "gs://moving")
    assert (ran.returncode, ran.stdout) == (0, TEXT)
    assert ran.stderr == "1 added, 1 changed, 1 removed, compared by size and generation; 4 objects now\n"


def test_only_what_has_the_prefix_is_compared(old: str) -> None:
    assert dataflux("diff", "-q", old, "gs://moving/e").stdout == ""
    assert dataflux("diff", "-q", old, "gs://moving/d/a").stdout == "- gs://moving/d/a\n"


def test_json_and_csv_hold_the_columns(old: str) -> None:
    ran = dataflux("diff", "-q", "--format", "json", old, "gs://moving")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(line["change"], line["name"], line["size"]) for line in lines] == [
        ("removed", "d/a", 1),
        ("changed", "d/b", 2),
        ("added", "d/new", 1),
    ]
    assert lines[1]["generation"] > lines[0]["generation"]
    ran = dataflux("diff", "-q", "--format", "csv", old, "gs://moving")
    header, *rows = csv.reader(io.StringIO(ran.stdout))
    assert header[:4] == ["change", "name", "size", "generation"]
    assert [dict(zip(header, row, strict=True)) for row in rows] == [
        {key: str(value) for key, value in line.items()} for line in lines
    ]


def test_the_new_listing_may_take_the_place_of_the_old(old: str) -> None:
    assert dataflux("diff", "-q", "--save", old, old, "gs://moving").stdout == TEXT
    assert Listing.from_parquet(old).fields[0] == "generation"
    ran = dataflux("diff", old, "gs://moving")
    assert (ran.stdout, ran.stderr) == (
        "",
        "0 added, 0 changed, 0 removed, compared by size and generation; 4 objects now\n",
    )


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param(["gs://moving/d/"], id="a prefix"),
        pytest.param(["--min-size", "2", "gs://moving"], id="sizes"),
        pytest.param(["--start-offset", "d/b", "gs://moving"], id="names"),
        pytest.param(["--updated-before", "2020-01-01", "gs://moving"], id="times"),
    ],
)
def test_a_part_never_takes_the_place_of_the_whole(gcs: Emulator, old: str, choice: list[str], tmp_path: Path) -> None:
    was = Path(old).read_bytes()
    (tmp_path / "link").symlink_to(old)
    gcs.reset_requests()
    for save in (old, str(tmp_path / "link")):
        ran = dataflux("diff", "--save", save, old, *choice)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "--save would replace PREVIOUS by a part of it: of its 4 objects this chooses " in ran.stderr
    assert Path(old).read_bytes() == was
    assert asked(gcs) == set()
    assert dataflux("diff", "--save", str(tmp_path / "part"), old, *choice).returncode == 0


def test_a_part_may_take_the_place_of_the_same_part(old: str, tmp_path: Path) -> None:
    part = str(tmp_path / "part.parquet")
    choice = ["--min-size", "2", "gs://moving/d/"]
    assert dataflux("diff", "-q", "--save", part, old, *choice).stdout == "~ gs://moving/d/b\n"
    ran = dataflux("diff", "--save", part, part, *choice)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == "0 added, 0 changed, 0 removed, compared by size and generation; 2 objects now\n"


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        pytest.param(["--min-size", "2"], ["~ gs://moving/d/b"], id="by size"),
        pytest.param(["--max-size", "1"], ["- gs://moving/d/a", "+ gs://moving/d/new"], id="by size, the others"),
        pytest.param(["--start-offset", "d/b", "--end-offset", "d/c"], ["~ gs://moving/d/b"], id="by name"),
        pytest.param(["--start-offset", "f"], [], id="where nothing is"),
        pytest.param(["--updated-from", "1h"], TEXT.splitlines(), id="by time"),
        pytest.param(["--updated-before", "1h"], [], id="by time, the others"),
    ],
)
def test_what_was_not_chosen_is_not_said_to_be_removed(old: str, choice: list[str], shown: list[str]) -> None:
    ran = dataflux("diff", "-q", *choice, old, "gs://moving")
    assert (ran.returncode, ran.stdout.splitlines(), ran.stderr) == (0, shown, "")


def test_what_only_all_shows_is_compared_with_all_only(gcs: Emulator, old: str, tmp_path: Path) -> None:
    del old
    gcs.put("moving", "d/", b"")
    gcs.put("moving", "dataflux-composed-objects/1", b"temporary")
    every = saved(tmp_path / "all.parquet", "-a")
    ran = dataflux("diff", every, "gs://moving")
    assert (ran.stdout, ran.stderr.partition(",")[0], ran.stderr[-15:]) == ("", "0 added", "; 4 objects now\n"[-15:])
    assert dataflux("diff", every, "-a", "gs://moving").stderr.endswith("; 6 objects now\n")
    ran = dataflux("diff", "--save", every, every, "gs://moving")
    assert (ran.returncode, "of its 6 objects this chooses 4" in ran.stderr) == (2, True)


def test_a_single_object_is_counted_as_one(old: str) -> None:
    assert dataflux("diff", old, "gs://moving/e").stderr.endswith("; 1 object now\n")


def test_a_listing_without_columns_tells_sizes_only(gcs: Emulator, old: str, tmp_path: Path) -> None:
    del old
    bare = saved(tmp_path / "bare.parquet")
    gcs.put("moving", "e", b"xxxx")
    ran = dataflux("diff", bare, "gs://moving")
    assert (ran.stdout, ran.stderr) == ("", "0 added, 0 changed, 0 removed, compared by size; 4 objects now\n")


def test_two_files_are_compared_without_a_service(gcs: Emulator, old: str, tmp_path: Path) -> None:
    new = saved(tmp_path / "new.parquet", "-l")
    gcs.reset_requests()
    ran = dataflux("diff", "-q", old, new)
    assert ran.stdout == TEXT.replace("gs://moving/", "")
    assert asked(gcs) == set()


def test_an_output_that_cannot_be_written_saves_nothing(old: str, tmp_path: Path) -> None:
    ran = dataflux_process("diff", "-o", "/dev/full", "--save", str(tmp_path / "new"), old, "gs://moving")
    assert (ran.returncode, ran.stderr) == (1, "dataflux: /dev/full: No space left on device\n")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("format_", ["text", "json", "csv"])
def test_a_terminal_never_gets_an_escape_sequence(gcs: Emulator, old: str, format_: str) -> None:
    gcs.put("moving", CONTROL, b"1")
    code, seen = seen_at_terminal("diff", "-q", "--format", format_, old, "gs://moving")
    assert code == 0
    assert "control" in seen
    assert not set(CONTROL) & set(seen) - set("contrl[2J")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["{}/missing", "gs://moving"], 2, "missing': no such file", id="no file"),
        pytest.param(["gs://moving", "gs://moving"], 2, "'gs://moving': no such file", id="a bucket as PREVIOUS"),
        pytest.param(["{}/old.parquet", "moving"], 2, "a bucket is written gs://BUCKET", id="no URL"),
        pytest.param(["{}/old.parquet", "s3://moving"], 2, "s3:// is another service", id="another service"),
        pytest.param(["{}/text", "gs://moving"], 2, "'PREVIOUS.parquet': ", id="a file that is no listing"),
        pytest.param(
            ["--min-size", "1", "{}/old.parquet", "{}/old.parquet"], 2, "compared as it is", id="a choice among a file"
        ),
        pytest.param(["{}/versions.parquet", "gs://moving"], 2, "repeated names", id="generations"),
        pytest.param(["-a", "{}/old.parquet", "{}/old.parquet"], 2, "compared as it is", id="all of a file"),
        pytest.param(
            ["-o", "{}/new", "--save", "{}/./new", "{}/old.parquet", "gs://moving"],
            2,
            "--output and --save name the same file",
            id="two things to one file",
        ),
        pytest.param(
            ["--save", "-", "{}/old.parquet", "gs://moving"], 2, "cannot go to stdout", id="Parquet to stdout"
        ),
        pytest.param(
            ["--save", "{}/new.CSV", "{}/old.parquet", "gs://moving"], 2, "--save writes Parquet", id="Parquet as CSV"
        ),
        pytest.param(
            ["-o", "{}/old.parquet", "{}/old.parquet", "gs://moving"],
            2,
            "PREVIOUS and --output name the same file",
            id="changes in place of PREVIOUS",
        ),
        pytest.param(
            ["-o", "{}/text", "{}/old.parquet", "{}/text"],
            2,
            "the newer file and --output name the same file",
            id="changes in place of the newer file",
        ),
        pytest.param(
            ["--match-glob", "**.jpg", "{}/old.parquet", "gs://moving"],
            2,
            "--match-glob '**.jpg': expected none: only the service knows",
            id="a glob",
        ),
        pytest.param(
            ["--updated-from", "1h", "{}/bare.parquet", "gs://moving"],
            2,
            "expected a listing with the column updated",
            id="a time that PREVIOUS does not hold",
        ),
    ],
)
@pytest.mark.usefixtures("old")
def test_what_cannot_be_compared(gcs: Emulator, tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    (tmp_path / "text").write_text("no Parquet")
    Listing([page_of(["a", "a"], [1, 2])]).to_parquet(tmp_path / "versions.parquet")
    Listing([page_of(["a"], [1])]).to_parquet(tmp_path / "bare.parquet")
    gcs.reset_requests()
    ran = dataflux("diff", *(argument.format(tmp_path) for argument in arguments))
    assert asked(gcs) == set()
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
