"""A client that is used through its public methods lists what is selected, or says why it cannot."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core import errors
from dataflux_core._wire.page import FIELDS
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.fast_list import ListingController, Selection
from tests.listing.namespaces import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
KEEPS: dict[str, Any] = {
    "versioning": {"enabled": True},
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    "billing": {"requesterPays": True},
}


class Blob:
    def __init__(self, number: int) -> None:
        self.name, self.size = f"{number:05d}", number


class DatedBlob(Blob):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.updated = NOON + timedelta(seconds=number)


class Bucket:
    """No more of a bucket than fakes have."""

    def __init__(self, blobs: list[Blob]) -> None:
        self.blobs = blobs
        self.calls = 0

    def list_blobs(self, max_results: int, start_offset: str, end_offset: str, prefix: str, retry: Any) -> list[Blob]:
        del retry
        self.calls += 1
        inside = [blob for blob in self.blobs if blob.name.startswith(prefix) and blob.name >= start_offset]
        return [blob for blob in inside if not end_offset or blob.name < end_offset][:max_results]


class Client:
    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def bucket(self, _name: str) -> Bucket:
        return self._bucket


def listed(bucket: Bucket, **wanted: Any) -> list[int]:
    controller = ListingController(8, "p", "b", selection=Selection(**wanted))
    controller.client = Client(bucket)
    return [size for _, size in controller.run()]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        pytest.param({"min_bytes": 5990}, range(5990, 6000), id="a least size"),
        pytest.param({"max_bytes": 3}, range(4), id="a greatest size"),
        pytest.param({"start_offset": "04990", "end_offset": "05010"}, range(4990, 5010), id="offsets"),
        pytest.param({"updated_from": NOON + timedelta(seconds=5995)}, range(5995, 6000), id="from a time on"),
        pytest.param({"updated_before": NOON + timedelta(seconds=2)}, range(2), id="before a time"),
    ],
)
def test_a_fake_is_filtered_as_the_service_is(wanted: dict[str, Any], numbers: range) -> None:
    assert listed(Bucket([DatedBlob(number) for number in range(6000)]), **wanted) == list(numbers)


@pytest.mark.parametrize(
    "wanted",
    [{"match_glob": "*"}, {"versions": True}, {"soft_deleted": True}],
    ids=["a glob", "versions", "soft delete"],
)
def test_what_a_fake_cannot_be_told_is_refused_before_it_is_asked(wanted: dict[str, Any]) -> None:
    bucket = Bucket([Blob(1)])
    with pytest.raises(errors.InvalidArgument, match=f"^{next(iter(wanted))}=.*client whose list_blobs"):
        listed(bucket, **wanted)
    assert bucket.calls == 0


@pytest.mark.parametrize("argument", ["updated_from", "updated_before"])
def test_times_that_a_fake_does_not_tell_are_no_ground_to_judge_by(argument: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=f"^{argument}=.*blobs have `updated`"):
        listed(Bucket([Blob(1)]), **{argument: NOON})


def test_a_fake_that_takes_a_glob_is_given_it() -> None:
    class Globbing(Bucket):
        def list_blobs(self, *arguments: Any, match_glob: str, **options: Any) -> list[Blob]:  # type: ignore[override]
            return [blob for blob in super().list_blobs(*arguments, **options) if match_glob == "**" + blob.name[-1]]

    assert listed(Globbing([Blob(number) for number in range(30)]), match_glob="**7") == [7, 17, 27]


def test_a_name_that_would_be_two_rows_is_an_error() -> None:
    blob = Blob(1)
    blob.name = "a\nb"
    with pytest.raises(errors.ListingInexact, match="newline"):
        listed(Bucket([blob]))


class OwnClient(storage.Client):  # type: ignore[misc]
    """A client with ways of its own, so that it is used through its public methods."""


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with Emulator(buckets={"b": Memory(resource=KEEPS)}, max_page=40) as gcs:
        for number in range(20):
            for write in range(1 + number % 4 * 9):
                gcs.put("b", f"{number:02d}.{'jpg' if number % 2 else 'txt'}", b"x" * write, {"metadata": {"n": "é\n"}})
        client = client_of(gcs)
        for number in range(0, 20, 3):
            bucket = client.bucket("b", user_project="payer")
            blob = bucket.get_blob(f"{number:02d}.{'jpg' if number % 2 else 'txt'}")
            bucket.delete_blob(blob.name, generation=blob.generation if number % 2 else None)
        client.close()
        yield gcs


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({}, id="everything"),
        pytest.param({"match_glob": "**.jpg"}, id="a glob"),
        pytest.param({"versions": True}, id="every generation"),
        pytest.param({"versions": True, "match_glob": "1*", "min_bytes": 2}, id="every generation of some"),
        pytest.param({"soft_deleted": True}, id="soft-deleted generations"),
        pytest.param({"start_offset": "05", "end_offset": "15.jpg", "max_bytes": 9}, id="offsets with sizes"),
    ],
)
def test_a_subclass_of_the_client_lists_the_same_columns(gcs: Emulator, wanted: dict[str, Any]) -> None:
    columns = []
    for client in (client_of(gcs), own_client(gcs)):
        lister = ListingController(4, "p", "b", user_project="payer", selection=Selection(**wanted))
        lister.client = client
        listing = lister.listing(fields=FIELDS)
        columns.append([listing.names, listing.sizes, *(listing.column(field) for field in FIELDS)])
        client.close()
    assert columns[0] == columns[1]
    assert columns[0][0]


def own_client(gcs: Emulator) -> storage.Client:
    credentials = AnonymousCredentials()
    return OwnClient(project="p", credentials=credentials, client_options={"api_endpoint": gcs.endpoint})


def test_generations_beyond_a_page_of_blobs_come_once(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflux_core._run.listing.client_lister.MAX_PAGE_OBJECTS", 7)
    lister = ListingController(4, "p", "b", user_project="payer", selection=Selection(versions=True))
    lister.client = own_client(gcs)
    listing = lister.listing(fields=["generation"])
    blobs = lister.client.bucket("b", user_project="payer").list_blobs(versions=True)
    assert list(zip(listing.names, listing.column("generation"), strict=True)) == [
        (blob.name, blob.generation) for blob in blobs
    ]
    assert lister.stats.calls > len(listing) // 7
    lister.client.close()


def test_a_real_bucket_can_be_told_everything() -> None:
    parameters = inspect.signature(storage.Bucket.list_blobs).parameters
    assert {"match_glob", "versions", "soft_deleted"} <= parameters.keys()
