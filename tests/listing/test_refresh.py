"""A bucket that was listed before is listed again from many places at once, to tell what changed."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from dataflux_core._wire.page import page_of
from dataflux_core.emulator import Emulator, Memory, Synthetic
from dataflux_core.errors import InvalidArgument
from dataflux_core.fast_list import Listing, ListingChanges, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.listing.namespaces import Make

OBJECTS = 60_000


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with Emulator(buckets={"b": Synthetic("uuids", OBJECTS), "hive": Synthetic("hive", 20_000)}) as running:
        yield running


@pytest.fixture
def small(gcs: Emulator) -> Emulator:
    gcs.create_bucket("small", Memory(dict.fromkeys("abc", b"1")))
    return gcs


def test_what_was_added_changed_or_removed(small: Emulator, controller: Make) -> None:
    listing = controller(small, "small")
    previous = listing.listing(fields=("generation",))
    small.put("small", "d", b"1")
    small.put("small", "b", b"2")  # of the same size
    listing.client.bucket("small").delete_blob("a")
    changes = listing.refresh(previous)
    assert (changes.added.names, changes.changed.names, changes.removed.names) == (["d"], ["b"], ["a"])
    assert changes.listing == listing.listing()
    assert pickle.loads(pickle.dumps(changes)).changed == changes.changed


def test_only_the_part_with_the_prefix_is_compared(small: Emulator, controller: Make) -> None:
    previous = controller(small, "small").listing()
    changes = controller(small, "small", prefix="b").refresh(previous)
    assert changes.listing.names == ["b"]
    assert changes.removed.names == []


def test_a_refreshed_listing_can_be_refreshed(small: Emulator, controller: Make) -> None:
    listing = controller(small, "small")
    first = listing.refresh(listing.listing(fields=("generation",)), fields=("crc32c",)).listing
    assert first.fields == ("generation", "crc32c")
    small.put("small", "c", b"3")
    assert listing.refresh(first).changed.names == ["c"]


def test_without_columns_only_sizes_tell(small: Emulator, controller: Make) -> None:
    listing = controller(small, "small")
    previous = listing.listing()
    small.put("small", "a", b"2")
    small.put("small", "b", b"22")
    changes = listing.refresh(previous)
    assert changes.changed.names == ["b"]
    assert changes.compared == ("size",)


def test_a_large_bucket_is_listed_in_whole_pages_from_the_first_round_trip(gcs: Emulator, controller: Make) -> None:
    listing = controller(gcs, "b", 16)
    previous = listing.listing()
    gcs.reset_requests()
    changes = listing.refresh(previous)
    assert changes.listing == previous
    assert not any(map(len, (changes.added, changes.changed, changes.removed)))
    assert gcs.requests()["list"] == 13  # 12 full pages, less two in a hundred of room in each
    assert listing.stats.splits == 0


@pytest.mark.parametrize("parallelism", [1, 3, 16])
def test_a_previous_listing_of_anything_else_costs_calls_but_no_object(
    gcs: Emulator, controller: Make, parallelism: int
) -> None:
    everything = controller(gcs, "b", parallelism)
    changes = everything.refresh(controller(gcs, "hive").listing())
    assert changes.added == changes.listing == controller(gcs, "b").listing()
    assert len(changes.removed) == 20_000
    assert everything.refresh(Listing([])).added == changes.listing


def test_a_hierarchical_namespace_is_refreshed_exactly(gcs: Emulator, controller: Make) -> None:
    gcs.create_bucket("tree", Synthetic("hive", 20_000, resource={"hierarchicalNamespace": {"enabled": True}}))
    listing = controller(gcs, "tree", 16)
    changes = listing.refresh(controller(gcs, "hive").listing()[3:])
    assert changes.listing == controller(gcs, "hive").listing()
    assert len(changes.added) == 3


def test_a_file_of_years_ago_serves(gcs: Emulator, controller: Make, tmp_path: Path) -> None:
    listing = controller(gcs, "b", 16)
    listing.listing(fields=("generation",))[100:].to_parquet(tmp_path / "old.parquet")
    changes = listing.refresh(Listing.from_parquet(tmp_path / "old.parquet"))
    assert (len(changes.added), len(changes.changed), len(changes.removed)) == (100, 0, 0)


def test_a_refresh_that_is_interrupted_goes_on(gcs: Emulator, controller: Make, tmp_path: Path) -> None:
    previous = controller(gcs, "b").listing()
    interrupted = controller(gcs, "b", 16, resume=tmp_path / "checkpoint")
    seen: list[None] = []

    def interrupt(_: object) -> None:
        seen.append(None)
        if len(seen) > 5:
            raise InterruptedError

    interrupted.observer = interrupt
    with pytest.raises(InterruptedError):
        interrupted.refresh(previous)
    listing = controller(gcs, "b", 16, resume=tmp_path / "checkpoint")
    assert listing.refresh(previous).listing == previous
    assert listing.stats.resumed_objects


def test_what_cannot_be_compared_is_refused_before_anything_is_asked(small: Emulator, controller: Make) -> None:
    small.reset_requests()
    with pytest.raises(InvalidArgument, match="previous='old.parquet': expected a Listing"):
        controller(small, "small").refresh("old.parquet")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="expected no versions"):
        controller(small, "small", selection=Selection(versions=True)).refresh(Listing([]))
    with pytest.raises(InvalidArgument, match="previous=a listing with repeated names"):
        controller(small, "small").refresh(Listing([page_of(["a", "a"], [1, 2])]))
    assert small.requests().total == 0


def test_changes_are_a_public_name() -> None:
    assert ListingChanges.between(Listing([]), Listing([])).compared == ("size",)
