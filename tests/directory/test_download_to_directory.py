"""Objects become files, whole ones, below one directory."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._data import directory_fetch
from dataflux_core._run.reading import pieces
from dataflux_core.download import (
    DirectoryOptions,
    DirectoryProgress,
    FileNotWritten,
    download_to_directory,
    name_of_path,
)
from dataflux_core.emulator import Emulator, Fault, Memory
from dataflux_core.errors import (
    BucketNotFound,
    ChecksumMismatch,
    InvalidArgument,
    ObjectChanged,
    ObjectNotFound,
    UnsafeName,
)
from dataflux_core.fast_list import ListingController
from tests.directory.conftest import files_of
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dataflux_core._data.listing import Listing

OBJECTS = {f"train/{number // 10}/{number}.bin": bytes([number]) * number for number in range(64)}


def listed(
    gcs: Emulator, objects: Mapping[str, bytes], *, fields: tuple[str, ...] = ("generation", "crc32c")
) -> Listing:
    """Make the bucket `b` of these objects; list it."""
    gcs.configure(faults=())
    gcs.create_bucket("b", Memory(objects))
    found = ListingController(4, None, "b", allowed_storage_classes=None).listing(fields=fields)
    gcs.reset_requests()
    return found


@pytest.fixture(params=["whole", "in pieces"])
def size_of_reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read small objects as small ones, then as if they were large."""
    if request.param == "in pieces":
        monkeypatch.setattr(directory_fetch, "LARGE_BYTES", 0)
        monkeypatch.setattr(pieces, "PIECE_BYTES", 7)
    return str(request.param)


class OtherClient(storage.Client):  # type: ignore[misc] # google-cloud-storage ships no types
    """A client that may have ways of its own, so only its public methods are used."""


every_set_of_fields = pytest.mark.parametrize(
    "fields", [(), ("crc32c",), ("generation",), ("generation", "crc32c")], ids="+".join
)


@pytest.mark.usefixtures("size_of_reads")
@every_set_of_fields
def test_every_object_becomes_a_file_of_its_bytes(gcs: Emulator, tmp_path: Path, fields: tuple[str, ...]) -> None:
    found = listed(gcs, OBJECTS, fields=fields)
    done = download_to_directory("b", found, tmp_path / "new" / "target")
    assert files_of(tmp_path / "new" / "target") == OBJECTS
    assert (done.written, done.present, done.skipped) == (64, 0, ())
    assert done.written_bytes == sum(map(len, OBJECTS.values()))


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(lambda: storage.Client(project="p"), id="a plain client"),
        pytest.param(
            lambda: OtherClient(project="p", credentials=AnonymousCredentials()), id="a client of another kind"
        ),
    ],
)
def test_pairs_are_as_good_as_a_listing(gcs: Emulator, tmp_path: Path, client: Callable[[], Any]) -> None:
    pairs = list(listed(gcs, OBJECTS))
    download_to_directory("b", pairs, str(tmp_path), storage_client=client())
    assert files_of(tmp_path) == OBJECTS


def test_a_prefix_is_stripped(gcs: Emulator, tmp_path: Path) -> None:
    found = listed(gcs, OBJECTS)
    download_to_directory("b", found, tmp_path, options=DirectoryOptions(strip_prefix="train/"))
    assert files_of(tmp_path) == {name.removeprefix("train/"): content for name, content in OBJECTS.items()}
    with pytest.raises(InvalidArgument, match="strip_prefix"):
        download_to_directory("b", found, tmp_path, options=DirectoryOptions(strip_prefix="test/"))


@pytest.mark.parametrize("name", ["p/", "p//x", "p/.."])
def test_an_unsafe_name_is_given_with_the_prefix_that_is_stripped(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeName) as caught:
        download_to_directory("b", [(name, 1)], tmp_path, options=DirectoryOptions(strip_prefix="p/"))
    assert caught.value.name == name
    skipping = DirectoryOptions(strip_prefix="p/", unsafe_names="skip")
    assert [error.name for error in download_to_directory("b", [(name, 1)], tmp_path, options=skipping).skipped] == [
        name
    ]


def test_small_objects_travel_composed_or_directly_as_told(gcs: Emulator, tmp_path: Path) -> None:
    found = listed(gcs, OBJECTS)
    download_to_directory("b", found, tmp_path / "composed", options=DirectoryOptions(strategy="compose"))
    composed = gcs.requests().counts
    gcs.reset_requests()
    download_to_directory("b", found, tmp_path / "direct", options=DirectoryOptions(strategy="direct"))
    assert composed["compose"] == composed["read"] == 2
    assert gcs.requests().counts == {"read": 64}


