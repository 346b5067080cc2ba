"""`dataflux playlist validate` says where a playlist is wrong, in the manner of a compiler."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.terminal import dataflux

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flare.conftest import Site

OK = "images:\n  headers: {}\n  content:\n    - https://a.org/1\n"
WARNED = OK.replace("{}", "{encoding: tfrecord}")
WRONG = OK.replace("https://a.org/1", "x\n    - https://u:secret@a.org/1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "playlist.yaml"


def test_a_valid_one(path: Path) -> None:
    path.write_text(OK)
    ran = dataflux("playlist", "validate", str(path))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "1 stream, 1 chunk\n")
    ran = dataflux("playlist", "validate", "-q", str(path))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_a_wrong_one(path: Path) -> None:
    path.write_text(WRONG)
    ran = dataflux("playlist", "validate", str(path))
    assert ran.returncode == 1
    first, second = ran.stdout.splitlines()
    assert first.startswith(f'{path}:4:7: error: images.content[0]: "x" is no URL but a part of one; write all of it')
    assert second.startswith(
        f"{path}:5:7: error: images.content[1]: https://a.org/1 has a user name or password in it; "
    )
    assert ran.stderr == f"dataflux: {path}: no valid playlist: 2 errors\n"


def test_warnings_matter_on_request(path: Path) -> None:
    path.write_text(WARNED)
    ran = dataflux("playlist", "validate", str(path))
    assert (ran.returncode, ran.stderr) == (0, "1 stream, 1 chunk, 1 warning\n")
    assert ran.stdout.startswith(f"{path}:2:23: warning: images.headers.encoding: ")
    ran = dataflux("playlist", "validate", "--strict", str(path))
    assert (ran.returncode, ran.stderr) == (1, f"dataflux: {path}: 1 stream, 1 chunk: 1 warning\n")


def test_as_json(path: Path) -> None:
    path.write_text(WRONG)
    ran = dataflux("playlist", "validate", "--json", str(path))
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(one["severity"], one["line"], one["column"], one["path"]) for one in found] == [
        ("error", 4, 7, "images.content[0]"),
        ("error", 5, 7, "images.content[1]"),
    ]
    assert set(found[0]) == {"source", "severity", "line", "column", "path", "message", "advice"}
    assert "secret" not in ran.stdout


def test_of_a_url(site: Site) -> None:
    site.pages["/p?signature=secret"] = (200, {}, WRONG.encode())
    ran = dataflux("playlist", "validate", f"{site.url}/p?signature=secret")
    assert ran.returncode == 1
    assert ran.stdout.startswith(f"{site.url}/p?…:4:7: error: ")
    assert "secret" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("source", ["none.yaml", ".", "http://127.0.0.1:1/p"])
def test_what_cannot_be_read_is_one_line(source: str) -> None:
    ran = dataflux("playlist", "validate", source)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1


def test_help_names_the_commands() -> None:
    ran = dataflux("playlist", "--help")
    assert ran.returncode == 0
    assert "validate  Say what is wrong with a playlist." in ran.stdout
    assert "playlist" in dataflux("--help").stdout


def test_a_command_that_there_is_not() -> None:
    assert dataflux("playlist", "vaildate").returncode == 2
