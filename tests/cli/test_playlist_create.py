"""`dataflux playlist create` names what a bucket, a folder, a listing or an index holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Memory
from dataflux_core.flare import Playlist
from tests.cli.conftest import asked
from tests.cli.terminal import dataflux, seen_at_terminal
from tests.flare.signing import signing_client

if TYPE_CHECKING:
    from dataflux_core.emulator import Emulator

FILES = {"train/a.jpg": b"1", "train/a.txt": b"22", "train/b é.jpg": b"333", "train/b é.txt": b"", "other/x.csv": b"4"}


@pytest.fixture(scope="module")
def _stocked(shared_gcs: Emulator) -> None:
    shared_gcs.create_bucket("on-the-web", Memory(FILES))


@pytest.mark.usefixtures("_stocked")
def test_a_bucket_becomes_a_playlist_at_no_extra_call(gcs: Emulator, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    gcs.reset_requests()
    ran = dataflux("playlist", "create", "gs://on-the-web/train/", "-o", str(path), "--license", "CC0-1.0")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "2 streams, 4 chunks, 6 B\n")
    assert asked(gcs) <= {"list", "bucket"}
    playlist = Playlist.load(path)
    assert list(playlist["jpg"].content) == [
        f"{gcs.endpoint}/on-the-web/train/a.jpg",
        f"{gcs.endpoint}/on-the-web/train/b%20%C3%A9.jpg",
    ]
    assert (playlist["jpg"].conventions.sizes, playlist["jpg"].conventions.license) == ([1, 3], "CC0-1.0")
    assert list(playlist["jpg"]) == [b"1", b"333"]  # their crc32c compared
    assert playlist["txt"].conventions.crc32c is not None
    ran = dataflux("playlist", "verify", "-q", str(path))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.usefixtures("_stocked")
def test_signed_urls_need_no_credentials_of_those_who_read(
    gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "p.yaml")
    monkeypatch.setattr("dataflux_core._cli.service.new_client", lambda _: signing_client(gcs))
    ran = dataflux("playlist", "create", "gs://on-the-web/train/", "--signed-for", "2h", "-o", path)
    assert ran.returncode == 0
    assert "the URLs are signed: whoever has the playlist may read" in ran.stderr
    url = Playlist.load(path)["jpg"].content[1]
    assert url.startswith(f"{gcs.endpoint}/on-the-web/train/b%20%C3%A9.jpg?X-Goog-Algorithm=")
    assert "X-Goog-Expires=7200" in url
    ran = dataflux("playlist", "verify", path)
    assert (ran.returncode, ran.stderr) == (0, f"{gcs.endpoint}: 4 chunks, 6 B, all right\n")


@pytest.mark.usefixtures("_stocked")
def test_the_public_service_is_named_where_nothing_else_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listed = tmp_path / "objects.csv"
    assert dataflux("ls", "-r", "-l", "--format", "csv", "-o", str(listed), "gs://on-the-web").returncode == 0
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    ran = dataflux("playlist", "create", str(listed), "--root", "gs://on-the-web", "--stream", "all")
    playlist = Playlist.parse(ran.stdout)
    assert playlist["all"].content[0] == "https://storage.googleapis.com/on-the-web/other/x.csv"
    assert len(playlist["all"].content) == 5


@pytest.mark.usefixtures("_stocked")
def test_objects_can_be_chosen_and_named_by_another_server() -> None:
    ran = dataflux(
        *["playlist", "create", "gs://on-the-web", "--match-glob", "train/*.jpg", "--min-size", "2"],
        *["--base-url", "https://cdn.example.org/b", "--mirror", "https://m.example.org/b/"],
    )
    (stream,) = Playlist.parse(ran.stdout).values()
    assert list(stream.content) == ["https://cdn.example.org/b/train/b%20%C3%A9.jpg"]
    assert stream.conventions.mirrors == ("https://m.example.org/b/train/",)


@pytest.mark.usefixtures("_stocked")
def test_an_index_of_a_bucket_becomes_streams(gcs: Emulator, tmp_path: Path) -> None:
    index = str(tmp_path / "i.parquet")
    assert dataflux("index", "-q", "gs://on-the-web/train/", "-o", index).returncode == 0
    ran = dataflux("playlist", "create", index, "--columns", "txt,jpg")
    assert (ran.returncode, ran.stderr) == (0, "2 streams, 4 chunks, 6 B\n")
    playlist = Playlist.parse(ran.stdout)
    assert [(name, stream.conventions.sizes) for name, stream in playlist.items()] == [("txt", [2, 0]), ("jpg", [1, 3])]
    assert playlist["txt"].content[0] == f"{gcs.endpoint}/on-the-web/train/a.txt"


def test_a_folder_becomes_a_playlist(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").write_bytes(b"x\n1\n")
    ran = dataflux("playlist", "create", str(tmp_path / "data"), "--base-url", "https://h.example.org/d", "--checksums")
    (stream,) = Playlist.parse(ran.stdout).values()
    assert (list(stream.content), stream.conventions.sizes) == (["https://h.example.org/d/a.csv"], [4])
    assert stream.conventions.crc32c is not None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["gs://empty"], 1, "gs://empty/: no object's name begins so"),
        (["gs://some/nope/"], 1, "gs://some/nope/: no object's name begins so"),
        (["gs://denied"], 1, "HTTP 403"),
        (["gs://some", "--signed-for", "1h"], 1, "no credentials that can sign URLs"),
        (["gs://some", "--signed-for", "8d"], 2, "from 1 second to 7 days"),
        (["gs://some", "--signed-for", "1h", "--base-url", "https://h/"], 2, "for the bucket's own URLs alone"),
        (["gs://some", "--signed-for", "1h", "--mirror", "https://h/"], 2, "holds for one server alone"),
        (["folder"], 2, "a folder is not on the web: say where it will be with --base-url"),
        (["folder", "--base-url", "https://h/"], 1, "folder: no file is there"),
        (["folder", "--base-url", "ftp://h/"], 2, "expected a directory such as https://host/path/"),
        (["folder", "--base-url", "https://h/?a=b"], 2, "expected a directory such as https://host/path/"),
        (["i.csv", "--root", "gs://b/x"], 2, "expected a whole bucket"),
        (["none.csv", "--root", "gs://b"], 2, "--root goes with a listing in a file"),
        (["i.csv", "--min-size", "3"], 2, "options that choose among objects go with a bucket alone"),
        (["i.csv", "--stream", "a", "--columns", "a"], 2, "the streams of an index are its columns"),
        (["i.csv", "--columns", "nope"], 1, "it has no column 'nope', but 'a', 'b'"),
        (["i.csv"], 1, "no column of it holds URLs"),
        (["i.csv", "-o", "i.csv"], 2, "SRC and --output name the same file"),
        (["listing.csv"], 2, "is a listing: say of which bucket with --root gs://NAME"),
        (["i.csv", "--stream", "a"], 2, "the streams of an index are its columns"),
        (["i.csv", "--checksums"], 2, "--checksums goes with a folder alone"),
        (["i.csv", "--columns", "a", "--base-url", "https://h/", "--signed-for", "1h"], 2, "for the bucket's own URLs"),
        (["web.csv", "--signed-for", "1h"], 2, "goes with objects of a bucket, which the index has none of"),
        (["gs.csv", "--base-url", "https://h/"], 2, "the index has objects of gs://a, gs://b: leave it out"),
        (["gs://some", "--columns", "a"], 2, "--columns goes with an index alone"),
        (["gs://some", "--checksums"], 2, "--checksums goes with a folder alone"),
        (["folder", "--base-url", "https://h/", "--columns", "a"], 2, "--columns goes with an index alone"),
        (["folder", "--signed-for", "1h"], 2, "goes with objects of a bucket, which a folder has none of"),
        (["gs://nope", "--stream", "a\tb"], 1, "has a control character in it"),
        (["none.csv"], 2, "SRC 'none.csv': there is no such file or folder; correct the path"),
        (["none", "--base-url", "https://h/"], 2, "SRC 'none': there is no such file or folder; correct the path"),
        (["http://x.example.org/"], 1, "a directory of a web server cannot be listed; give an index of the URLs"),
        (["folder", "--base-url", "http://u:secret@h/"], 2, "'http://h/': a user name or password may not be in it"),
        (["some.txt"], 1, "an index that ends in '.txt' is unknown"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("i.csv").write_text("a,b\n1,2\n")
    Path("web.csv").write_text("url\nhttps://h/1\n")
    Path("gs.csv").write_text("url\ngs://a/1\ngs://b/1\n")
    Path("some.txt").write_text("")
    Path("listing.csv").write_text("name,size\na,1\n")
    ran = dataflux("playlist", "create", *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in " ".join(ran.stderr.split())
    assert "secret" not in ran.stderr
    assert code == 2 or len(ran.stderr.splitlines()) == 1


def test_a_directory_that_may_not_be_written_to_is_said_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, as whom tests may run, may write anywhere
    ran = dataflux("playlist", "create", "gs://some", "-o", str(tmp_path / "p.yaml"))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"the directory {tmp_path} may not be written to" in " ".join(ran.stderr.split())


def test_nothing_is_left_of_an_output_that_failed(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("before")
    assert dataflux("playlist", "create", "gs://denied", "-o", str(path)).returncode == 1
    assert [each.read_text() for each in tmp_path.iterdir()] == ["before"]


def test_a_terminal_sees_a_bar_of_the_listing(tmp_path: Path) -> None:
    code, seen = seen_at_terminal("playlist", "create", "gs://many/", "-o", str(tmp_path / "p.yaml"), streams="stderr")
    assert code == 0
    assert "20,000 objects" in seen
    assert "20,000 chunks" in seen


def test_help_has_examples_that_name_real_options() -> None:
    for command in ("create", "pack", "info", "cat", "verify", "serve"):
        ran = dataflux("playlist", command, "--help")
        assert ran.returncode == 0
        assert f"dataflux playlist {command} " in ran.stdout
        assert command in dataflux("playlist", "--help").stdout


def test_json_of_info_is_json(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    assert dataflux("playlist", "create", "-q", "gs://some/", "-o", str(path)).stderr == ""
    (facts,) = map(json.loads, dataflux("playlist", "info", "--json", str(path)).stdout.splitlines())
    assert (facts["chunks"], facts["crc32c"], facts["sha256"]) == (300, True, False)


def test_a_service_that_is_no_url_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "objects.csv"
    listed.write_text("name,size\na,1\nb,1\n")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:9000")
    ran = dataflux("playlist", "create", str(listed), "--root", "gs://some")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "STORAGE_EMULATOR_HOST=127.0.0.1:9000: expected http://HOST:PORT" in " ".join(ran.stderr.split())
