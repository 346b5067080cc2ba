"""`dataflux ls --resume FILE` goes on with a listing that was interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Latency, Memory, Synthetic
from tests.cli.terminal import COMMAND, dataflux, dataflux_process
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OBJECTS = 3_000
LISTED = "".join(f"gs://b/{name}\n" for name in Synthetic("imagenet", OBJECTS).names(0, OBJECTS))
LIST = ("ls", "-r", "-j", "4", "--resume")


@pytest.fixture(scope="module")
def small_pages() -> Iterator[Emulator]:
    buckets: dict[str, Memory | Synthetic] = {"b": Synthetic("imagenet", OBJECTS), "empty": Memory()}
    with Emulator(buckets=buckets, max_page=50) as running:
        yield running


@pytest.fixture(autouse=True)
def gcs(small_pages: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A service with pages so small that a listing can be interrupted."""
    for variable, value in small_pages.environ.items():
        monkeypatch.setenv(variable, value)
    small_pages.reset_requests()
    yield small_pages
    small_pages.configure(latency=Latency(), token=None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


def amid_a_listing(gcs: Emulator, file: Path, act: Callable[[subprocess.Popen[str]], object]) -> tuple[int, str]:
    """Do something once some pages are kept; return the exit code with what was said."""
    gcs.configure(latency=Latency(list_s=0.2))  # so that it is far from its end then
    command = [*COMMAND, *LIST, str(file), "gs://b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert wait_until(lambda: file.exists() and file.stat().st_size > 10_000)
        act(process)
        said = process.communicate()[1]
    return process.returncode, said


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_the_same_command_goes_on_after_a_signal(gcs: Emulator, file: Path, sent: signal.Signals, code: int) -> None:
    ended, said = amid_a_listing(gcs, file, lambda process: process.send_signal(sent))
    assert ended == code
    assert ("pages are kept; the same command goes on after that\n" in said) == (sent != signal.SIGKILL)
    gcs.configure(latency=Latency())
    gcs.reset_requests()
    ran = dataflux(*LIST, str(file), "gs://b")
    assert (ran.returncode, ran.stdout) == (0, LISTED)
    assert f"{file}: going on after " in ran.stderr
    assert gcs.requests().objects_listed < OBJECTS
    assert not file.exists()


def test_what_could_not_be_written_is_not_asked_for_again(gcs: Emulator, file: Path) -> None:
    assert dataflux_process(*LIST, str(file), "-o", "/dev/full", "gs://b").returncode == 1
    gcs.reset_requests()
    ran = dataflux("ls", "-r", "-q", "--resume", str(file), "-o", str(file.with_name("out")), "gs://b")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert file.with_name("out").read_text() == LISTED
    assert gcs.requests()["list"] == 0
    assert [entry.name for entry in file.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("way", [["--format", "parquet", "-o", "{}/x"], ["--unsorted"], ["--format", "csv", "-l"]])
def test_every_way_of_writing_takes_the_file_away(file: Path, way: list[str]) -> None:
    ran = dataflux(*LIST, str(file), *(word.format(file.parent) for word in way), "gs://b")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert not file.exists()


def test_that_nothing_was_found_is_an_answer_too(file: Path) -> None:
    ran = dataflux(*LIST, str(file), "gs://b/no-such")
    assert "no object's name begins so" in ran.stderr
    assert not file.exists()


def test_a_reader_that_has_seen_enough_leaves_the_file(gcs: Emulator, file: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = dataflux_process(*LIST, str(file), "gs://b", stdout=writing)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, "")
    gcs.reset_requests()
    assert dataflux(*LIST, str(file), "gs://b").stdout == LISTED
    assert gcs.requests()["list"] == 0


def test_a_service_that_refuses_is_told_after_what_is_kept(gcs: Emulator, file: Path) -> None:
    code, said = amid_a_listing(gcs, file, lambda _: gcs.configure(token="another"))  # noqa: S106 - of an emulator
    kept, refused = said.splitlines()
    assert (code, "HTTP 401" in refused) == (1, True)
    gcs.configure(latency=Latency(), token=None)
    ran = dataflux(*LIST, str(file), "gs://b")
    assert (ran.returncode, ran.stdout) == (0, LISTED)
    pages = kept.removeprefix(f"{file}: ").removesuffix(" are kept; the same command goes on after that")
    assert re.fullmatch(r"\d+ pages", pages)
    assert f"{file}: going on after {pages}, " in ran.stderr


def test_statistics_of_what_was_kept_name_no_time(file: Path) -> None:
    assert dataflux_process(*LIST, str(file), "-o", "/dev/full", "gs://b").returncode == 1
    ran = dataflux("ls", "-r", "--stats", "--resume", str(file), "gs://b")
    assert ran.stderr.splitlines()[1:] == ["3,000 objects, all of them listed by an earlier run: nothing was asked for"]


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        pytest.param([], ["-a"], "a listing with no -a, not -a;", id="all"),
        pytest.param([], ["-l"], "with no columns of -l or --fields, not the columns updated (", id="columns"),
        pytest.param(["--min-size", "1k"], [], "with --min-size 1000, not no --min-size;", id="a size"),
        pytest.param([], ["--match-glob", "**.jpg"], "with no --match-glob, not --match-glob '**.jpg';", id="a glob"),
        pytest.param([], ["--versions"], "generation (of -l, --fields), --versions;", id="generations"),
    ],
)
def test_the_file_of_other_options_is_refused_in_their_words(
    file: Path, first: list[str], then: list[str], said: str
) -> None:
    assert dataflux_process(*LIST, str(file), *first, "-o", "/dev/full", "gs://b").returncode == 1
    ran = dataflux(*LIST, str(file), *then, "gs://b")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert said in ran.stderr


def test_the_file_of_another_listing_is_refused_in_one_line(file: Path) -> None:
    file.write_text("mine")
    ran = dataflux(*LIST, str(file), "gs://b")
    assert (ran.returncode, file.read_text()) == (1, "mine")
    assert ran.stderr == (
        f"dataflux: {file}: it is not the checkpoint of a listing; nothing in it was touched, give another file\n"
    )


def test_one_level_needs_no_file(file: Path) -> None:
    ran = dataflux("ls", "--resume", str(file), "gs://b")
    assert ran.returncode == 2
    assert "--resume needs -r" in ran.stderr
