"""A folder that is packed comes back from a web server with every byte, however the packing went."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflux_core._data.flare.chunk_files import write_chunk
from dataflux_core._data.flare.gathering import Folder, Sample, SampleFile, gathered, tar_bytes
from dataflux_core._data.flare.packing import PackOptions, pack
from dataflux_core.errors import (
    DatafluxError,
    FileNotRead,
    FileNotWritten,
    IndexUnusable,
    InvalidArgument,
    ObjectChanged,
    PlaylistInvalid,
)
from dataflux_core.flare import Playlist
from tests.flare.serving import served, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HTTPS = "https://data.example.org/set/"
FILES = {
    "a.jpg": b"\xff\xd8picture",
    "a.txt": b"caption",
    "b.jpg": b"",
    "b.txt": "läßt\r\n\n".encode(),
    "sub/c.d.JPG": b"\0" * 3000,
    "sub/c.d.txt": b"",
    "README": b"no extension",
}
OPTIONS = PackOptions(HTTPS, chunk_bytes=6000)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with served(root) as url:
        yield url


def expected(files: dict[str, bytes]) -> list[dict[str, Any]]:
    """Group files as the specification says, in another way than the code."""
    samples: dict[str, dict[str, Any]] = {}
    for name, content in files.items():
        stem, dot, extension = name.rpartition(".")
        if not dot or "/" in extension:
            stem, extension = name, "file"
        samples.setdefault(stem, {"id": stem})[extension.lower()] = content
    return [samples[stem] for stem in sorted(samples)]


def present(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize(
    ("format_", "chunk_bytes", "chunks"),
    [
        ("tar", 1, 4),
        ("tar", 3072, 3),  # a header and the contents of three files take as many blocks
        ("tar", 10**6, 1),
        ("parquet", 1, 4),
        ("parquet", 30, 3),
        ("parquet", 10**6, 1),
    ],
)
def test_what_is_packed_then_served_comes_back(  # noqa: PLR0913, PLR0917 - fixtures beside the table
    root: Path, url: str, tmp_path: Path, format_: Any, chunk_bytes: int, chunks: int
) -> None:
    name = f"{format_}-{chunk_bytes}"
    done = pack(
        write_files(tmp_path / "src", FILES),
        root / name,
        PackOptions(f"{url}{name}/", format_, chunk_bytes=chunk_bytes),
    )
    playlist = Playlist.load(f"{url}{name}/playlist.yaml")
    assert playlist.validate() == []
    assert [present(record) for record in playlist["samples"].records()] == expected(FILES)
    said = playlist["samples"].conventions
    assert said.records is not None
    assert (sum(said.records), done.samples, done.chunks) == (4, 4, len(said.records))
    assert len(said.records) == chunks


# Names that any file system holds, apart where letter cases are folded; any bytes.
_STEMS = st.text("abcXYZ019._- é", min_size=1, max_size=8).filter(
    lambda name: not name.startswith(".") and name.strip()
)
_SAMPLES = st.dictionaries(
    _STEMS.map(str.lower).filter(lambda stem: "." not in stem[-17:]),
    st.dictionaries(st.sampled_from(["jpg", "txt", "x_1"]), st.binary(max_size=300), min_size=1),
    min_size=1,
    max_size=6,
)
_WAYS = [("tar", None), ("tar", "gzip"), ("tar", "zstd"), ("parquet", None)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SAMPLES, st.sampled_from(_WAYS), st.sampled_from([1, 200, 3000]))
def test_every_byte_of_every_sample_comes_back(
    root: Path, url: str, samples: dict[str, dict[str, bytes]], way: tuple[Any, Any], chunk_bytes: int
) -> None:
    format_, compression = way
    files = {f"{stem}.{extension}": content for stem, found in samples.items() for extension, content in found.items()}
    name = hashlib.sha256(repr((files, format_, compression, chunk_bytes)).encode()).hexdigest()
    source, directory = root / f".{name}", root / name
    if not directory.exists():  # hypothesis may give an example twice
        write_files(source, files)
        pack(source, directory, PackOptions(f"{url}{name}/", format_, chunk_bytes, compression))
    found = Playlist.load(f"{url}{name}/playlist.yaml")["samples"]
    assert sorted((present(record) for record in found.records()), key=lambda one: str(one["id"])) == expected(files)


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
def test_texts_become_json_lines(root: Path, url: str, tmp_path: Path, compression: Any) -> None:
    files = {"a.txt": b"one\r\n\xe2\x80\xa8two", "a.json": b'{"x": 1}', "b.txt": b'"\\', "b.json": b"\0"}
    name = f"jsonl-{compression}"
    pack(write_files(tmp_path, files), root / name, PackOptions(f"{url}{name}/", "jsonl", compression=compression))
    texts = [{key: value.decode() if key != "id" else value for key, value in one.items()} for one in expected(files)]
    assert list(Playlist.load(f"{url}{name}/playlist.yaml")["samples"].records()) == texts


@pytest.mark.parametrize("dtype", ["float32", "<i8", ">f4", "?", "complex64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_arrays_are_stacked(root: Path, url: str, tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    numbers = np.arange(6)[: int(np.prod(shape))].reshape(shape)
    arrays = [np.array(numbers + n, dtype, order="F") for n in (0, 1, 2)]
    for number, array in enumerate(arrays):
        np.save(tmp_path / f"{number}.npy", array)
    name = f"npy-{hashlib.sha256(repr((dtype, shape)).encode()).hexdigest()}"
    pack(tmp_path, root / name, PackOptions(f"{url}{name}/", "npy", chunk_bytes=400))
    stream = Playlist.load(f"{url}{name}/playlist.yaml")["samples"]
    assert (stream.conventions.shape, stream.conventions.dtype) == (shape, np.dtype(dtype).newbyteorder("=").name)
    for found, array in zip(stream.records(), arrays, strict=True):
        np.testing.assert_array_equal(found, array)


def test_extensions_become_streams_of_one_order(root: Path, url: str, tmp_path: Path) -> None:
    files = {f"{stem}.{extension}": f"{stem}{extension}".encode() for stem in "abcde" for extension in ("jpg", "txt")}
    options = PackOptions(f"{url}by/", "parquet", chunk_bytes=10, by_extension=True)
    pack(write_files(tmp_path / "src", files), root / "by", options)
    playlist = Playlist.load(f"{url}by/playlist.yaml")
    assert list(playlist) == ["jpg", "txt"]
    assert playlist["jpg"].conventions.key == playlist["txt"].conventions.key == "id"
    assert playlist["jpg"].conventions.records == playlist["txt"].conventions.records == [1] * 5
    pairs = [(jpg["jpg"], txt["txt"]) for jpg, txt in playlist.zip("jpg", "txt")]
    assert pairs == [(f"{stem}jpg".encode(), f"{stem}txt".encode()) for stem in "abcde"]


def test_the_playlist_has_what_is_known_of_every_chunk(tmp_path: Path) -> None:
    options = replace(
        OPTIONS, mirrors=("https://m.example.org/",), description="Some: data", license="CC0-1.0", stream="it's"
    )
    pack(write_files(tmp_path / "src", FILES), tmp_path / "dst", options)
    stream = Playlist.load(tmp_path / "dst/playlist.yaml")["it's"]
    said = stream.conventions
    chunks = [(tmp_path / "dst" / url.removeprefix(HTTPS)).read_bytes() for url in stream.content]
    assert [path.removeprefix(HTTPS) for path in stream.content] == ["it_s-00000.tar", "it_s-00001.tar"]
    assert said.sizes == [len(chunk) for chunk in chunks]
    assert said.sha256 == [hashlib.sha256(chunk).hexdigest() for chunk in chunks]
    sums = [base64.b64encode(google_crc32c.value(chunk).to_bytes(4, "big")).decode() for chunk in chunks]
    assert said.crc32c == sums
    assert (said.mirrors, said.description, said.license) == (("https://m.example.org/",), "Some: data", "CC0-1.0")


@pytest.mark.parametrize(
    ("format_", "compression"),
    [("tar", None), ("tar", "gzip"), ("tar", "zstd"), ("parquet", None), ("jsonl", "gzip"), ("jsonl", "zstd")],
)
def test_the_same_samples_give_the_same_bytes(tmp_path: Path, format_: Any, compression: Any) -> None:
    files = dict.fromkeys(FILES, b"text")
    options = PackOptions(HTTPS, format_, 8, compression)
    for place, time_s in (("1", 1_000_000_000), ("2", 2_000_000_000)):
        source = write_files(tmp_path / place / "src", dict(reversed(files.items())) if place == "2" else files)
        for path in source.rglob("*"):
            os.utime(path, (time_s, time_s))
            path.chmod(0o755 if place == "2" else 0o644 | (0o111 if path.is_dir() else 0))
        pack(source, tmp_path / place / "dst", options)
    assert content(tmp_path / "1/dst") == content(tmp_path / "2/dst")


def test_other_programs_read_the_tar(tmp_path: Path) -> None:
    long = f"{'d' * 90}/{'e' * 90}/{'é' * 40}.jpg"
    pack(write_files(tmp_path / "src", {long: b"1", "b.jpg": b"22"}), tmp_path / "dst", OPTIONS)
    listed = subprocess.run(
        ["/usr/bin/env", "tar", "tf", tmp_path / "dst/samples-00000.tar", "--quoting-style=literal"],
        capture_output=True,
        check=True,
    )
    assert listed.stdout.decode().split() == ["b.jpg", long]
    with tarfile.open(tmp_path / "dst/samples-00000.tar") as archive:
        assert {(member.mtime, member.uid, member.uname, member.mode) for member in archive} == {(0, 0, "", 0o644)}


@given(st.lists(st.integers(0, 50)), st.integers(1, 60))
def test_gathering_loses_nothing_and_keeps_order(sizes: list[int], target: int) -> None:
    samples = [Sample(str(number), (SampleFile("x", "", size),)) for number, size in enumerate(sizes)]
    groups = list(gathered(samples, target))
    assert [sample for group in groups for sample in group] == samples
    assert all(len(group) == 1 or sum(sample.size for sample in group) <= target for group in groups)
    for group, after in pairwise(groups):
        assert sum(sample.size for sample in group) + after[0].size > target


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("aé/", min_size=1, max_size=120), st.integers(0, 2000)), max_size=8))
def test_what_a_tar_takes_is_known_beforehand(files: list[tuple[str, int]]) -> None:
    samples = [Sample(name, (SampleFile("x", "", size),)) for name, size in files]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for sample in samples:
            member = tarfile.TarInfo(f"{sample.id}.x")
            member.size = sample.size
            tar.addfile(member, io.BytesIO(bytes(sample.size)))
        assert tar.offset == sum(map(tar_bytes, samples))


def test_what_was_whole_is_kept_where_nothing_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, directory = write_files(tmp_path / "src", FILES), tmp_path / "dst"
    options = replace(OPTIONS, chunk_bytes=1)
    interrupt_at(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pack(source, directory, options)
    monkeypatch.undo()
    assert sorted(content(directory)) == [".dataflux-pack", "samples-00000.tar", "samples-00001.tar"]
    first = (directory / "samples-00000.tar").stat().st_ino
    (source / "b.txt").write_bytes(b"other")  # the third sample: README, a, b, sub/c.d
    (directory / "samples-00001.tar").write_bytes(b"cut")
    done = pack(source, directory, options)
    assert (done.chunks, done.reused) == (4, 1)
    assert (directory / "samples-00000.tar").stat().st_ino == first
    pack(source, tmp_path / "fresh", options)
    assert content(directory) == content(tmp_path / "fresh")


def test_what_is_no_part_of_the_new_run_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, directory = write_files(tmp_path / "src", FILES), tmp_path / "dst"
    interrupt_at(4, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pack(source, directory, replace(OPTIONS, chunk_bytes=1))
    monkeypatch.undo()
    (directory / "mine.txt").write_bytes(b"mine")
    (directory / ".dataflux-0123.part").write_bytes(b"of a process that was killed")
    with (directory / ".dataflux-pack").open("ab") as journal:
        journal.write(b'{"name": "../../etc')  # cut short
    done = pack(source, directory, replace(OPTIONS, chunk_bytes=10**6))
    assert sorted(content(directory)) == ["mine.txt", "playlist.yaml", "samples-00000.tar"]
    assert done.removed == 2


_LINES = st.sampled_from(
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"name": "..", "made_of": "", "facts": {"size": 1, "sha256": "", "crc32c": "", "records": 1}}',
        b'{"name": "mine.txt", "made_of": "", "facts": {"size": 1, "sha256": "", "crc32c": "", "records": 1}}',
        b'{"name": "samples-00000.tar", "facts": {"size": 1, "sha256": "", "crc32c": "", "records": 1}}',
        b'{"name": "samples-00007.tar", "made_of": "", "facts": {"size": 1, "sha256": "", "crc32c": "", "records": 1}}',
        b'{"name": 7, "made_of": "", "facts": {}}',
        b"\xff\0",
    ]
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(_LINES, st.binary(max_size=40)), max_size=4))
def test_a_damaged_journal_costs_nothing_but_time(root: Path, lines: list[bytes]) -> None:
    place = root / f".journal-{hashlib.sha256(b'|'.join(lines)).hexdigest()}"
    if place.exists():
        return
    source = write_files(place / "src", FILES)
    write_files(place / "dst", {".dataflux-pack": b"\n".join(lines), "mine.txt": b"mine"})
    pack(source, place / "dst", replace(OPTIONS, stream="samples"))
    assert sorted(content(place / "dst")) == ["mine.txt", "playlist.yaml", "samples-00000.tar", "samples-00001.tar"]


def interrupt_at(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [chunk]

    def interrupted(*arguments: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return write_chunk(*arguments)

    monkeypatch.setattr("dataflux_core._data.flare.packing.write_chunk", interrupted)


_KILLED = """
import os, signal, sys
from pathlib import Path
from dataflux_core._data.flare import chunk_files, packing
real, left = chunk_files.google_crc32c.extend, [int(sys.argv[3])]
class Sums:
    value = staticmethod(chunk_files.google_crc32c.value)
    @staticmethod
    def extend(*arguments):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)