@pytest.mark.usefixtures("size_of_reads")
def test_what_is_there_is_not_fetched_again(gcs: Emulator, tmp_path: Path) -> None:
    found = listed(gcs, OBJECTS)
    download_to_directory("b", found, tmp_path)
    (tmp_path / "train/6/60.bin").unlink()
    (tmp_path / "train/6/61.bin").write_bytes(b"\x3d" * 60)
    (tmp_path / "train/6/62.bin").write_bytes(b"?" * 62)
    gcs.reset_requests()
    done = download_to_directory("b", found, tmp_path, options=DirectoryOptions(max_composite_bytes=0))
    assert (done.written, done.present) == (3, 61)
    assert files_of(tmp_path) == OBJECTS


def test_without_checksums_a_file_of_the_listed_size_is_taken_for_the_object(gcs: Emulator, tmp_path: Path) -> None:
    found = listed(gcs, {"a": b"1234"}, fields=())
    (tmp_path / "a").write_bytes(b"????")
    assert download_to_directory("b", found, tmp_path).present == 1
    assert gcs.requests().counts == {}


@pytest.mark.parametrize("unsafe", ["../escaped", "/escaped", "a//b", "a/", "train/0/1.bin/below", "\x1b[2J"])
def test_nothing_is_written_where_one_name_is_unsafe(gcs: Emulator, tmp_path: Path, unsafe: str) -> None:
    pairs = [*listed(gcs, OBJECTS), (unsafe, 1)]
    with pytest.raises(UnsafeName, match="nothing is written, choose to encode or to skip"):
        download_to_directory("b", pairs, tmp_path / "target")
    assert files_of(tmp_path) == {}
    assert gcs.requests().counts == {}


def test_unsafe_names_are_skipped_on_request_which_is_told(gcs: Emulator, tmp_path: Path) -> None:
    found = listed(gcs, {"a": b"1", "a/b": b"2", "../c": b"3"})
    done = download_to_directory("b", found, tmp_path / "target", options=DirectoryOptions(unsafe_names="skip"))
    assert files_of(tmp_path) == {"target/a/b": b"2"}
    assert sorted(error.name for error in done.skipped) == ["../c", "a"]


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(
        st.text(st.sampled_from("/.%a\x00é2F"), min_size=1, max_size=12).filter(
            lambda name: name not in {".", ".."} and not name.endswith("/")  # no names of GCS, none that are listed
        ),
        st.binary(max_size=20),
        max_size=12,
    )
)
def test_encoded_names_are_found_again_from_their_files(gcs: Emulator, objects: dict[str, bytes]) -> None:
    with TemporaryDirectory() as outer:
        target = Path(outer, "target")
        found = listed(gcs, objects)
        download_to_directory("b", found, target, options=DirectoryOptions(unsafe_names="encode"))
        assert {name_of_path(path): content for path, content in files_of(target).items()} == objects
        assert set(files_of(Path(outer))) == {f"target/{path}" for path in files_of(target)}


def a_directory(target: Path, outside: Path) -> None:
    del outside
    (target / "train/3/33.bin").mkdir(parents=True)


def a_file(target: Path, outside: Path) -> None:
    del outside
    (target / "train").mkdir()
    (target / "train/3").write_bytes(b"mine")


def a_linked_directory(target: Path, outside: Path) -> None:
    (target / "train").symlink_to(outside)


def a_linked_file(target: Path, outside: Path) -> None:
    (target / "train/3").mkdir(parents=True)
    (target / "train/3/33.bin").symlink_to(outside / "mine")


def a_pipe(target: Path, outside: Path) -> None:
    del outside
    (target / "train/3").mkdir(parents=True)
    os.mkfifo(target / "train/3/33.bin")


@pytest.mark.parametrize(
    ("in_the_way", "reason"),
    [
        pytest.param(a_directory, "'33.bin' is a directory", id="a directory in place of a file"),
        pytest.param(a_file, "'3' is no directory", id="a file in place of a directory"),
        pytest.param(a_linked_directory, "'train' is a symbolic link", id="a link that leads out"),
        pytest.param(a_linked_file, "'33.bin' is no regular file", id="a link in place of a file"),
        pytest.param(a_pipe, "'33.bin' is no regular file", id="a pipe in place of a file"),
    ],
)
def test_what_is_in_the_way_is_named_before_anything_is_fetched(
    gcs: Emulator, tmp_path: Path, in_the_way: Callable[[Path, Path], None], reason: str
) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    found = listed(gcs, OBJECTS)
    in_the_way(target, outside)
    before = sorted(target.rglob("*"))
    with pytest.raises(FileNotWritten, match=reason) as caught:
        download_to_directory("b", found, target)
    assert caught.value.name.startswith("train/")
    assert caught.value.path.startswith(str(target / "train"))
    assert sorted(target.rglob("*")) == before
    assert not list(outside.iterdir())
    assert gcs.requests().counts == {}


