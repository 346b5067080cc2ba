"""What is refused before the service is asked anything, in words of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
