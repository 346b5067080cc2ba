"""A listing finds out how many requests at once the service bears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.cloud.storage.retry import DEFAULT_RETRY

from dataflux_core.emulator import Emulator, Fault, Latency, Synthetic
from dataflux_core.errors import ServiceRefused

if TYPE_CHECKING:
    from google.api_core.retry import Retry

    from dataflux_core.fast_list import ListingController, PageEvent
    from tests.listing.namespaces import Make

UUIDS = Synthetic("uuids", 60_000)
CEILING = 64
SLOW = Latency(list_s=0.02)  # so that requests meet
QUICK: Retry = DEFAULT_RETRY.with_delay(initial=0.02, multiplier=1.5, maximum=0.1).with_timeout(60.0)


@pytest.mark.usefixtures("one_helper")
@pytest.mark.parametrize("borne", [1, 4, 16])
def test_a_service_that_refuses_above_a_level_is_met_there(controller: Make, borne: int) -> None:
    latency = Latency(list_s=0.015 * borne)  # slow enough for the level to be reached on any machine
    with Emulator(buckets={"b": UUIDS}, max_in_flight=borne, max_page=400, latency=latency) as gcs:
        listing = controller(gcs, "b", CEILING, retry_config=QUICK)
        windows = windows_of(listing)
        assert [name for name, _ in listing.run()] == UUIDS.names()
        refusals = gcs.requests().errors["429"]
    stats = listing.stats
    assert stats.retries_by_cause == {"429": refusals}
    assert refusals <= max(CEILING, borne) + 40  # the first crowd, then a trial now and then; of 150 pages
    assert stats.peak_in_flight <= CEILING
    late = windows[len(windows) // 2 :]
    assert 0.6 * borne <= sum(late) / len(late) <= max(1.3 * borne, borne + 1)
    assert 1 <= stats.window <= CEILING


def windows_of(listing: ListingController) -> list[int]:
    """Note the window at each page."""
    windows: list[int] = []
    listing.observer = lambda _: windows.append(listing.stats.window)
    return windows


def test_a_service_that_bears_all_is_asked_as_much_as_allowed(controller: Make) -> None:
    with Emulator(buckets={"b": UUIDS}, max_page=200, latency=SLOW) as gcs:
        listing = controller(gcs, "b", 16)
        assert len(listing.run()) == len(UUIDS)
    assert (listing.stats.window, listing.stats.peak_in_flight, listing.stats.retries) == (16, 16, 0)


def test_a_ceiling_above_the_first_crowd_is_reached_by_doubling(
    controller: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflux_core._run.listing.lister._FIRST_REQUESTS", 64)
    with Emulator(buckets={"b": UUIDS}, max_page=100, latency=SLOW) as gcs:
        listing = controller(gcs, "b", 100)
        windows = windows_of(listing)
        assert len(listing.run()) == len(UUIDS)
    assert windows[0] == 64
    assert listing.stats.window == 100


def test_a_refused_call_keeps_to_its_retry_after_while_the_others_go_on(controller: Make) -> None:
    with Emulator(buckets={"b": UUIDS}, max_page=200, latency=SLOW) as gcs:
        listing = controller(gcs, "b", 8, retry_config=QUICK)
        events: list[PageEvent] = []

        def refuse_one(event: PageEvent) -> None:
            events.append(event)
            if len(events) == 20:
                gcs.configure(faults=[Fault("list", "429", times=1, retry_after_s=1)])

        listing.observer = refuse_one
        assert [name for name, _ in listing.run()] == UUIDS.names()
    assert listing.stats.retries_by_cause == {"429": 1}
    refused_s = events[20].received_s
    assert listing.stats.elapsed_s >= 1.0
    assert sum(refused_s < event.received_s < refused_s + 1.0 for event in events) > 20


@pytest.mark.parametrize("never", [None, DEFAULT_RETRY.with_predicate(lambda _: False)], ids=["None", "a predicate"])
def test_without_retries_the_refusal_is_named(controller: Make, never: Retry | None) -> None:
    with Emulator(buckets={"b": UUIDS}, max_in_flight=1, max_page=200, latency=SLOW) as gcs:
        listing = controller(gcs, "b", CEILING, retry_config=never)
        with pytest.raises(ServiceRefused, match=r"gs://b.*429.*More than 1 requests are in flight"):
            listing.run()


def test_a_service_that_refuses_for_ever_is_an_error_once_the_time_for_retries_is_over(controller: Make) -> None:
    with Emulator(buckets={"b": UUIDS}, faults=[Fault("list", "503")]) as gcs:
        listing = controller(gcs, "b", CEILING, retry_config=QUICK.with_timeout(0.2))
        with pytest.raises(ServiceRefused, match="503"):
            listing.run()
        assert gcs.requests().peak == 1  # no crowd asks a service that has not answered once


def test_lost_connections_now_and_then_do_not_slow_a_listing_down(controller: Make) -> None:
    faults = [Fault("list", "truncate", probability=0.05)]
    with Emulator(buckets={"b": UUIDS}, faults=faults, max_page=200, latency=SLOW) as gcs:
        listing = controller(gcs, "b", 16, retry_config=QUICK)
        assert len(listing.run()) == len(UUIDS)
    assert listing.stats.retries
    assert listing.stats.window >= 14