def test_the_target_itself_may_be_a_link(gcs: Emulator, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    download_to_directory("b", listed(gcs, OBJECTS), tmp_path / "link")
    assert files_of(tmp_path / "real") == OBJECTS


def test_a_target_that_is_a_file_is_refused(gcs: Emulator, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(InvalidArgument, match="directory=.*/file"):
        download_to_directory("b", listed(gcs, OBJECTS), tmp_path / "file")


@pytest.mark.usefixtures("size_of_reads")
@every_set_of_fields
def test_an_object_of_another_size_is_named_and_leaves_whole_files(
    gcs: Emulator, tmp_path: Path, fields: tuple[str, ...]
) -> None:
    found = listed(gcs, OBJECTS, fields=fields)
    gcs.put("b", "train/3/33.bin", b"longer than it was, by far")
    with pytest.raises(ObjectChanged, match="train/3/33.bin: listed 33 bytes, found 26"):
        download_to_directory("b", found, tmp_path)
    assert files_of(tmp_path).items() <= OBJECTS.items()


@pytest.mark.usefixtures("size_of_reads")
@every_set_of_fields
def test_an_object_that_was_deleted_is_named(gcs: Emulator, tmp_path: Path, fields: tuple[str, ...]) -> None:
    found = listed(gcs, OBJECTS, fields=fields)
    storage.Client(project="p").bucket("b").blob("train/3/33.bin").delete()
    with pytest.raises(ObjectNotFound, match="gs://b/train/3/33.bin"):
        download_to_directory("b", found, tmp_path, options=DirectoryOptions(max_composite_bytes=0))


@pytest.mark.usefixtures("size_of_reads")
@pytest.mark.parametrize("fields", [("crc32c",), ("generation",), ("generation", "crc32c")], ids="+".join)
def test_an_object_replaced_by_one_of_the_same_size_is_found_by_what_is_listed(
    gcs: Emulator, tmp_path: Path, fields: tuple[str, ...]
) -> None:
    found = listed(gcs, OBJECTS, fields=fields)
    gcs.put("b", "train/3/33.bin", b"?" * 33)
    with pytest.raises(ObjectChanged, match="train/3/33.bin"):
        download_to_directory("b", found, tmp_path)
    assert "train/3/33.bin" not in files_of(tmp_path)
    assert files_of(tmp_path).items() <= OBJECTS.items()


@pytest.mark.usefixtures("size_of_reads")
@pytest.mark.parametrize("kind", ["503", "reset", "truncate"])
def test_what_passes_is_retried(gcs: Emulator, tmp_path: Path, kind: Any) -> None:
    found = listed(gcs, {"a": b"a" * 50, "b": b"b" * 50})
    gcs.configure(faults=[Fault("read", kind, times=3)])
    download_to_directory("b", found, tmp_path, options=DirectoryOptions(max_composite_bytes=0))
    assert files_of(tmp_path) == {"a": b"a" * 50, "b": b"b" * 50}


@pytest.fixture
def one_large_object(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Take 50 bytes for a large object, one byte for a small one."""
    monkeypatch.setattr(directory_fetch, "LARGE_BYTES", 10)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 7)
    return {"large": b"x" * 50, "small": b"y"}


@every_set_of_fields
def test_a_large_object_damaged_on_the_way_is_not_kept(
    gcs: Emulator, tmp_path: Path, one_large_object: dict[str, bytes], fields: tuple[str, ...]
) -> None:
    found = listed(gcs, one_large_object, fields=fields)
    gcs.configure(faults=[Fault("read", "checksum", match="large")])
    with pytest.raises(ChecksumMismatch, match="large"):
        download_to_directory("b", found, tmp_path)
    assert files_of(tmp_path) == {"small": b"y"}


@every_set_of_fields
def test_a_large_object_damaged_once_is_read_again(
    gcs: Emulator, tmp_path: Path, one_large_object: dict[str, bytes], fields: tuple[str, ...]
) -> None:
    found = listed(gcs, one_large_object, fields=fields)
    gcs.configure(faults=[Fault("read", "checksum", match="large", times=1)])
    seen: list[DirectoryProgress] = []
    download_to_directory("b", found, tmp_path, options=DirectoryOptions(observer=seen.append))
    assert files_of(tmp_path) == one_large_object
    assert seen[-1] == DirectoryProgress(2, 51, 2, 51)


def test_a_large_object_damaged_once_is_not_read_again_where_nothing_is_retried(
    gcs: Emulator, tmp_path: Path, one_large_object: dict[str, bytes]
) -> None:
    found = listed(gcs, one_large_object)
    gcs.configure(faults=[Fault("read", "checksum", match="large", times=1)])
    with pytest.raises(ChecksumMismatch, match="large"):
        download_to_directory("b", found, tmp_path, options=DirectoryOptions(retry_config=None))


def test_a_missing_bucket_is_named(gcs: Emulator, tmp_path: Path) -> None:
    del gcs
    with pytest.raises(BucketNotFound, match="gs://nowhere"):
        download_to_directory("nowhere", [("a", 1)], tmp_path)
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param({"bucket_name": "gs://b"}, "bucket_name", id="a URL for a bucket"),
        pytest.param({"objects": ["a"]}, r"objects\[0\]", id="objects that are no pairs"),
        pytest.param({"objects": [("a", -1)]}, r"objects\[0\]", id="a negative size"),
        pytest.param({"options": DirectoryOptions(max_composite_bytes=-1)}, "max_composite_bytes", id="a negative cap"),
        pytest.param({"options": DirectoryOptions(max_composite_bytes=None)}, "max_composite_bytes=None", id="no cap"),  # type: ignore[arg-type]
        pytest.param({"options": DirectoryOptions(max_requests=1.5)}, "max_requests=1.5", id="half a request"),  # type: ignore[arg-type]
        pytest.param({"options": DirectoryOptions(unsafe_names="bogus")}, "unsafe_names='bogus'", id="no such way"),  # type: ignore[arg-type]
        pytest.param({"options": DirectoryOptions(max_requests=0)}, "max_requests", id="no request at all"),
    ],
)
def test_what_cannot_be_meant_is_refused(gcs: Emulator, tmp_path: Path, arguments: dict[str, Any], named: str) -> None:
    gcs.reset_requests()
    with pytest.raises(InvalidArgument, match=named):
        download_to_directory(**{"bucket_name": "b", "objects": [("a", 1)], "directory": tmp_path, **arguments})
    assert gcs.requests().counts == {}


def test_nothing_to_download_makes_an_empty_directory(tmp_path: Path) -> None:
    assert download_to_directory("b", [], tmp_path / "target").written == 0
    assert files_of(tmp_path) == {}


@pytest.mark.usefixtures("size_of_reads")
def test_an_observer_sees_it_through_to_the_end(gcs: Emulator, tmp_path: Path) -> None:
    seen: list[DirectoryProgress] = []
    found = listed(gcs, OBJECTS)
    download_to_directory("b", found, tmp_path, options=DirectoryOptions(observer=seen.append))
    total = sum(map(len, OBJECTS.values()))
    assert seen[-1] == DirectoryProgress(64, total, 64, total)
    assert [progress.received_bytes for progress in seen] == sorted(progress.received_bytes for progress in seen)


class Interrupted(BaseException):
    pass


@pytest.mark.usefixtures("size_of_reads")
def test_an_interruption_leaves_whole_files_that_are_not_fetched_again(gcs: Emulator, tmp_path: Path) -> None:
    found = listed(gcs, OBJECTS)

    def interrupt(progress: DirectoryProgress) -> None:
        if progress.received_bytes > 400:  # the first of two groups, or some pieces
            assert wait_until(lambda: any(tmp_path.rglob("*.bin")))
            raise Interrupted

    direct = {"max_composite_bytes": 0, "max_requests": 2}
    with pytest.raises(Interrupted):
        download_to_directory("b", found, tmp_path, options=DirectoryOptions(**direct, observer=interrupt))  # type: ignore[arg-type]
    part = files_of(tmp_path)
    assert part
    assert part.items() < OBJECTS.items()
    done = download_to_directory("b", found, tmp_path, options=DirectoryOptions(**direct))  # type: ignore[arg-type]
    assert done.present == len(part)
    assert files_of(tmp_path) == OBJECTS
