"""What a listing took is counted, whatever became of it."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Literal

import pytest

from dataflux_core import errors
from dataflux_core.emulator import Emulator, Fault, Latency, Memory, Synthetic
from dataflux_core.fast_list import MODIFIED_RETRY, ListingController, ListingStats, PageEvent
from tests.listing.namespaces import OBJECTS, SHAPES
from tests.listing.test_fake_clients import FakeBlob, FakeClient

if TYPE_CHECKING:
    from pathlib import Path

    from tests.listing.namespaces import Make

QUICK = MODIFIED_RETRY.with_delay(initial=0.01, maximum=0.05)


def check(stats: ListingStats) -> None:
    """Hold the counts against one another."""
    assert stats.pages_s + stats.empty_s + stats.failed_s + stats.idle_s == pytest.approx(
        stats.ceiling * stats.elapsed_s
    )
    assert stats.bound_s <= stats.elapsed_s * 1.0001
    assert stats.empty_halves <= stats.empty_pages
    assert stats.empty_halves + stats.slivers <= stats.splits
    assert 0 <= stats.peak_in_flight <= stats.ceiling
    assert str(stats) in stats.explain()


@pytest.mark.parametrize("shape", SHAPES)
def test_calls_are_pages_with_objects_or_without(shared_gcs: Emulator, controller: Make, shape: str) -> None:
    listing = controller(shared_gcs, shape)
    listing.run()
    stats = listing.stats
    check(stats)
    assert stats.calls == stats.pages + stats.empty_pages
    assert (stats.objects, stats.ceiling) == (OBJECTS, 16)


def test_an_empty_bucket_is_one_empty_page(shared_gcs: Emulator, controller: Make) -> None:
    listing = controller(shared_gcs, "empty")
    listing.run()
    check(listing.stats)
    assert (listing.stats.pages, listing.stats.empty_pages, listing.stats.longest_chain) == (0, 1, 1)


def test_one_lister_needs_all_pages_one_after_the_other(controller: Make) -> None:
    with Emulator(buckets={"b": Synthetic("hive", 5000)}, max_page=1000) as gcs:
        listing = controller(gcs, "b", 1)
        listing.run()
    stats = listing.stats
    check(stats)
    assert (stats.longest_chain, stats.pages, stats.splits) == (5, 5, 0)
    assert stats.ramp_half_s == stats.ramp_full_s is not None


def test_what_a_listing_never_reached_is_none(shared_gcs: Emulator, controller: Make) -> None:
    listing = controller(shared_gcs, "odd", 64)
    listing.run()
    assert (listing.stats.ramp_half_s, listing.stats.ramp_full_s) == (None, None)


def test_half_of_the_ceiling_is_reached_before_all_of_it(controller: Make) -> None:
    with Emulator(buckets={"b": Synthetic("uuids", 100_000)}, max_page=500, latency=Latency(list_s=0.01)) as gcs:
        listing = controller(gcs, "b", 8)
        listing.run()
    half_s, full_s = listing.stats.ramp_half_s, listing.stats.ramp_full_s
    assert half_s is not None
    assert full_s is not None
    assert 0 < half_s <= full_s < listing.stats.elapsed_s


def test_retries_are_counted_by_cause_with_the_time_they_took(controller: Make) -> None:
    kinds: list[Literal["503", "truncate"]] = ["503", "truncate"]
    faults = [Fault("list", kind, times=3, retry_after_s=0) for kind in kinds]
    with Emulator(buckets={"b": Synthetic("uuids", 60_000)}, max_page=1000, faults=faults) as gcs:
        listing = controller(gcs, "b", retry_config=QUICK)
        listing.run()
    stats = listing.stats
    check(stats)
    assert stats.calls == stats.pages + stats.empty_pages + stats.retries
    assert sum(stats.retries_by_cause.values()) == stats.retries
    assert set(stats.retries_by_cause) == {"503", "connection"}
    assert stats.failed_s > 0


def test_a_thief_that_brings_hardly_anything_is_a_sliver(controller: Make) -> None:
    names = [f"a{number:04d}" for number in range(3000)] + ["zzz"]
    with Emulator(buckets={"b": Memory(dict.fromkeys(names, b""))}, max_page=1000) as gcs:
        listing = controller(gcs, "b")
        by_range: dict[int, int] = {}
        stolen: set[int] = set()

        def count(event: PageEvent) -> None:
            by_range[event.range_id] = by_range.get(event.range_id, 0) + event.count
            if event.victim_id is not None:
                stolen.add(event.range_id)

        listing.observer = count
        listing.run()
    assert listing.stats.slivers == sum(0 < by_range[range_id] < 100 for range_id in stolen)


def test_a_listing_that_failed_has_its_counts(controller: Make) -> None:
    faults = [Fault("list", "500", probability=0.2)]
    with Emulator(buckets={"b": Synthetic("uuids", 60_000)}, max_page=500, faults=faults) as gcs:
        listing = controller(gcs, "b", retry_config=None)
        with pytest.raises(errors.ServiceRefused):
            listing.run()
    check(listing.stats)
    assert listing.stats.elapsed_s > 0
    assert listing.stats.calls > listing.stats.pages


def test_a_stream_that_was_left_early_has_its_counts(shared_gcs: Emulator, controller: Make) -> None:
    listing = controller(shared_gcs, "uuids")
    stream = listing.stream()
    next(stream)
    assert listing.stats.elapsed_s == 0
    stream.close()  # type: ignore[attr-defined]
    check(listing.stats)
    assert listing.stats.elapsed_s > 0


def test_what_the_caller_does_with_a_page_is_not_the_listings_own_time(shared_gcs: Emulator, controller: Make) -> None:
    listing = controller(shared_gcs, "uuids")
    spent_s = 0.0
    for part in listing.stream():
        before_s = listing.stats.caller_s
        assert sum(len(name) for name in part.names) > 0
        spent_s += listing.stats.caller_s - before_s
    assert spent_s == 0  # it is known when the next page is asked for
    assert 0 < listing.stats.caller_s < listing.stats.elapsed_s
    assert 0 < listing.stats.cpu_s < listing.stats.elapsed_s


def test_a_client_of_another_class_is_counted_and_traced_alike(tmp_path: Path) -> None:
    listing = ListingController(8, "p", "b", trace=tmp_path / "t.json")
    listing.client = FakeClient([FakeBlob(f"{number:05d}", number) for number in range(12_345)])
    listing.run()
    stats = listing.stats
    check(stats)
    assert (stats.objects, stats.pages, stats.ceiling) == (12_345, 3, 1)
    traced = json.loads((tmp_path / "t.json").read_bytes())["traceEvents"]
    assert [event["args"]["objects"] for event in traced if event.get("cat") == "page"] == [5000, 4999, 2346]


def test_statistics_travel_with_the_listing(shared_gcs: Emulator, controller: Make) -> None:
    listing = controller(shared_gcs, "odd").listing()
    assert pickle.loads(pickle.dumps(listing)).stats == listing.stats
