"""Every driver takes the same keywords: what is composed, what becomes of errors, of compressed objects, of memory."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from dataflux_core import download
from dataflux_core._plan import schedule
from dataflux_core._plan.prices import Prices
from dataflux_core.emulator import Fault, Memory
from dataflux_core.errors import (
    BucketNotFound,
    ChecksumMismatch,
    DatafluxError,
    InvalidArgument,
    NotDecompressed,
    ObjectChanged,
    ObjectNotFound,
    ServiceRefused,
)
from dataflux_core.fast_list import ListingController
from tests.download.buckets import COMPOSED, DRIVERS, Stocked, eager, lazy

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core.emulator import Emulator

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
PLAIN = b"what the object says " * 500


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.__name__)
def driver(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["compose", "direct"])
def strategy(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def listing(bucket: Stocked, *fields: str) -> Any:
    controller = ListingController(4, "p", bucket.name)
    controller.client = bucket.client()
    return controller.listing(fields=fields)


def test_few_small_objects_are_read_directly_without_asking_the_bucket(driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 200)
    assert driver(bucket.client(), bucket.name, bucket.pairs) == bucket.expected
    requests = bucket.gcs.requests()  # guardians of other tests may still delete on the shared service
    assert (requests["read"], requests["iam"], requests["bucket"], requests["compose"]) == (200, 0, 0, 0)


def test_many_small_objects_are_read_both_ways_at_once(stocked: Stock) -> None:
    bucket = stocked([10] * 12_000)
    stats = download.DownloadStats()
    assert eager(bucket.client(), bucket.name, bucket.pairs, stats=stats) == bucket.expected
    assert stats.groups_composed > 0
    assert stats.objects_direct > 0
    assert bucket.temporaries() == []


def test_to_save_money_full_groups_are_composed_however_few(driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 64)
    stats = download.DownloadStats()
    assert driver(bucket.client(), bucket.name, bucket.pairs, optimize="cost", stats=stats) == bucket.expected
    assert (stats.groups_composed, stats.objects_direct) == (2, 0)


def test_prices_of_the_users_own_decide(stocked: Stock) -> None:
    bucket = stocked([100] * 64)
    dear = Prices(class_a_usd_per_million=50.0, class_b_usd_per_million=0.4, storage_usd_per_gib_month=0.02)
    stats = download.DownloadStats()
    eager(bucket.client(), bucket.name, bucket.pairs, optimize="cost", prices=dear, stats=stats)
    assert (stats.groups_composed, stats.objects_direct) == (0, 64)


def test_a_retention_policy_forbids_temporaries_whatever_the_strategy(
    gcs: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    contents = {f"o{number}": b"x" * number for number in range(64)}
    gcs.create_bucket("retained", Memory(contents, resource={"retentionPolicy": {"retentionPeriod": "3600"}}))
    bucket = Stocked(gcs, "retained", contents)
    with caplog.at_level("WARNING"):
        assert eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED) == bucket.expected
    assert gcs.requests()["compose"] == 0
    assert "retention policy" in caplog.text


@pytest.mark.usefixtures("many_processes")
def test_an_error_is_returned_in_the_place_of_its_object(driver: Any, strategy: str, stocked: Stock) -> None:
    bucket = stocked([100] * 70)
    wanted = [*bucket.pairs[:40], ("data/missing", 5), *bucket.pairs[40:69], ("data/00069", 99)]
    found = driver(bucket.client(), bucket.name, wanted, strategy=strategy, on_error="return")
    assert found[:40] + found[41:70] == bucket.expected[:69]
    assert isinstance(found[40], ObjectNotFound)
    assert found[40].name == "data/missing"
    assert isinstance(found[70], ObjectChanged)
    assert (found[70].listed, found[70].read) == (99, 100)
    assert bucket.temporaries() == []


def test_an_object_whose_bytes_always_suffer_is_returned_as_that(driver: Any, strategy: str, stocked: Stock) -> None:
    bucket = stocked([100] * 40)
    bucket.gcs.configure(faults=[Fault("read", "checksum", match="data/00007")])
    found = driver(bucket.client(), bucket.name, bucket.pairs, strategy=strategy, on_error="return")
    if strategy == "direct":
        assert isinstance(found[7], ChecksumMismatch)
    assert [part for part in found if isinstance(part, bytes)] == [
        content for at, content in enumerate(bucket.expected) if isinstance(found[at], bytes)
    ]
    assert sum(isinstance(part, DatafluxError) for part in found) <= 1


def test_what_concerns_every_object_is_raised_all_the_same(driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 3)
    with pytest.raises(BucketNotFound):
        driver(bucket.client(), "no-such-bucket", bucket.pairs, on_error="return")


def test_a_service_that_fails_for_good_at_one_object_costs_that_alone(stocked: Stock) -> None:
    bucket = stocked([100] * 40)
    bucket.gcs.configure(faults=[Fault("read", "503", match="data/00003")])
    how: dict[str, Any] = {"strategy": "direct", "on_error": "return", "retry_config": None}
    found: list[Any] = eager(bucket.client(), bucket.name, bucket.pairs, **how)
    refused = found.pop(3)
    assert isinstance(refused, ServiceRefused)
    assert found == [content for at, content in enumerate(bucket.expected) if at != 3]


@pytest.fixture
def half_compressed(stocked: Stock) -> Stocked:
    """A bucket in which every second object is stored as gzip, one of these more than once."""
    bucket = stocked([50] * 40)
    for number in range(1, 40, 2):
        name = f"data/{number:05d}"
        bucket.contents[name] = gzip.compress(PLAIN) * (2 if number == 5 else 1)
        bucket.put(name, bucket.contents[name], {"contentEncoding": "gzip"})
    return bucket


@pytest.mark.parametrize("fields", [(), ("content_encoding", "crc32c")], ids=["names alone", "with encodings"])
@pytest.mark.usefixtures("many_processes")
def test_compressed_objects_are_decompressed_on_request(
    driver: Any, strategy: str, fields: tuple[str, ...], half_compressed: Stocked
) -> None:
    bucket = half_compressed
    wanted = listing(bucket, *fields)
    plain = [
        gzip.decompress(content) if number % 2 else content
        for number, content in enumerate(bucket.contents[name] for name in wanted.names)
    ]
    stats = download.DownloadStats()
    found = driver(bucket.client(), bucket.name, wanted, strategy=strategy, decompress=True, stats=stats)
    assert found == plain
    assert bool(stats.groups_composed) is (strategy == "compose" and bool(fields))
    assert driver(bucket.client(), bucket.name, wanted, strategy=strategy) == [bucket.contents[n] for n in wanted.names]


def test_what_is_said_to_be_compressed_but_is_not_is_named(driver: Any, strategy: str, stocked: Stock) -> None:
    bucket = stocked([10] * 3)
    bucket.put("data/00001", b"not gzip", {"contentEncoding": "gzip"})
    wanted = listing(bucket, "content_encoding")
    with pytest.raises(NotDecompressed, match="data/00001"):
        driver(bucket.client(), bucket.name, wanted, strategy=strategy, decompress=True)
    found = driver(bucket.client(), bucket.name, wanted, strategy=strategy, decompress=True, on_error="return")
    assert isinstance(found[1], NotDecompressed)
    assert found[::2] == bucket.expected[::2]


@pytest.fixture
def ranged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let objects of more than 10 kB count as large, in pieces of 3 kB."""
    monkeypatch.setattr(schedule, "RANGED_BYTES", 10_000)
    monkeypatch.setattr("dataflux_core._run.reading.ranged.PIECE_BYTES", 3_000)
    monkeypatch.setattr("dataflux_core._plan.strategy.TOGETHER_BYTES", 5_000)