chunk_files.google_crc32c = Sums
packing.pack(Path(sys.argv[1]), Path(sys.argv[2]), packing.PackOptions("https://h/", chunk_bytes=1))
"""


@pytest.mark.parametrize("writes", [1, 5, 9])
def test_a_pack_that_is_killed_looks_unfinished_then_goes_on(tmp_path: Path, writes: int) -> None:
    source, directory = write_files(tmp_path / "src", FILES), tmp_path / "dst"
    killed = subprocess.run([sys.executable, "-c", _KILLED, source, directory, str(writes)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert "playlist.yaml" not in content(directory)
    options = PackOptions("https://h/", chunk_bytes=1)
    pack(source, directory, options)
    pack(source, tmp_path / "fresh", options)
    assert content(directory) == content(tmp_path / "fresh")


def test_two_packs_do_not_write_to_one_directory(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", FILES)
    raised: list[DatafluxError] = []

    def second(done: int, total: int) -> None:
        del done, total
        try:
            pack(source, tmp_path / "dst", OPTIONS)
        except FileNotWritten as error:
            raised.append(error)

    pack(source, tmp_path / "dst", OPTIONS, second)
    assert {error.reason for error in raised if isinstance(error, FileNotWritten)} == {
        "another process packs into it right now"
    }


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", FILES)
    write_files(tmp_path / "dst", {"samples-00000.tar": b"mine"})
    with pytest.raises(FileNotWritten, match="it holds files already, none .* interrupted; choose another directory$"):
        pack(source, tmp_path / "dst", OPTIONS)
    assert content(tmp_path / "dst") == {"samples-00000.tar": b"mine"}
    pack(source, tmp_path / "other", OPTIONS)
    with pytest.raises(FileNotWritten, match="this pack is finished; remove the directory"):
        pack(source, tmp_path / "other", OPTIONS)


@pytest.mark.parametrize(
    ("files", "options", "error", "said"),
    [
        (
            {"a.bin": b"\xff"},
            {"format": "jsonl"},
            IndexUnusable,
            "byte 0 is not UTF-8, and JSON lines hold texts alone",
        ),
        ({"a.npy": b"x", "a.txt": b""}, {"format": "npy"}, IndexUnusable, "npy holds the arrays of .npy alone"),
        ({"a.npy": b"x"}, {"format": "npy"}, IndexUnusable, "a.npy: no array that can be read"),
        ({"a.jpg": b"", "b.txt": b""}, {"by_extension": True}, IndexUnusable, "the sample 'b' has no .jpg"),
        ({".hidden": b""}, {}, IndexUnusable, "no file is there"),
        ({"a.jpg": b"", "a.JPG": b""}, {}, IndexUnusable, "would both be the 'jpg' of one sample"),
        ({"a": b""}, {"base_url": "file:///x/"}, InvalidArgument, "base_url=file:///x/: expected an http:// or"),
        ({"a": b""}, {"base_url": "https://h/x"}, InvalidArgument, "that ends in '/'"),
        ({"a": b""}, {"base_url": "https://u:p@h/"}, InvalidArgument, "without a query, a user name or a password"),
        ({"a": b""}, {"mirrors": ("https://u:p@h/",)}, InvalidArgument, "mirrors=https://h/"),
        ({"a": b""}, {"chunk_bytes": 0}, InvalidArgument, "chunk_bytes=0"),
        ({"a": b""}, {"stream": "a\nb"}, PlaylistInvalid, "has a control character in it"),
        ({"a": b""}, {"format": "parquet", "compression": "gzip"}, InvalidArgument, "compresses its own pages"),
    ],
)
def test_what_cannot_be_packed_is_said_with_what_to_do(
    files: dict[str, bytes], options: dict[str, Any], error: type[DatafluxError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as raised:
        pack(write_files(tmp_path / "src", files), tmp_path / "dst", replace(OPTIONS, **options))
    assert said in str(raised.value)
    assert not (tmp_path / "dst").exists()


def test_a_name_that_ends_in_file_keeps_its_ending(tmp_path: Path) -> None:
    pack(write_files(tmp_path / "src", {"b.file": b"1", "b/x.txt": b"2", "c": b"3"}), tmp_path / "dst", OPTIONS)
    with tarfile.open(tmp_path / "dst/samples-00000.tar") as archive:
        assert archive.getnames() == ["b.file", "b/x.txt", "c"]


def test_a_folder_is_not_packed_into_itself(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", FILES)
    (tmp_path / "link").symlink_to(source)
    for directory in (source, source / "dst", tmp_path / "link/dst"):
        with pytest.raises(InvalidArgument, match="a place outside the folder"):
            pack(source, directory, OPTIONS)


@pytest.mark.parametrize("grown", [True, False])
def test_a_file_that_changes_meanwhile_is_no_part_of_a_pack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, grown: bool
) -> None:
    source = write_files(tmp_path / "src", {"a.jpg": b"12345"})
    real = Folder.read

    def read(path: Path) -> Any:
        folder = real(path)
        (source / "a.jpg").write_bytes(b"123456" if grown else b"1")
        return folder

    monkeypatch.setattr(Folder, "read", read)
    with pytest.raises(ObjectChanged, match="listed 5 bytes, found"):
        pack(source, tmp_path / "dst", OPTIONS)
    assert not (tmp_path / "dst").exists()


def test_a_file_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_files(tmp_path / "src", {"a.jpg": b"12345"})
    real = Folder.read

    def read(path: Path) -> Any:
        folder = real(path)
        (source / "a.jpg").unlink()
        return folder

    monkeypatch.setattr(Folder, "read", read)
    with pytest.raises(FileNotRead, match=r"a.jpg: cannot be read: No such file or directory; .* nobody changes the"):
        pack(source, tmp_path / "dst", OPTIONS)


def test_what_fails_at_its_first_file_leaves_a_directory_as_it_was(tmp_path: Path) -> None:
    source, directory = write_files(tmp_path / "src", {"a.txt": b"\xff"}), write_files(tmp_path / "dst", {})
    with pytest.raises(IndexUnusable):
        pack(source, directory, replace(OPTIONS, format="jsonl"))
    assert content(directory) == {}


def test_a_directory_that_cannot_be_made_is_said_with_what_to_do(tmp_path: Path) -> None:
    source = write_files(tmp_path / "src", FILES)
    (tmp_path / "file").touch()
    with pytest.raises(FileNotWritten, match="Not a directory; choose another directory, or correct this one's perm"):
        pack(source, tmp_path / "file/dst", OPTIONS)


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    with (write_files(tmp_path / "src", {}) / "a.bin").open("wb") as large:
        large.truncate(300 * 1024**2)
    program = (
        "import sys; from pathlib import Path; from dataflux_core._data.flare.packing import *; "
        "pack(Path(sys.argv[1]), Path(sys.argv[2]), PackOptions('https://h/')); "
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "src", tmp_path / "dst"], capture_output=True, check=True
    )
    assert int(ran.stdout) < 250 * 1024  # KiB, most of them modules


def test_json_lines_are_what_other_programs_write(tmp_path: Path) -> None:
    files = {"a.txt": "ü\n".encode(), "a.json": b"[1]"}
    pack(write_files(tmp_path / "src", files), tmp_path / "dst", replace(OPTIONS, format="jsonl"))
    lines = io.BytesIO((tmp_path / "dst/samples-00000.jsonl").read_bytes()).readlines()
    assert [json.loads(line) for line in lines] == [{"id": "a", "json": "[1]", "txt": "ü\n"}]
