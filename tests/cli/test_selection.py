"""Commands list, sum up or download what their options choose."""

from __future__ import annotations

import csv
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click
import pytest

from dataflux_core._cli.selection import MomentType, SizeType
from dataflux_core.emulator import Memory
from dataflux_core.fast_list import Listing
from tests.cli.terminal import dataflux

if TYPE_CHECKING:
    from pathlib import Path

    from dataflux_core.emulator import Emulator

OBJECTS = {"a.jpg": b"x" * 10, "b.txt": b"x" * 2000, "d/c.jpg": b"x" * 30, "d/e.txt": b""}
KEEPS: dict[str, Any] = {
    "versioning": {"enabled": True},
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
}


@pytest.fixture(scope="module", autouse=True)
def generations(shared_gcs: Emulator) -> list[int]:
    """Make the buckets; return the generations of the object that has several."""
    shared_gcs.create_bucket("chosen", Memory(OBJECTS))
    shared_gcs.create_bucket("paid", Memory({"a": b"1"}, resource={"billing": {"requesterPays": True}}))
    shared_gcs.create_bucket("kept", Memory(resource=KEEPS))
    return [shared_gcs.put("kept", "a", b"x" * size, {"metadata": {"n": str(size)}}) for size in (1, 20)]


def names(*arguments: str) -> list[str]:
    ran = dataflux("ls", "-r", *arguments, "gs://chosen")
    assert (ran.returncode, ran.stderr) == (0, "")
    return [line.removeprefix("gs://chosen/") for line in ran.stdout.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        pytest.param(["--match-glob", "*.jpg"], ["a.jpg"], id="a glob"),
        pytest.param(["--match-glob", "**.jpg"], ["a.jpg", "d/c.jpg"], id="a glob across directories"),
        pytest.param(["--start-offset", "b"], ["b.txt", "d/c.jpg", "d/e.txt"], id="names from one on"),
        pytest.param(["--start-offset", "b", "--end-offset", "d/d"], ["b.txt", "d/c.jpg"], id="names between two"),
        pytest.param(["--min-size", "30"], ["b.txt", "d/c.jpg"], id="a least size"),
        pytest.param(["--min-size", "30", "--max-size", "2k"], ["b.txt", "d/c.jpg"], id="both sizes included"),
        pytest.param(["--updated-from", "1h"], list(OBJECTS), id="changed within the hour"),
        pytest.param(["--updated-before", "1h"], [], id="changed before that hour"),
        pytest.param(
            ["--updated-from", "2020-01-01", "--updated-before", "9000-01-01T00:00Z"], list(OBJECTS), id="dates"
        ),
    ],
)
def test_what_is_listed(arguments: list[str], listed: list[str]) -> None:
    assert names(*arguments) == listed


def test_that_nothing_is_chosen_is_no_error() -> None:
    for command in (["ls", "-r"], ["du"]):
        ran = dataflux(*command, "--min-size", "1GiB", "gs://chosen/d/")
        assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("glob", "place", "hint"),
    [
        pytest.param("e.*", "gs://chosen/d/", ", perhaps 'd/**e.*'", id="below a prefix"),
        pytest.param("e*.txt", "gs://chosen", ", perhaps '**e*.txt'", id="in a directory"),
        pytest.param("x/**", "gs://chosen", "", id="nowhere"),
    ],
)
def test_a_glob_that_nothing_matches_is_explained(glob: str, place: str, hint: str) -> None:
    ran = dataflux("ls", "-r", "--match-glob", glob, place)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == (
        f"nothing was chosen; --match-glob {glob!r} is matched against whole names, '*' stops at '/'{hint}\n"
    )
    assert dataflux("ls", "-rq", "--match-glob", glob, place).stderr == ""
    if hint:
        assert dataflux("ls", "-r", "--match-glob", hint.split("'")[1], place).stdout == "gs://chosen/d/e.txt\n"


def test_what_is_chosen_is_summed_up() -> None:
    assert dataflux("du", "--match-glob", "**.jpg", "gs://chosen").stdout == "40\t2\tgs://chosen/\n"
    assert dataflux("du", "--versions", "gs://kept").stdout == "21\t2\tgs://kept/\n"
    assert dataflux("du", "--soft-deleted", "gs://kept").stdout == "0\t0\tgs://kept/\n"


def test_what_is_chosen_is_downloaded(tmp_path: Path) -> None:
    assert dataflux("download", "-q", "--max-size", "30", "gs://chosen", str(tmp_path)).returncode == 0
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"a.jpg", "d/c.jpg", "d/e.txt"}


def test_generations_are_named_by_their_number(generations: list[int]) -> None:
    old, new = generations
    assert dataflux("ls", "-r", "--versions", "gs://kept").stdout == f"gs://kept/a#{old}\ngs://kept/a#{new}\n"
    lines = dataflux("ls", "-rlh", "--versions", "gs://kept").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "20"]
    assert [line.split()[-1] for line in lines] == [f"gs://kept/a#{old}", f"gs://kept/a#{new}"]


