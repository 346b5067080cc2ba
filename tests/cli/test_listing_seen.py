"""What `dataflux ls -r` shows of its work: a bar on a terminal, statistics, a trace."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Fault, Latency
from tests.cli.conftest import asked
from tests.cli.terminal import at_terminal, dataflux, seen_at_terminal

if TYPE_CHECKING:
    from pathlib import Path


def last_line(seen: str) -> str:
    """Return what a terminal shows in the end of a line that was drawn again and again."""
    lines = seen.split("\r\n")
    return next(line for line in lines if "objects [" in line).split("\r")[-1]


def test_a_bar_ends_with_what_was_listed(gcs: Emulator) -> None:
    del gcs
    code, seen = seen_at_terminal("ls", "-r", "gs://many", streams="stderr")
    assert code == 0
    assert re.fullmatch(
        r"gs://many: 20,000 objects \[00:\d\d, .* objects/s, \d+ pages\]",
        last_line(seen),
    )
    assert seen.endswith("\r\n")


def test_a_bar_counts_what_is_in_flight(gcs: Emulator) -> None:
    gcs.configure(latency=Latency(list_s=0.3, jitter=0.9))  # pages that come together leave none in flight
    code, seen = seen_at_terminal("ls", "-r", "gs://many", streams="stderr")
    assert code == 0
    assert re.search(r"\d+ in flight", seen)
    assert "in flight" not in last_line(seen)


def test_a_bar_counts_requests_that_failed(gcs: Emulator) -> None:
    gcs.configure(faults=[Fault("list", "503", times=2, retry_after_s=0)])
    code, seen = seen_at_terminal("ls", "-r", "gs://some", streams="stderr")
    assert code == 0
    assert last_line(seen).endswith("1 page, 2 failed]")


def test_after_an_error_the_bar_is_closed_with_what_was_reached() -> None:
    code, seen = seen_at_terminal("ls", "-r", "gs://denied", streams="stderr")
    assert code == 1
    assert last_line(seen).endswith("0 pages, 1 failed]")
    assert seen.split("\r\n")[-2].startswith("dataflux: gs://denied")


def test_after_an_interruption_the_bar_is_closed(gcs: Emulator) -> None:
    gcs.configure(latency=Latency(list_s=30))
    with at_terminal("ls", "-r", "gs://many", streams="stderr") as (process, terminal):
        terminal.read_until(lambda seen: "objects [" in seen)
        process.send_signal(signal.SIGINT)
        seen = terminal.read()
        assert process.wait(60) == 130
    assert seen.endswith("\r\ndataflux: interrupted\r\n")


@pytest.mark.parametrize("arguments", [["-rq"], ["-r", "--quiet", "--unsorted"]])
def test_quiet_means_no_bar(arguments: list[str]) -> None:
    assert seen_at_terminal("ls", *arguments, "gs://many", streams="stderr") == (0, "")


def test_control_characters_of_a_prefix_do_not_reach_the_terminal() -> None:
    code, seen = seen_at_terminal("ls", "-r", "gs://odd/control\x1b[2J\u202e\x9b", streams="stderr")
    assert code == 0
    assert "\\x1b[2J\\u202e\\x9b" in seen
    assert "\x1b[2J" not in seen


def test_a_long_prefix_leaves_room_for_the_counts() -> None:
    _, seen = seen_at_terminal("ls", "-r", "gs://many/" + "x" * 500, streams="stderr")
    assert "…" in last_line(seen)
    assert len(last_line(seen)) < 120


def test_statistics_are_told_beside_the_output(gcs: Emulator) -> None:
    gcs.configure(latency=Latency(list_s=0.05))  # or else pages may take too little of the time to be named
    ran = dataflux("ls", "-r", "--stats", "gs://many")
    assert len(ran.stdout.splitlines()) == 20_000
    assert ran.stderr.startswith("20,000 objects in ")
    assert "at least" in ran.stderr
    assert "pages with objects" in ran.stderr


def test_statistics_are_told_of_a_listing_that_failed() -> None:
    ran = dataflux("ls", "-r", "--stats", "gs://denied")
    assert ran.returncode == 1
    assert ran.stderr.startswith("0 objects in ")
    assert ran.stderr.splitlines()[-1].startswith("dataflux: gs://denied")


@pytest.mark.parametrize("more", [[], ["--unsorted"], ["--format", "json"]], ids=" ".join)
def test_a_trace_is_written_beside_the_output(tmp_path: Path, more: list[str]) -> None:
    ran = dataflux("ls", "-r", "--trace", str(tmp_path / "t.json"), *more, "gs://many")
    assert (ran.returncode, len(ran.stdout.splitlines()), ran.stderr) == (0, 20_000, "")
    made = json.loads((tmp_path / "t.json").read_bytes())
    pages = [event for event in made["traceEvents"] if event.get("cat") == "page"]
    assert sum(event["args"]["objects"] for event in pages) >= 20_000
    assert made["otherData"]["outcome"] == "whole"


def test_a_trace_is_written_of_a_listing_that_failed(tmp_path: Path) -> None:
    ran = dataflux("ls", "-r", "--trace", str(tmp_path / "t.json"), "gs://denied")
    assert ran.returncode == 1
    assert json.loads((tmp_path / "t.json").read_bytes())["otherData"]["outcome"] == "AccessDenied"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["-r", "--trace", "t.txt"], ".json (for Perfetto) or .png", id="another ending"),
        pytest.param(["-r", "--trace", "missing/t.json"], "no directory to write to", id="no such directory"),
        pytest.param(["--trace", "t.json"], "need -r", id="a trace of one level"),
        pytest.param(["--stats"], "need -r", id="statistics of one level"),
        pytest.param(
            ["-r", "--trace", "t.json", "-o", "./t.json"],
            "--output and --trace name the same file",
            id="a trace in place of the output",
        ),
        pytest.param(
            ["-r", "--trace", "t.json", "--resume", "t.json"],
            "--resume and --trace name the same file",
            id="a trace in place of the pages that are kept",
        ),
        pytest.param(["-r", "--resume", "-"], "cannot go to stdout", id="pages kept in stdout"),
    ],
)
def test_what_cannot_be_traced_is_wrong_usage(gcs: Emulator, arguments: list[str], said: str) -> None:
    gcs.reset_requests()
    ran = dataflux("ls", *arguments, "gs://many")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert asked(gcs) == set()
