"""A client that is not a plain storage.Client is used through its public methods, no more of them than fakes have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core import errors
from dataflux_core.fast_list import ListingController

if TYPE_CHECKING:
    from dataflux_core.emulator import Emulator


class FakeBlob:
    def __init__(self, name: str, size: int, storage_class: str = "STANDARD") -> None:
        self.name, self.size, self.storage_class = name, size, storage_class


class FakeBucket:
    def __init__(self, blobs: list[FakeBlob]) -> None:
        self.blobs = sorted(blobs, key=lambda blob: blob.name)
        self.asked: list[dict[str, Any]] = []

    def list_blobs(
        self, max_results: int, start_offset: str, end_offset: str, prefix: str, retry: object
    ) -> list[FakeBlob]:
        self.asked.append({"start": start_offset, "end": end_offset, "retry": retry})
        found = [
            blob
            for blob in self.blobs
            if blob.name.startswith(prefix) and blob.name >= start_offset and (not end_offset or blob.name < end_offset)
        ]
        return found[:max_results]


class FakeClient:
    def __init__(self, blobs: list[FakeBlob]) -> None:
        self.fake_bucket = FakeBucket(blobs)

    def bucket(self, name: str) -> FakeBucket:
        assert name == "b"
        return self.fake_bucket


def listed(blobs: list[FakeBlob], **options: Any) -> list[tuple[str, int]]:
    controller = ListingController(8, "p", "b", **options)
    controller.client = FakeClient(blobs)
    return controller.run()


@pytest.mark.parametrize("count", [0, 1, 4999, 5000, 5001, 12_345])
def test_every_object_is_listed_once(count: int) -> None:
    blobs = [FakeBlob(f"{number:05d}", number) for number in range(count)]
    assert listed(blobs) == [(f"{number:05d}", number) for number in range(count)]


def test_the_same_is_left_out_as_elsewhere() -> None:
    blobs = [
        FakeBlob("kept", 1),
        FakeBlob("directory/", 0),
        FakeBlob("dataflux-composed-objects/x", 1),
        FakeBlob("archived", 1, "ARCHIVE"),
    ]
    assert listed(blobs) == [("kept", 1)]
    assert listed(blobs, skip_compose=False, allowed_storage_classes=None) == [
        ("archived", 1),
        ("dataflux-composed-objects/x", 1),
        ("kept", 1),
    ]


def test_prefix_and_retry_are_passed_on() -> None:
    retry = object()
    controller = ListingController(1, "p", "b", prefix="a", retry_config=retry)
    controller.client = FakeClient([FakeBlob("a1", 1), FakeBlob("b1", 1)])
    assert controller.run() == [("a1", 1)]
    assert controller.client.fake_bucket.asked[0]["retry"] is retry


def test_the_project_that_pays_is_passed_on_where_there_is_one() -> None:
    class Billed(FakeClient):
        def bucket(self, name: str, user_project: str = "") -> FakeBucket:
            billed.append(user_project)
            return super().bucket(name)

    billed: list[str] = []
    controller = ListingController(1, "p", "b", user_project="payer")
    controller.client = Billed([FakeBlob("a", 1)])
    assert controller.run() == [("a", 1)]
    assert billed == ["payer"]


def test_a_fake_that_goes_round_in_circles_is_an_error() -> None:
    class Circle(FakeBucket):
        def list_blobs(self, **_options: Any) -> list[FakeBlob]:  # type: ignore[override]
            return [FakeBlob(f"{number:05d}", 1) for number in range(5000)]

    controller = ListingController(1, "p", "b")
    controller.client = FakeClient([])
    controller.client.fake_bucket = Circle([])
    with pytest.raises(errors.ListingInexact, match="answered with itself"):
        controller.run()


def test_a_subclass_of_the_client_keeps_its_own_ways(shared_gcs: Emulator) -> None:
    used: list[str] = []

    class Own(storage.Client):  # type: ignore[misc]
        def list_blobs(self, *arguments: Any, **options: Any) -> Any:
            used.append(options["start_offset"])
            return super().list_blobs(*arguments, **options)

    controller = ListingController(4, "p", "uuids")
    controller.client = Own(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": shared_gcs.endpoint}
    )
    assert len(controller.run()) == 60_000
    assert len(used) >= 12