def test_generations_are_a_column_of_their_own(generations: list[int], tmp_path: Path) -> None:
    old, new = generations
    ran = dataflux("ls", "-r", "--versions", "--format", "json", "gs://kept")
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {"name": "a", "size": 1, "generation": old},
        {"name": "a", "size": 20, "generation": new},
    ]
    file = tmp_path / "versions.parquet"
    ran = dataflux("ls", "-r", "--versions", "--format", "parquet", "-o", str(file), "gs://kept")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert Listing.from_parquet(file).column("generation") == [old, new]


@pytest.mark.parametrize("level", [[], ["-r"]], ids=["one level", "recursive"])
def test_fields_are_columns(level: list[str]) -> None:
    arguments = [*level, "--fields", "storageClass, metadata,md5 ", "gs://kept"]
    ran = dataflux("ls", "--format", "json", *arguments)
    found = json.loads(ran.stdout)
    assert list(found) == ["name", "size", "storage_class", "metadata", "md5"]
    assert json.loads(found["metadata"]) == {"n": "20"}
    header, row = csv.reader(dataflux("ls", "--format", "csv", *arguments).stdout.splitlines())
    assert header == list(found)
    assert row == [str(value) for value in found.values()]


def test_fields_come_behind_those_of_a_long_listing() -> None:
    ran = dataflux("ls", "-l", "--fields", "updated,etag", "--format", "csv", "gs://kept")
    assert ran.stdout.split("\n")[0].endswith(",updated,storage_class,content_type,content_encoding,etag")


@pytest.mark.parametrize("option", ["--user-project", "--billing-project"])
def test_the_project_that_pays(option: str) -> None:
    refused = dataflux("ls", "-r", "gs://paid")
    assert (refused.returncode, "requester pays" in refused.stderr) == (1, True)
    assert refused.stderr.endswith("; --user-project NAME says which project pays\n")
    for level in ([], ["-r"]):
        assert dataflux("ls", *level, option, "payer", "gs://paid").stdout == "gs://paid/a\n"


def test_a_glob_that_the_service_refuses() -> None:
    ran = dataflux("ls", "-r", "--match-glob", "a[", "gs://chosen")
    assert ran.returncode == 1
    assert "match_glob='a['" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["ls", "--match-glob", "*", "gs://chosen"], "needs -r", id="a glob for one level"),
        pytest.param(["ls", "--versions", "gs://kept"], "needs -r", id="versions of one level"),
        pytest.param(["ls", "-r", "--fields", "md5", "gs://kept"], "--fields needs --format", id="fields in text"),
        pytest.param(["ls", "-r", "--fields", "colour", "gs://kept"], "'colour': expected some of", id="no field"),
        pytest.param(["ls", "-r", "--versions", "--soft-deleted", "gs://kept"], "one of them", id="two kinds"),
        pytest.param(["du", "--versions", "--soft-deleted", "gs://kept"], "one of them", id="two kinds, summed up"),
        pytest.param(
            ["ls", "-r", "--min-size", "2k", "--max-size", "1k", "gs://b"],
            "--min-size 2000: expected at most --max-size 1000",
            id="no size left",
        ),
        pytest.param(["ls", "-r", "--min-size", "ten", "gs://b"], "expected bytes", id="no size"),
        pytest.param(["ls", "-r", "--updated-from", "yesterday", "gs://b"], "expected a date", id="no date"),
        pytest.param(["ls", "-r", "--updated-from", "9999999w", "gs://b"], "longer ago", id="an age beyond all time"),
        pytest.param(
            ["ls", "-r", "--updated-from", 5000 * "9" + "d", "gs://b"], "longer ago", id="an age too long to read"
        ),
        pytest.param(["download", "--versions", "gs://kept", "."], "No such option", id="versions to files"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(arguments: list[str], said: str) -> None:
    ran = dataflux(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("10k", 10_000),
        ("10K", 10_000),
        ("1kB", 1000),
        ("5MiB", 5 << 20),
        ("5mib", 5 << 20),
        ("1.5 GB", 1_500_000_000),
        ("0.5Ki", 512),
        ("2T", 2 * 10**12),
        ("1PiB", 1 << 50),
        ("7b", 7),
    ],
)
def test_sizes(typed: str, size: int) -> None:
    assert SizeType().convert(typed, None, None) == size


@pytest.mark.parametrize("typed", ["", "k", "-1", "1.k", "1e3", "10iB", "1 2", "1X"])
def test_what_is_no_size(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="expected bytes"):
        SizeType().convert(typed, None, None)


@pytest.mark.parametrize(
    ("typed", "hour"),
    [
        pytest.param("2026-11-21", 0, id="a date is its beginning in UTC"),
        pytest.param("2026-11-21T12:30", 12.5, id="a time is in UTC"),
        pytest.param("2026-11-21T12:30:00Z", 12.5, id="unless it says so"),
        pytest.param("2026-11-21T12:30+02:00", 10.5, id="or names another zone"),
    ],
)
def test_times(typed: str, hour: float) -> None:
    midnight = datetime(2026, 11, 21, tzinfo=timezone.utc)
    assert MomentType().convert(typed, None, None) == midnight + timedelta(hours=hour)
