"""What is refused before the service is asked anything, in words of the command line."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataflux_core._cli.download import MIN_MEMORY_BYTES
from dataflux_core._cli.wording import worded
from dataflux_core._data.directory import MIN_MEMORY_BYTES as LIBRARY_S_BYTES
from dataflux_core._data.directory_errors import not_written
from dataflux_core.errors import ConnectionBroken, DatafluxError, EndpointUnreachable
from tests.cli.conftest import asked
from tests.cli.terminal import dataflux

if TYPE_CHECKING:
    import subprocess

    from dataflux_core.emulator import Emulator


def refused(gcs: Emulator, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run what is wrong usage, which asks nothing, writes nothing."""
    gcs.reset_requests()
    before = sorted(Path.cwd().iterdir())
    ran = dataflux(*arguments)
    assert (ran.returncode, ran.stdout, asked(gcs)) == (2, "", set()), ran.stderr
    assert sorted(Path.cwd().iterdir()) == before
    return ran


@pytest.mark.parametrize("url", ["s3://x", "gs://some", "file:///tmp/x"])
def test_a_url_is_no_directory_to_write_to(
    gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = refused(gcs, "download", "gs://mixed", url)
    assert f"Invalid value for 'DIR': '{url}': expected a directory of this machine" in ran.stderr
    assert dataflux("download", "-q", "gs://mixed/d/", f"./{url}").returncode == 0
    assert Path(url, "b").read_bytes() == b"22"


@pytest.mark.parametrize(("name", "reason"), [(".", "a directory"), ("none.csv", "no such file")])
@pytest.mark.parametrize("line", [["download", "--from"], ["diff"]], ids=["download --from", "diff"])
def test_what_is_no_file_of_a_listing_is_called_what_it_is(
    gcs: Emulator, line: list[str], name: str, reason: str
) -> None:
    assert f"'{name}': {reason}" in refused(gcs, *line, name, "gs://mixed", "x").stderr


def test_too_little_memory_is_the_option_s_to_have_been_more(gcs: Emulator, tmp_path: Path) -> None:
    ran = refused(gcs, "download", "--max-memory", "10", "gs://mixed", str(tmp_path / "new"))
    assert "Invalid value for '--max-memory': '10': expected 1.0 MiB or more" in ran.stderr
    assert MIN_MEMORY_BYTES == LIBRARY_S_BYTES


@pytest.mark.parametrize("line", [["download", "--from"], ["diff"]], ids=["download --from", "diff"])
def test_a_file_that_holds_no_listing_is_blamed_on_what_named_it(
    gcs: Emulator, tmp_path: Path, line: list[str]
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("gs://mixed/d/b\n")
    ran = refused(gcs, *line, str(kept), "gs://mixed", *([str(tmp_path / "new")] if "download" in line else []))
    option = "--from" if "download" in line else "PREVIOUS.parquet"
    assert f"Invalid value for {option!r}: {kept}: expected " in ran.stderr


@pytest.mark.parametrize("path", ["/dev/null", "dangling"])
def test_what_can_be_no_directory_is_wrong_usage(
    gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere")
    ran = refused(gcs, "download", "gs://mixed", path)
    assert re.search(
        rf"Invalid value for 'DIR': .*{path}.*: expected a directory, or a path where one can be made", ran.stderr
    )


def test_an_endpoint_that_is_none_is_blamed_on_its_variable(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "ftp://127.0.0.1")
    ran = refused(gcs, "ls", "gs://mixed")
    assert "Error: STORAGE_EMULATOR_HOST 'ftp://127.0.0.1': expected http:// or https://" in ran.stderr
    assert "api_endpoint" not in ran.stderr


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        pytest.param(EndpointUnreachable("http://x", "refused"), "and STORAGE_EMULATOR_HOST", id="nobody answers"),
        pytest.param(ConnectionBroken("gs://x", "reset"), "used up: run the command again", id="a connection broke"),
        pytest.param(not_written("a", "/a", OSError(errno.EMFILE, "!")), "requests at once (-j); ", id="open files"),
        pytest.param(
            not_written("a", "/a", OSError(errno.ENOSPC, "!")), "then run the command again; ", id="full disk"
        ),
    ],
)
def test_advice_is_what_the_command_can_follow(error: DatafluxError, advice: str) -> None:
    assert advice in worded(str(error))
    assert not re.search("retry_config|call again", worded(str(error)))


def test_advice_names_the_options_that_follow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = dataflux("download", "gs://odd", str(tmp_path / "new"))
    assert ran.stderr.endswith("; nothing is written, choose --unsafe-names encode or skip\n")
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([1, 1, 1000, 2, 2, 0, 0, 0, 0, 255]))
    ran = dataflux("download", "gs://mixed/d/", str(tmp_path / "new"))
    assert "or choose --free-space ignore where" in ran.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param(
            ["--from", __file__, "--from", "tests/../pyproject.toml"],
            "Invalid value for '--from': expected one file, not 2",
            id="two listings",
        ),
        pytest.param(
            ["--strategy", "direct", "--optimize", "cost"],
            "--optimize says what --strategy auto saves: with --strategy direct nothing is chosen",
            id="what a choice saves where there is none",
        ),
        pytest.param(
            ["--start-offset", "z", "--end-offset", "a"],
            "no name is from --start-offset 'z' on and below --end-offset 'a'",
            id="offsets the wrong way round",
        ),
        pytest.param(
            ["--start-offset", "a", "--end-offset", "a"],
            "no name is from --start-offset 'a' on and below --end-offset 'a'",
            id="offsets with nothing between",
        ),
    ],
)
def test_options_that_mean_nothing_together(gcs: Emulator, tmp_path: Path, options: list[str], reason: str) -> None:
    assert reason in refused(gcs, "download", *options, "gs://mixed", str(tmp_path / "new")).stderr
