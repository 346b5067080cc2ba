"""Whatever the driver, what comes back is the stored bytes of every object, in the order asked for."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core import download
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.fast_list import ListingController
from tests.download.buckets import (
    COMPOSED,
    DIRECT,
    DRIVERS,
    EMOJI_NAME,
    ODD_NAMES,
    Stocked,
    client_of,
    eager,
    lazy,
    parallel,
    stock,
    threaded,
)
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = [0, 1, 10_000, 0, 333, 70_000] * 20 + [3_000_000, 5]
Stock: TypeAlias = "Callable[[list[int]], Stocked]"


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.__name__)
def driver(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("params", [COMPOSED, DIRECT, None], ids=["composed", "direct", "defaults"])
@pytest.mark.usefixtures("many_processes")
def test_every_driver_returns_every_byte_in_order(driver: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked(SIZES)
    assert driver(bucket.client(), bucket.name, bucket.pairs, params) == bucket.expected
    assert bucket.temporaries() == []


def test_names_of_every_legal_kind_are_read(driver: Any, stocked: Stock) -> None:
    bucket = stocked([])
    for name in ODD_NAMES:
        bucket.contents[name] = name.encode() * 3
        bucket.put(name, bucket.contents[name])
    for params in (COMPOSED, DIRECT):
        assert driver(bucket.client(), bucket.name, bucket.pairs, params) == bucket.expected
    assert len(EMOJI_NAME.encode()) == 1024


def test_an_object_asked_for_twice_is_returned_twice(driver: Any, stocked: Stock) -> None:
    bucket = stocked([10, 20])
    assert driver(bucket.client(), bucket.name, bucket.pairs * 40) == bucket.expected * 40


def test_any_order_is_kept(driver: Any, stocked: Stock) -> None:
    bucket = stocked(list(range(200)))
    assert driver(bucket.client(), bucket.name, bucket.pairs[::-1]) == bucket.expected[::-1]


def test_nothing_asked_for_is_nothing_requested(driver: Any) -> None:
    with Emulator() as gcs:  # of its own: guardians of other tests may still be at work on the shared one
        assert driver(client_of(gcs), "no-such-bucket", []) == []
        assert gcs.requests().total == 0


def test_objects_stored_compressed_come_back_as_stored_whatever_the_path(driver: Any, stocked: Stock) -> None:
    bucket = stocked([50])
    bucket.contents["z"] = gzip.compress(b"plain text " * 1000)
    bucket.put("z", bucket.contents["z"], {"contentEncoding": "gzip"})
    for params in (COMPOSED, DIRECT):
        assert driver(bucket.client(), bucket.name, bucket.pairs, params) == bucket.expected


def test_works_off_the_main_thread(driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 50)
    found: list[list[bytes]] = []
    thread = threading.Thread(target=lambda: found.append(driver(bucket.client(), bucket.name, bucket.pairs)))
    thread.start()
    thread.join()
    assert found == [bucket.expected]


def test_without_a_client_the_environment_says_where(stocked: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = stocked([100] * 5)
    for key, value in bucket.gcs.environ.items():
        monkeypatch.setenv(key, value)
    assert eager(None, bucket.name, bucket.pairs) == bucket.expected
    assert download.download_single(None, bucket.name, "data/00000") == bucket.expected[0]


@pytest.mark.parametrize("fields", [(), ("generation",)], ids=["names", "with generations"])
def test_a_listing_is_accepted_as_objects(fields: tuple[str, ...], driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 70)
    controller = ListingController(4, "p", bucket.name)
    controller.client = bucket.client()
    assert driver(bucket.client(), bucket.name, controller.listing(fields=fields)) == bucket.expected


@pytest.fixture(scope="module")
def varied(server: Emulator) -> Stocked:
    return stock(server, "varied", [0, 1, 2, 3, 50, 100, 101, 1000, 99_999] * 7)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_selection_under_any_cap_is_exact(data: st.DataObject, varied: Stocked) -> None:
    chosen = data.draw(st.lists(st.sampled_from(varied.pairs), max_size=150))
    params = download.DataFluxDownloadOptimizationParams(data.draw(st.sampled_from([0, 1, 100, 5000, 10**8])))
    driver = data.draw(st.sampled_from([eager, threaded, lazy]))
    got = driver(varied.client(), varied.name, chosen, params)
    assert got == [varied.contents[name] for name, _ in chosen]


@pytest.mark.parametrize(
    ("cap", "composes", "reads"),
    [
        pytest.param(100, 0, 5, id="objects that no two fit are read alone"),
        pytest.param(120, 2, 3, id="a composite has the size of its cap at most"),
        pytest.param(119, 0, 5, id="a cap is a cap"),
        pytest.param(0, 0, 5, id="a cap of 0 composes nothing"),
        pytest.param(1_000_000, 1, 1, id="a cap above all composes all"),
    ],
)
def test_caps_govern_what_is_composed(cap: int, composes: int, reads: int, stocked: Stock) -> None:
    bucket = stocked([60] * 5)
    params = download.DataFluxDownloadOptimizationParams(cap)
    assert eager(bucket.client(), bucket.name, bucket.pairs, params) == bucket.expected
    requests = bucket.gcs.requests()
    assert (requests["compose"], requests["read"], requests["delete"]) == (composes, reads, composes)


def test_permission_is_asked_for_once_and_only_to_compose(stocked: Stock) -> None:
    bucket = stocked([10] * 100)
    eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED)
    eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED)
    assert bucket.gcs.requests()["iam"] == 1
    bucket.gcs.reset_requests()
    eager(bucket.client(), bucket.name, bucket.pairs, DIRECT)
    assert bucket.gcs.requests()["iam"] == 0


@pytest.mark.parametrize("granted", [[], ["storage.objects.create"], ["storage.objects.delete"]])
def test_without_permission_objects_are_read_directly_with_one_warning(
    granted: list[str], gcs: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    contents = {f"o{number}": b"x" * number for number in range(100)}
    permissions = frozenset([*granted, "storage.objects.get", "storage.objects.list"])
    gcs.create_bucket("guarded", Memory(contents, permissions=permissions))
    bucket = Stocked(gcs, "guarded", contents)
    with caplog.at_level("WARNING"):
        assert eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED) == bucket.expected
    assert gcs.requests()["compose"] == 0
    assert [record.getMessage().split()[0] for record in caplog.records] == ["read.composes_not"]


def test_a_bound_on_threads_bounds_the_groups_in_flight(stocked: Stock) -> None:
    bucket = stocked([10] * 500)
    download.dataflux_download_threaded("p", bucket.name, bucket.pairs, bucket.client(), DIRECT, threads=2)
    assert bucket.gcs.requests().peaks["read"] <= 2


def test_stats_count_what_was_done(driver: Any, stocked: Stock) -> None:
    bucket = stocked([10] * 65)
    stats = download.DownloadStats()
    driver(bucket.client(), bucket.name, bucket.pairs, COMPOSED, stats=stats)
    assert (stats.groups_composed, stats.objects_direct, stats.received_bytes) == (2, 1, 650)
    assert stats.requests == {"permissions": 1, "bucket": 1, "compose": 2, "read": 3, "delete": 2}
    assert stats.elapsed_s > 0


def test_a_call_logs_one_line_without_secrets(stocked: Stock, caplog: pytest.LogCaptureFixture) -> None:
    bucket = stocked([10] * 3)
    with caplog.at_level("INFO", "dataflux_core"):
        eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"download.done bucket={bucket.name} objects=3 bytes=30 groups_composed=1")


def test_lazy_reads_ahead_within_its_bound_and_no_further(stocked: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflux_core._run.reading.reader.held_bytes", lambda: 100_000)
    bucket = stocked([10_000] * 100)
    arriving = download.dataflux_download_lazy("p", bucket.name, bucket.pairs, bucket.client(), DIRECT)
    assert next(arriving) == bucket.expected[0]
    for content in bucket.expected[1:]:
        held = bucket.expected.index(content) + 10
        assert bucket.gcs.requests()["read"] <= held
        assert next(arriving) == content
    assert list(arriving) == []


def test_lazy_reads_ahead_while_its_consumer_is_at_work(stocked: Stock) -> None:
    bucket = stocked([10] * 100)
    arriving = download.dataflux_download_lazy("p", bucket.name, bucket.pairs, bucket.client(), DIRECT)
    next(arriving)
    assert wait_until(lambda: bucket.gcs.requests()["read"] == 100)
    assert list(arriving) == bucket.expected[1:]


def test_lazy_asks_for_nothing_before_the_first_object_is_wanted(stocked: Stock) -> None:
    bucket = stocked([10] * 3)
    arriving = download.dataflux_download_lazy("p", bucket.name, bucket.pairs, bucket.client())
    assert bucket.gcs.requests()["read"] == 0
    assert list(arriving) == bucket.expected


def readers_ahead() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "dataflux-read-ahead"}


def test_lazy_closed_early_leaves_no_thread_or_temporary(stocked: Stock) -> None:
    bucket, before = stocked([1000] * 3000), readers_ahead()
    arriving = download.dataflux_download_lazy("p", bucket.name, bucket.pairs, bucket.client())
    assert next(arriving) == bucket.expected[0]
    arriving.close()
    assert not readers_ahead() - before
    assert bucket.temporaries() == []


def test_lazy_dropped_early_leaves_no_thread_or_temporary(stocked: Stock) -> None:
    bucket, before = stocked([1000] * 3000), readers_ahead()
    for content in download.dataflux_download_lazy("p", bucket.name, bucket.pairs, bucket.client()):
        assert content == bucket.expected[0]
        break
    assert not readers_ahead() - before
    assert bucket.temporaries() == []


@pytest.mark.usefixtures("many_processes")
def test_processes_send_empty_and_large_objects_alike(stocked: Stock) -> None:
    bucket = stocked([0, 0, 12_000_000, 0, 1, 9_000_000] + [0] * 40)
    for params in (COMPOSED, DIRECT):
        assert parallel(bucket.client(), bucket.name, bucket.pairs, params) == bucket.expected


def test_an_object_larger_than_the_memory_bound_is_read(stocked: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflux_core._run.reading.reader.held_bytes", lambda: 1000)
    bucket = stocked([10, 2_000_000, 10, 3_000_000])
    assert eager(bucket.client(), bucket.name, bucket.pairs) == bucket.expected
    assert lazy(bucket.client(), bucket.name, bucket.pairs) == bucket.expected
