"""A file is as old as its object."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from dataflux_core._data import directory_fetch
from dataflux_core._data.directory_plan import _is_same_time
from dataflux_core._data.target_tree import TargetTree
from dataflux_core._run.reading import ranged
from dataflux_core._wire.times import nanoseconds
from dataflux_core.download import DirectoryOptions, download_to_directory
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import InvalidArgument
from dataflux_core.fast_list import Listing, ListingController
from tests.directory.conftest import files_of

if TYPE_CHECKING:
    from pathlib import Path

    from dataflux_core._data.target_tree import Place, Present

OBJECTS = {"a": b"1234", "d/b": b"x" * 100, "d/e/empty": b""}
FIELDS = ("generation", "crc32c", "updated")


@pytest.fixture
def found(gcs: Emulator) -> Listing:
    """List a bucket with the times of its objects."""
    gcs.create_bucket("b", Memory(OBJECTS))
    return ListingController(1, None, "b", allowed_storage_classes=None).listing(fields=FIELDS)


def times_of(directory: Path) -> dict[str, int]:
    return {path: (directory / path).stat().st_mtime_ns for path in files_of(directory)}


def listed_times(listing: Listing) -> dict[str, int]:
    return dict(zip(listing.names, map(nanoseconds, map(str, listing.column("updated"))), strict=True))


@pytest.mark.parametrize("large_bytes", [10_000, 10], ids=["whole", "in pieces"])
def test_a_file_has_the_time_of_its_object_to_the_last_digit(
    found: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large_bytes: int
) -> None:
    monkeypatch.setattr(directory_fetch, "LARGE_BYTES", large_bytes)
    monkeypatch.setattr(ranged, "PIECE_BYTES", 7)
    download_to_directory("b", found, tmp_path)
    assert times_of(tmp_path) == listed_times(found)


def test_files_are_as_old_as_their_writing_where_that_is_chosen(found: Listing, tmp_path: Path) -> None:
    long_ago = _with_times(found, "2001-01-01T00:00:00Z")
    download_to_directory("b", long_ago, tmp_path, options=DirectoryOptions(file_times="now"))
    assert min(times_of(tmp_path).values()) > nanoseconds("2020-01-01T00:00:00Z")


def test_without_the_field_files_are_as_old_as_their_writing(found: Listing, tmp_path: Path) -> None:
    download_to_directory("b", list(found), tmp_path)
    assert min(times_of(tmp_path).values()) > time.time_ns() - 3_600_000_000_000


def test_a_file_with_the_right_bytes_but_another_time_is_given_its_time_without_a_request(
    gcs: Emulator, found: Listing, tmp_path: Path
) -> None:
    download_to_directory("b", found, tmp_path)
    os.utime(tmp_path / "a", ns=(5, 7))
    gcs.reset_requests()
    done = download_to_directory("b", found, tmp_path)
    assert (done.written, done.present, done.retimed) == (0, 3, 1)
    assert (tmp_path / "a").stat().st_atime_ns == 5
    assert times_of(tmp_path) == listed_times(found)
    assert gcs.requests().counts == {}
    assert download_to_directory("b", found, tmp_path).retimed == 0


def test_a_time_that_is_not_to_be_kept_is_not_set_later(found: Listing, tmp_path: Path) -> None:
    now = DirectoryOptions(file_times="now")
    download_to_directory("b", found, tmp_path, options=now)
    os.utime(tmp_path / "a", ns=(5, 7))
    assert download_to_directory("b", found, tmp_path, options=now).retimed == 0
    assert (tmp_path / "a").stat().st_mtime_ns == 7


def test_a_time_that_cannot_be_set_is_left(found: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download_to_directory("b", found, tmp_path)
    os.utime(tmp_path / "a", ns=(5, 7))

    def refuse(*arguments: object, **options: object) -> None:
        del arguments, options
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", refuse)
    done = download_to_directory("b", found, tmp_path)
    assert (done.present, done.retimed) == (3, 0)


def test_the_time_is_there_before_the_file_is(found: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    true_rename = os.rename

    def rename(source: str, target: bytes, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        seen.append(os.stat(source, dir_fd=src_dir_fd).st_mtime_ns)
        true_rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", rename)
    download_to_directory("b", found, tmp_path)
    assert sorted(seen) == sorted(listed_times(found).values())


@pytest.mark.parametrize(
    ("kept", "is_same"),
    [
        pytest.param("2026-11-01T08:30:05.123Z", True, id="the time itself"),
        pytest.param("2026-11-01T08:30:05Z", True, id="whole seconds of it"),
        pytest.param("2026-11-01T08:30:04Z", True, id="an even second, as of FAT"),
        pytest.param("2026-11-01T08:30:03Z", False, id="two seconds earlier"),
        pytest.param("2026-11-01T08:30:06Z", False, id="later"),
        pytest.param("2026-11-01T08:30:05.122Z", False, id="another fraction"),
    ],
)
def test_a_time_as_a_coarse_file_system_keeps_it_is_taken_for_the_same(kept: str, is_same: bool) -> None:
    assert _is_same_time(nanoseconds(kept), nanoseconds("2026-11-01T08:30:05.123Z")) is is_same


def test_a_coarse_file_system_is_not_set_again_each_time(
    found: Listing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    download_to_directory("b", found, tmp_path)
    for path, time_ns in times_of(tmp_path).items():
        os.utime(tmp_path / path, ns=(5, time_ns // 1_000_000_000 * 1_000_000_000))

    def unwanted(self: TargetTree, place: Place, present: Present) -> bool:
        raise AssertionError(self, place, present)

    monkeypatch.setattr(TargetTree, "set_time", unwanted)
    assert download_to_directory("b", found, tmp_path).present == 3


def test_a_listing_with_times_of_another_kind_is_refused_before_anything_is_written(
    found: Listing, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgument, match="updated='yesterday': expected of 'a' a time"):
        download_to_directory("b", _with_times(found, "yesterday"), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_object_without_a_time_among_others_gets_none(found: Listing, tmp_path: Path) -> None:
    download_to_directory("b", _with_times(found, ""), tmp_path)
    today = datetime.now(timezone.utc).year
    assert {datetime.fromtimestamp(ns // 10**9, timezone.utc).year for ns in times_of(tmp_path).values()} == {today}


def _with_times(listing: Listing, text: str) -> Listing:
    """Put `text` in the place of every time."""
    from dataflux_core._wire.page import page_of  # noqa: PLC0415 - a detail of listings

    columns = {field: listing.column(field) for field in FIELDS[:2]}
    page = page_of(listing.names, listing.sizes, {**columns, "updated": [text] * len(listing)})
    return Listing([page], FIELDS)