@pytest.mark.usefixtures("ranged")
@pytest.mark.parametrize("fields", [(), ("generation",), ("generation", "crc32c")], ids=["names", "pinned", "checked"])
def test_large_objects_are_read_in_ranges_at_once(fields: tuple[str, ...], stocked: Stock) -> None:
    bucket = stocked([100, 10_001, 50_000, 0, 12_000])
    for read in (eager, lazy):
        bucket.gcs.reset_requests()
        assert read(bucket.client(), bucket.name, listing(bucket, *fields)) == bucket.expected
        assert bucket.gcs.requests()["read"] == 2 + 4 + 17 + 4


@pytest.mark.usefixtures("ranged")
def test_a_large_object_that_comes_damaged_once_is_read_again(stocked: Stock) -> None:
    bucket = stocked([20_000])
    bucket.gcs.configure(faults=[Fault("read", "checksum", times=1)])
    assert eager(bucket.client(), bucket.name, bucket.pairs) == bucket.expected
    bucket.gcs.configure(faults=[Fault("read", "checksum")])
    with pytest.raises(ChecksumMismatch):
        eager(bucket.client(), bucket.name, bucket.pairs)


@pytest.mark.usefixtures("ranged")
@pytest.mark.parametrize("fields", [(), ("generation",), ("generation", "crc32c")], ids=["names", "pinned", "checked"])
def test_a_large_object_that_was_replaced_or_deleted_is_named(fields: tuple[str, ...], stocked: Stock) -> None:
    bucket = stocked([20_000, 20_000, 20_000])
    wanted = listing(bucket, *fields)
    bucket.put("data/00001", random.Random(0).randbytes(20_001))
    bucket.client().bucket(bucket.name).delete_blob("data/00002")
    found: list[Any] = eager(bucket.client(), bucket.name, wanted, on_error="return")
    assert found[0] == bucket.expected[0]
    assert isinstance(found[1], ObjectChanged)
    assert isinstance(found[2], ObjectNotFound)


@pytest.mark.usefixtures("ranged")
def test_large_objects_stored_compressed_are_decompressed_on_request(stocked: Stock) -> None:
    bucket = stocked([])
    plain = random.Random(0).randbytes(40_000)
    bucket.contents["z"] = gzip.compress(plain)
    bucket.put("z", bucket.contents["z"], {"contentEncoding": "gzip"})
    assert eager(bucket.client(), bucket.name, bucket.pairs, decompress=True) == [plain]
    assert eager(bucket.client(), bucket.name, bucket.pairs) == bucket.expected


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"strategy": "fast"}, "strategy='fast': expected one of auto, compose, direct"),
        ({"optimize": "fun"}, "optimize='fun': expected one of time, cost"),
        ({"on_error": "ignore"}, "on_error='ignore': expected one of raise, return"),
        ({"max_memory": 0}, "max_memory=0: expected a whole number of at least 1048576"),
        ({"max_requests": True}, "max_requests=True: expected a whole number of at least 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_keywords_that_mean_nothing_are_refused(driver: Any, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        driver(None, "b", [("a", 1)], **keywords)
    assert str(caught.value) == message


def test_a_keyword_that_there_is_not_is_named_with_those_that_there_are(driver: Any) -> None:
    with pytest.raises(TypeError, match=r"there is no keyword parallel; there are decompress, max_memory, .*strategy"):
        driver(None, "b", [("a", 1)], parallel=3)


def test_a_bound_on_requests_bounds_those_in_flight(driver: Any, stocked: Stock) -> None:
    bucket = stocked([10] * 300)
    driver(bucket.client(), bucket.name, bucket.pairs, max_requests=5, strategy="direct")
    assert bucket.gcs.requests().peaks["read"] <= 5
