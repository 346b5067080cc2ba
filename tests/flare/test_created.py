"""What a new playlist names is what can be read."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from dataflux_core._cli.playlist_create import create
from dataflux_core._data.flare.creating import Said, joined, streams_of_files
from dataflux_core._data.flare.listed_files import ListedFiles
from dataflux_core._data.flare.playlist_file import text_of
from dataflux_core.emulator import Emulator
from dataflux_core.flare import Playlist

if TYPE_CHECKING:
    from pathlib import Path

BASE = "https://data.example.org/"


def test_files_without_extension_keep_apart_from_those_of_file() -> None:
    files = ListedFiles(["a.file", "b", "c.file_"], [1, 1, 1], [""] * 3)
    found = streams_of_files(files, lambda name: joined(BASE, name), Said(BASE))
    playlist = Playlist.parse(text_of(found))
    assert {name: list(playlist[name].spec.content) for name in playlist} == {
        "file__": [f"{BASE}b"],
        "file": [f"{BASE}a.file"],
        "file_": [f"{BASE}c.file_"],
    }


def test_a_playlist_within_its_folder_is_none_of_its_chunks(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.txt", "index.parquet", "deep/index.parquet", "b.tmp"):
        (tmp_path / name).write_text("a")
    output = tmp_path / "deep" / "playlist.yaml"
    arguments = [str(tmp_path), "--base-url", BASE, "-o", str(output)]
    texts = []
    for _ in range(2):
        done = CliRunner().invoke(create, arguments)
        assert done.exit_code == 0, done.output
        texts.append(output.read_text())
    assert texts[0] == texts[1]
    playlist = Playlist.parse(texts[0])
    assert [list(playlist[name].spec.content) for name in playlist] == [
        [f"{BASE}deep/index.parquet"],
        [f"{BASE}a.txt"],
    ]


@pytest.mark.parametrize("name", ["x/a.jsonl", "x/a.jsonl.gz"])
def test_objects_that_the_service_unpacks_are_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "playlist.yaml"
    with Emulator() as gcs:
        for variable, value in gcs.environ.items():
            monkeypatch.setenv(variable, value)
        from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - slow
        from google.cloud import storage  # noqa: PLC0415

        client = storage.Client(project="p", credentials=AnonymousCredentials())
        client.create_bucket("b")
        blob = client.bucket("b").blob(name)
        blob.content_encoding = "gzip"
        blob.upload_from_string(gzip.compress(b'{"a": 1}\n' * 1000))
        client.bucket("b").blob("x/index.parquet").upload_from_string(b"none")
        done = CliRunner().invoke(create, ["gs://b/x/", "-o", str(output)])
        assert done.exit_code == 0, done.output
        playlist = Playlist.load(output)
        assert list(playlist) == ["jsonl"]
        said = playlist["jsonl"].spec.conventions
        assert (said.encoding, said.compression, said.sizes, said.crc32c) == ("jsonl", None, None, None)
        assert len(list(playlist["jsonl"].records())) == 1000
