"""`dataflux playlist pack` leaves chunks with a playlist, or nothing that looks like one."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dataflux_core.flare import Playlist
from tests.cli.terminal import COMMAND, TIMEOUT_S, at_terminal, dataflux, seen_at_terminal
from tests.flare.serving import served, write_files

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"a.txt": b"one", "b.txt": b"two", "c.txt": b"three"}
BASE = ["--base-url", "https://data.example.org/set"]


def test_a_folder_is_packed(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", FILES)
    ran = dataflux("playlist", "pack", str(source), str(tmp_path / "dst"), "--chunk-size", "2KiB", *BASE)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == f"3 samples, 2 chunks, 20.0 KiB; wrote {tmp_path}/dst/playlist.yaml\n"
    stream = Playlist.load(tmp_path / "dst/playlist.yaml")["samples"]
    assert list(stream.content) == [f"https://data.example.org/set/samples-0000{number}.tar" for number in (0, 1)]
    assert stream.conventions.records == [2, 1]


def test_a_base_url_is_written_as_it_is_sent(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", FILES)
    dataflux("playlist", "pack", str(source), str(tmp_path / "dst"), "--base-url", "https://h.example.org/a é")
    stream = Playlist.load(tmp_path / "dst/playlist.yaml")["samples"]
    assert list(stream.content) == ["https://h.example.org/a%20%C3%A9/samples-00000.tar"]


def test_packed_served_verified_and_read(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", FILES)
    with served(write_files(tmp_path / "dst", {})) as url:
        packed = str(tmp_path / "dst" / "set")
        assert dataflux("playlist", "pack", "-q", str(source), packed, "--base-url", f"{url}set").stderr == ""
        playlist = f"{url}set/playlist.yaml"
        assert dataflux("playlist", "validate", "--strict", playlist).returncode == 0
        assert dataflux("playlist", "verify", playlist).stderr.endswith("1 chunk, 10.0 KiB, all right\n")
        ran = dataflux("playlist", "cat", playlist, "samples", "--records", "1:2")
    assert ran.stdout == '{"id": "b", "txt": "two"}\n'


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["src", "dst"], 2, "Missing option '--base-url'"),
        (["none", "dst", *BASE], 2, "does not exist"),
        (["src/a.txt", "dst", *BASE], 2, "is a file"),
        (["src", "src/dst", *BASE], 2, "expected a place outside the folder"),
        (["src", "gs://b/dst", *BASE], 2, "expected a directory of this machine"),
        (["src", "full", *BASE], 1, "it holds files already"),
        (["src", "dst", "--base-url", "https://u:p@h/"], 2, "'https://h/': a user name or password may not be in it"),
        (["src", "dst", "--format", "zip", *BASE], 2, "'zip' is not one of 'tar', 'jsonl', 'npy', 'parquet'"),
        (["src", "dst", "--format", "npy", *BASE], 1, "npy holds the arrays of .npy alone"),
        (["src", "dst", "--format", "parquet", "--compression", "gzip", *BASE], 2, "Parquet compresses its own pages"),
        (["src", "dst", "--chunk-size", "0", *BASE], 2, "expected 1 B or more"),
        (["empty", "dst", *BASE], 1, "no file is there"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path / "src", FILES)
    write_files(tmp_path / "full", {"x": b""})
    write_files(tmp_path / "empty", {})
    ran = dataflux("playlist", "pack", *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in " ".join(ran.stderr.split())
    assert code == 2 or len(ran.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.yaml"))


def test_ctrl_c_leaves_no_half_chunk_and_the_same_command_goes_on(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", {f"{number}.bin": b"x" * 1000 for number in range(3000)})
    arguments = ["playlist", "pack", str(source), str(tmp_path / "dst"), "--chunk-size", "1", *BASE]
    with at_terminal(*arguments, streams="stderr") as (process, terminal):
        terminal.read_until(lambda seen: "%" in seen)
        process.send_signal(signal.SIGINT)
        said = terminal.read()
        assert process.wait(TIMEOUT_S) == 130
    assert "chunks that are whole stay; the same command goes on after them" in said
    assert said.endswith("dataflux: interrupted\r\n")
    there = {path.name for path in (tmp_path / "dst").iterdir()}
    assert "playlist.yaml" not in there
    assert not {name for name in there if name.endswith(".part")}
    ran = dataflux(*arguments)
    assert ran.returncode == 0
    assert "there already)" in ran.stderr


def test_chunks_of_another_pack_that_go_are_counted(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", {"a.txt": b"one", "b.txt": b"two", "c.txt": b"\xff"})
    arguments = ["playlist", "pack", str(source), str(tmp_path / "dst"), *BASE]
    ran = dataflux(*arguments, "--format", "jsonl", "--chunk-size", "1")
    assert ran.returncode == 1
    assert "pack into tar or parquet" in ran.stderr
    ran = dataflux(*arguments)
    assert ran.returncode == 0
    removed, done = ran.stderr.splitlines()
    assert removed == "removed 2 chunks of the pack that was interrupted, no part of this one"
    assert done.startswith("3 samples, 1 chunk, ")


def test_a_terminal_sees_a_bar(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", FILES)
    code, seen = seen_at_terminal("playlist", "pack", str(source), str(tmp_path / "dst"), *BASE, streams="stderr")
    assert code == 0
    assert "packing" in seen


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("pyarrow", ["pack", ".", "dst", *BASE], "streaming"),
        ("numpy", ["pack", ".", "dst", *BASE], "streaming"),
        ("yaml", ["pack", ".", "dst", *BASE], "flare"),
        ("pyarrow", ["create", "gs://bucket/", *BASE], "streaming"),
        ("yaml", ["create", "gs://bucket/"], "flare"),
        ("yaml", ["info", "p.yaml"], "flare"),
        ("yaml", ["verify", "p.yaml"], "flare"),
        ("yaml", ["cat", "p.yaml", "x"], "flare"),
        ("uvloop", ["serve", "."], "emulator"),
        ("httptools", ["serve", "."], "emulator"),
    ],
)
def test_what_is_not_installed_is_named(module: str, arguments: list[str], extra: str, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules[sys.argv[1]] = None; "
        "from dataflux_core._cli.root import run; sys.exit(run(['playlist', *sys.argv[2:]]))"
    )
    command = [sys.executable, "-c", program, module, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=TIMEOUT_S)
    assert f"pip install 'dataflux_core[{extra}]'" in ran.stderr
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)


def test_a_full_disk_ends_it_and_the_same_command_goes_on(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", {"a.bin": b"x" * 1000, "b.bin": b"x" * 100_000, "c.bin": b"x"})
    arguments = ["playlist", "pack", str(source), str(tmp_path / "dst"), "--chunk-size", "1000", *BASE]
    limited = ["bash", "-c", 'ulimit -f 20 && exec "$@"', "-", *COMMAND, *arguments]  # blocks of 1 KiB for each file
    ran = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    goes_on, error = ran.stderr.splitlines()
    assert (ran.returncode, goes_on) == (1, "chunks that are whole stay; the same command goes on after them")
    assert error.startswith(f"dataflux: the chunk: cannot write {tmp_path}/dst/samples-00001.tar: File too large")
    assert sorted(path.name for path in (tmp_path / "dst").iterdir()) == [".dataflux-pack", "samples-00000.tar"]
    ran = dataflux(*arguments)
    assert ran.returncode == 0
    assert ran.stderr.startswith("3 samples, 3 chunks (1 there already), ")
