"""A playlist of what is on the web already names every file, with what its listing knows."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.flare.creating import Said, joined, meaning_of, stem_and_ending, streams_of_files
from dataflux_core._data.flare.indexed import streams_of_index
from dataflux_core._data.flare.listed_files import ListedFiles
from dataflux_core._data.flare.playlist_file import text_of
from dataflux_core._data.index.opening import open_index
from dataflux_core._run.signed_urls import signer
from dataflux_core._wire.flare.conventions import base_of, mirrored
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import IndexUnusable, InvalidArgument, SigningUnavailable, UnsafeName
from dataflux_core.flare import Playlist
from tests.flare.serving import served, write_files
from tests.flare.signing import signing_client

if TYPE_CHECKING:
    from pathlib import Path

BASE = "https://data.example.org/"


def files_of(*names: str) -> ListedFiles:
    return ListedFiles(names, [len(name) for name in names], [""] * len(names))


def streams(*names: str, said: Said | None = None, stream: str = "") -> dict[str, Any]:
    found = streams_of_files(files_of(*names), lambda name: joined(BASE, name), said or Said(BASE), stream)
    return dict(Playlist.parse(text_of(found)))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a/b.jpg", ("a/b", "jpg")),
        ("a.b/c", ("a.b/c", "")),
        ("B.JPEG", ("B", "jpeg")),
        ("a.tar.gz", ("a", "tar.gz")),
        ("a.b.jsonl.zst", ("a.b", "jsonl.zst")),
        ("a.gz", ("a", "gz")),
        ("d/.hidden", ("d/.hidden", "")),
        ("a.", ("a.", "")),
        ("part-1.of two", ("part-1.of two", "")),
        ("v1.2.gz", ("v1", "2.gz")),
        ("a.ID", ("a", "id")),
    ],
)
def test_a_name_ends_in_an_extension(name: str, parts: tuple[str, str]) -> None:
    assert stem_and_ending(name) == parts


@pytest.mark.parametrize(
    ("ending", "meaning"),
    [
        ("jpg", ("image", None)),
        ("wav", ("audio", None)),
        ("mp4", ("video", None)),
        ("txt", ("text", None)),
        ("jsonl.gz", ("jsonl", "gzip")),
        ("ndjson.zst", ("jsonl", "zstd")),
        ("tgz", ("tar", "gzip")),
        ("tar", ("tar", None)),
        ("parquet", ("parquet", None)),
        ("npz", ("npz", None)),
        ("json", (None, None)),
        ("bin", (None, None)),
        ("", (None, None)),
    ],
)
def test_an_extension_says_what_the_bytes_are(ending: str, meaning: tuple[Any, Any]) -> None:
    assert meaning_of(ending) == meaning


def test_files_of_one_extension_are_a_stream() -> None:
    found = streams("a.jsonl.gz", "b.csv", "c.jsonl.gz", "d")
    assert {name: list(stream.content) for name, stream in found.items()} == {
        "csv": [f"{BASE}b.csv"],
        "file": [f"{BASE}d"],
        "jsonl.gz": [f"{BASE}a.jsonl.gz", f"{BASE}c.jsonl.gz"],
    }
    said = found["jsonl.gz"].conventions
    assert (said.encoding, said.compression, said.sizes, said.crc32c) == ("jsonl", "gzip", [10, 10], None)


def test_files_beside_pictures_are_parts_of_samples() -> None:
    found = streams("a.jpg", "a.txt", "b.jpg", "b.txt", "c.csv")
    assert [found[name].conventions.key for name in ("jpg", "txt", "csv")] == ["id", "id", ""]
    assert [found[name].conventions.encoding for name in ("jpg", "txt", "csv")] == ["image", "raw", "csv"]
    assert [found[name].conventions.records for name in ("jpg", "txt", "csv")] == [[1, 1], [1, 1], None]
    assert {stream.conventions.key for stream in streams("a.jpg", "a.txt", "b.jpg").values()} == {""}


def test_files_of_one_name_that_hold_many_records_are_not_taken_for_samples() -> None:
    found = streams("1.jsonl", "1.npy", "2.jsonl", "2.npy")
    assert [(each.conventions.key, each.conventions.encoding) for each in found.values()] == [
        ("", "jsonl"),
        ("", "npy"),
    ]


def test_one_stream_has_all_files_in_the_order_of_names() -> None:
    found = streams("a.jpg", "a.txt", "b.jpg", stream="all")
    assert [list(stream.content) for stream in found.values()] == [[f"{BASE}a.jpg", f"{BASE}a.txt", f"{BASE}b.jpg"]]
    assert found["all"].conventions.encoding is None
    assert streams("a.jpg", "b.jpg", stream="all")["all"].conventions.encoding == "image"


def test_a_mirror_has_the_paths_of_its_base() -> None:
    names = ["x/deep/a.jpg", "x/deep/b.jpg", "y/c.txt"]
    found = streams(*names, said=Said(BASE, ("https://m.example.org/copy/",)))
    for stream in found.values():
        (mirror,) = stream.conventions.mirrors
        for url in stream.content:
            copy = mirrored(url, base_of(stream.content), mirror)
            assert copy == f"https://m.example.org/copy/{url.removeprefix(BASE)}"


def test_a_mirror_of_an_index_takes_the_place_of_what_its_urls_begin_with() -> None:
    index = index_of(url=["https://h/x/1.jpg", "https://h/x/2.jpg"])
    (found,) = streams_of_index(index, str, Said("", ("https://m.example.org/",)))
    assert found.conventions.mirrors == ("https://m.example.org/",)
    with pytest.raises(InvalidArgument, match="not all chunks of the stream 'url' lie below https://data.example.org/"):
        streams_of_index(index, str, Said(BASE, ("https://m.example.org/",)))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_a_url_names_its_file(name: str) -> None:
    if any(part in {".", ".."} for part in name.split("/")):
        with pytest.raises(UnsafeName):
            joined(BASE, name)
        return
    url = joined(BASE, name)
    parts = urlsplit(url)
    assert (unquote(parts.path.removeprefix("/")), parts.query, parts.fragment) == (name, "", "")
    assert list(streams(name, stream="one")["one"].content) == [url]


def test_a_folder_that_is_served_is_read_by_its_playlist(tmp_path: Path) -> None:
    files = {
        "a b/é.jpg": b"1",
        "a b/é.txt": b"\xff",
        "100%/x?.txt": b"3",
        "100%/x?.jpg": b"4",
        ".hidden": b"",
        "t~": b"",
    }
    write_files(tmp_path, files)
    with served(tmp_path) as url:
        listed = ListedFiles.below(tmp_path).summed(tmp_path)
        found = streams_of_files(listed, lambda name: joined(url, name), Said(url))
        playlist = Playlist.parse(text_of(found))
        assert list(playlist) == ["jpg", "txt"]
        assert list(playlist["txt"].records()) == [b"3", b"\xff"]
        assert list(playlist["jpg"]) == [b"4", b"1"]
        assert playlist["jpg"].record_count() == playlist["txt"].record_count() == 2
    sums = [base64.b64encode(google_crc32c.value(part).to_bytes(4, "big")).decode() for part in (b"4", b"1")]
    assert (playlist["jpg"].conventions.crc32c, playlist["jpg"].conventions.sizes) == (sums, [1, 1])


def index_of(**columns: Any) -> Any:
    return open_index(pa.table(columns))


def test_columns_of_an_index_are_streams_in_the_order_of_its_rows() -> None:
    index = index_of(
        id=["2", "1"],
        image=["https://a.example.org/2.jpg?sig=x.y", "gs://bucket/1.jpg"],
        text=["gs://bucket/2.txt", "gs://bucket/1.txt"],
        label=["cat", "dog"],
        **{"text.size": [5, 6], "text.crc32c": ["AAAAAA==", "AAAAAA=="], "image.size": [5, None]},
    )
    found = Playlist.parse(text_of(streams_of_index(index, lambda url: f"{BASE}{url[5:]}", Said())))
    assert list(found) == ["image", "text"]
    assert list(found["image"].content) == ["https://a.example.org/2.jpg?sig=x.y", f"{BASE}bucket/1.jpg"]
    image, text = found["image"].conventions, found["text"].conventions
    assert (image.sizes, image.key, image.encoding, image.records) == (None, "id", "image", [1, 1])
    assert (text.sizes, text.crc32c, text.encoding) == ([5, 6], ["AAAAAA==", "AAAAAA=="], "raw")


def test_a_missing_value_unties_the_streams() -> None:
    index = index_of(a=["https://h/1", None], b=["https://h/2", "https://h/3"])
    found = streams_of_index(index, str, Said())
    assert [(len(stream.content), stream.conventions.key) for stream in found] == [(1, ""), (2, "")]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("s3://bucket/x", "row 1, column 'url': s3://bucket/x is not on the web"),
        ("/local/x", "row 1, column 'url': /local/x is not on the web"),
        ("x.jpg", "row 1, column 'url': x.jpg is not on the web; give https:// or gs://; with --base-url"),
        ("", "row 1, column 'url'"),
    ],
)
def test_what_is_not_on_the_web_is_named_with_its_row(value: str, said: str) -> None:
    with pytest.raises(IndexUnusable) as raised:
        streams_of_index(index_of(url=["https://h/1", value]), str, Said(), ["url"], "i.csv")
    assert said in str(raised.value)


def test_relative_paths_of_an_index_lie_below_the_base() -> None:
    (found,) = streams_of_index(index_of(url=["a/1.jpg", "https://h/2.jpg"]), str, Said(BASE), ["url"])
    assert list(found.content) == [f"{BASE}a/1.jpg", "https://h/2.jpg"]
    with pytest.raises(IndexUnusable, match="it has no column 'nope', but 'url'"):
        streams_of_index(index_of(url=["a"]), str, Said(BASE), ["nope"], "i.csv")
    with pytest.raises(IndexUnusable, match="no column of it holds URLs; name some with --columns"):
        streams_of_index(index_of(url=["a"]), str, Said(BASE), None, "i.csv")


def test_signed_urls_are_read_without_credentials() -> None:
    with Emulator(buckets={"b": Memory({"a é/1.jpg": b"one"})}) as gcs:
        client = signing_client(gcs)
        url = signer(client, "b", timedelta(hours=2))("a é/1.jpg")
        query = parse_qs(urlsplit(url).query)
        assert (query["X-Goog-Expires"], len(query["X-Goog-Signature"][0])) == (["7200"], 512)
        assert url.startswith(f"{gcs.endpoint}/b/a%20%C3%A9/1.jpg?")
        found = streams_of_files(ListedFiles(["a é/1.jpg"], [3], [""]), lambda _: url, Said())
        assert Playlist.parse(text_of([found[0]]))["jpg"].read(0, 0, 2) == b"on"


def test_what_cannot_be_signed_says_what_it_takes() -> None:
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415 - slow import
    from google.cloud import storage  # noqa: PLC0415

    client = storage.Client("p", AnonymousCredentials())
    with pytest.raises(SigningUnavailable, match="neither the private key of a service account nor such an account"):
        signer(client, "b", timedelta(hours=1))
    for lifetime in (timedelta(days=8), timedelta()):
        with pytest.raises(InvalidArgument, match="from 1 second to 7 days"):
            signer(client, "b", lifetime)
