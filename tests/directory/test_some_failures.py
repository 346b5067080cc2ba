"""One object that cannot be had need not keep the others away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core._data import directory_fetch
from dataflux_core._run.reading import ranged
from dataflux_core.download import DirectoryOptions, DirectoryProgress, download_to_directory
from dataflux_core.emulator import Emulator, Fault, Memory
from dataflux_core.errors import (
    BucketNotFound,
    ChecksumMismatch,
    InvalidArgument,
    ObjectChanged,
    ObjectNotFound,
    ServiceRefused,
)
from dataflux_core.fast_list import ListingController
from tests.directory.conftest import files_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dataflux_core._data.listing import Listing
    from dataflux_core._plan.strategy import Strategy

OBJECTS = {f"{number:02}": bytes([number]) * 50 for number in range(40)}
GOING_ON = DirectoryOptions(on_error="return")


@pytest.fixture(autouse=True)
def _no_faults_are_left(gcs: Emulator) -> Iterator[None]:
    yield
    gcs.configure(faults=())


@pytest.fixture
def listed(gcs: Emulator) -> Listing:
    """List a bucket of which one object is deleted, one replaced afterwards."""
    gcs.create_bucket("b", Memory(OBJECTS))
    found = ListingController(1, None, "b").listing(fields=("generation", "crc32c"))
    client = storage.Client(project="p", credentials=AnonymousCredentials())
    client.bucket("b").blob("07").delete()
    gcs.put("b", "21", b"another")
    return found


@pytest.fixture(params=["whole", "in pieces"])
def _size_of_reads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in pieces":
        monkeypatch.setattr(directory_fetch, "LARGE_BYTES", 0)
        monkeypatch.setattr(ranged, "PIECE_BYTES", 7)


@pytest.mark.usefixtures("_size_of_reads")
@pytest.mark.parametrize("strategy", ["compose", "direct"])
def test_what_can_be_had_is_written_the_rest_is_returned_in_order(
    tmp_path: Path, listed: Listing, strategy: Strategy
) -> None:
    seen: list[DirectoryProgress] = []
    options = DirectoryOptions(on_error="return", strategy=strategy, observer=seen.append)
    done = download_to_directory("b", listed, tmp_path, options=options)
    there = {name: content for name, content in OBJECTS.items() if name not in {"07", "21"}}
    assert files_of(tmp_path) == there
    assert [type(error) for error in done.failed] == [ObjectNotFound, ObjectChanged]
    assert ["07" in str(done.failed[0]), "21" in str(done.failed[1])] == [True, True]
    assert (done.written, done.written_bytes, done.present) == (38, 38 * 50, 0)
    assert (seen[-1].files, seen[-1].total_files) == (38, 40)
    again = download_to_directory("b", listed, tmp_path, options=options)
    assert (again.written, again.present, len(again.failed)) == (0, 38, 2)


@pytest.mark.usefixtures("_size_of_reads")
def test_unless_it_is_asked_for_the_first_error_ends_all(tmp_path: Path, listed: Listing) -> None:
    with pytest.raises((ObjectNotFound, ObjectChanged)):
        download_to_directory("b", listed, tmp_path)


def test_a_client_of_another_class_goes_on_too(tmp_path: Path, listed: Listing) -> None:
    class OtherClient(storage.Client):  # type: ignore[misc] # google-cloud-storage ships no types
        pass

    client = OtherClient(project="p", credentials=AnonymousCredentials())
    done = download_to_directory("b", listed, tmp_path, storage_client=client, options=GOING_ON)
    assert (done.written, len(files_of(tmp_path))) == (38, 38)
    assert [type(error) for error in done.failed] == [ObjectNotFound, ObjectChanged]


@pytest.mark.usefixtures("_size_of_reads")
def test_an_object_that_comes_damaged_every_time_is_returned(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("b", Memory(OBJECTS))
    found = ListingController(1, None, "b").listing(fields=("generation", "crc32c"))
    gcs.configure(faults=[Fault("read", "checksum", match="11")])
    done = download_to_directory("b", found, tmp_path, options=GOING_ON)
    assert [(type(error), error.args[0]) for error in done.failed] == [(ChecksumMismatch, "11")]
    assert files_of(tmp_path).keys() == OBJECTS.keys() - {"11"}
    gcs.configure(faults=())
    assert download_to_directory("b", found, tmp_path, options=GOING_ON).written == 1


def test_an_object_that_is_refused_in_the_middle_leaves_no_part_of_it(
    gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_fetch, "LARGE_BYTES", 0)
    monkeypatch.setattr(ranged, "PIECE_BYTES", 7)
    gcs.create_bucket("b", Memory({"a": b"1" * 50, "b": b"2" * 50}))
    found = ListingController(1, None, "b").listing(fields=("generation", "crc32c"))
    parts_seen: list[Path] = []

    def refuse(progress: DirectoryProgress) -> None:
        if progress.received_bytes:
            parts_seen.extend(tmp_path.glob(".*.part"))
            gcs.configure(faults=[Fault("read", "500", match="a")])

    options = DirectoryOptions(on_error="return", retry_config=None, max_requests=1, observer=refuse)
    done = download_to_directory("b", found, tmp_path, options=options)
    assert [type(error) for error in done.failed] == [ServiceRefused]
    assert parts_seen
    assert files_of(tmp_path) == {"b": b"2" * 50}


@pytest.mark.usefixtures("_size_of_reads")
def test_what_concerns_all_objects_is_raised(gcs: Emulator, tmp_path: Path) -> None:
    del gcs
    with pytest.raises(BucketNotFound):
        download_to_directory("nowhere", [("a", 1), ("b", 1)], tmp_path, options=GOING_ON)


def test_what_an_error_does_is_one_of_two_things(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="on_error='ignore': expected one of raise, return"):
        download_to_directory("b", [], tmp_path, options=DirectoryOptions(on_error="ignore"))  # type: ignore[arg-type]
