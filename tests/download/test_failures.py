"""What changed since the listing, or goes wrong on the way, is an error by name or cured by another try."""

from __future__ import annotations

import pickle
import socket
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY, DEFAULT_RETRY_IF_GENERATION_SPECIFIED

from dataflux_core import download, errors
from dataflux_core.emulator import Fault, Latency, Memory
from dataflux_core.fast_list import ListingController
from tests.download.buckets import COMPOSED, DIRECT, DRIVERS, Stocked, eager
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.api_core.retry import Retry

    from dataflux_core.emulator import Emulator

Stock: TypeAlias = "Callable[[list[int]], Stocked]"


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.__name__)
def driver(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[COMPOSED, DIRECT], ids=["composed", "direct"])
def params(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.usefixtures("many_processes")
def test_an_object_that_changed_its_size_is_named_and_nothing_is_left(driver: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 70)
    bucket.put("data/00040", b"x" * 101)
    with pytest.raises(errors.ObjectChanged) as caught:
        driver(bucket.client(), bucket.name, bucket.pairs, params)
    assert (caught.value.name, caught.value.listed, caught.value.read) == ("data/00040", 100, 101)
    assert bucket.temporaries() == []


@pytest.mark.usefixtures("many_processes")
def test_an_object_that_was_deleted_is_named_and_nothing_is_left(driver: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 70)
    bucket.client().bucket(bucket.name).blob("data/00040").delete()
    with pytest.raises(errors.ObjectNotFound) as caught:
        driver(bucket.client(), bucket.name, bucket.pairs, params)
    assert (caught.value.bucket, caught.value.name) == (bucket.name, "data/00040")
    assert bucket.temporaries() == []


def listing_with_generations(bucket: Stocked) -> Any:
    controller = ListingController(4, "p", bucket.name)
    controller.client = bucket.client()
    return controller.listing(fields=["generation"])


def test_sizes_that_cancel_out_do_not_hide_a_change_where_generations_are_known(
    driver: Any, params: Any, stocked: Stock
) -> None:
    bucket = stocked([100] * 10)
    listing = listing_with_generations(bucket)
    bucket.put("data/00004", b"x" * 101)
    bucket.put("data/00005", b"x" * 99)
    with pytest.raises(errors.ObjectChanged, match="data/0000[45]: listed 100 bytes, found (101|99)"):
        driver(bucket.client(), bucket.name, listing, params)


def test_other_bytes_of_the_same_size_are_a_change_where_generations_are_known(
    driver: Any, params: Any, stocked: Stock
) -> None:
    bucket = stocked([100] * 10)
    listing = listing_with_generations(bucket)
    generation = bucket.put("data/00004", b"x" * 100)
    with pytest.raises(errors.ObjectChanged) as caught:
        driver(bucket.client(), bucket.name, listing, params)
    assert (caught.value.name, caught.value.read) == ("data/00004", generation)


def test_a_pinned_object_that_was_deleted_is_named(driver: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 10)
    listing = listing_with_generations(bucket)
    bucket.client().bucket(bucket.name).blob("data/00004").delete()
    with pytest.raises(errors.ObjectNotFound, match="data/00004"):
        driver(bucket.client(), bucket.name, listing, params)


@pytest.mark.usefixtures("many_processes")
def test_a_missing_bucket_is_named(driver: Any, params: Any, stocked: Stock) -> None:
    client = stocked([]).client()
    with pytest.raises(errors.BucketNotFound) as caught:
        driver(client, "nowhere", [("a", 1), ("b", 1)], params)
    assert caught.value.bucket == "nowhere"


def test_a_reader_without_permission_is_told_so(driver: Any, params: Any, gcs: Emulator) -> None:
    gcs.create_bucket("secret", Memory({"a": b"1", "b": b"2"}, permissions=frozenset({"storage.objects.list"})))
    bucket = Stocked(gcs, "secret")
    with pytest.raises(errors.AccessDenied, match="storage.objects.get"):
        driver(bucket.client(), "secret", [("a", 1), ("b", 1)], params)


def test_an_endpoint_that_refuses_connections_is_an_error_within_seconds(
    driver: Any, params: Any, quick_retry: Retry
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound, never listening
        endpoint = f"http://127.0.0.1:{bound.getsockname()[1]}"
        client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": endpoint})
        with pytest.raises(errors.EndpointUnreachable, match=endpoint):
            driver(client, "b", [("a", 1), ("b", 1)], params, retry_config=quick_retry)


CURED = [
    Fault("read", "503", times=3),
    Fault("read", "429", times=3, retry_after_s=0),
    Fault("read", "408", times=3),
    Fault("read", "reset", times=3),
    Fault("read", "lost", times=3),
    Fault("read", "truncate", times=3),
    Fault("read", "checksum", times=3),
    Fault("read", "hash_header", times=3),
    Fault("read", "401", times=0),
    Fault("iam", "503", times=2),
    Fault("compose", "503", times=3),
    Fault("compose", "429", times=3, retry_after_s=0),
    Fault("compose", "reset", times=3),
    Fault("compose", "lost", times=3),
    Fault("delete", "503", times=3),
    Fault("delete", "lost", times=3),
    Fault("batch", "503", times=1),
    Fault("batch", "lost", times=1),
    Fault("any", "503", probability=0.3, times=40),
    Fault("any", "lost", probability=0.3, times=40),
]


@pytest.mark.parametrize("fault", CURED, ids=lambda fault: f"{fault.operation} {fault.kind}")
def test_what_passes_is_tried_again(fault: Fault, driver: Any, stocked: Stock, quick_retry: Retry) -> None:
    bucket = stocked([100] * 200)
    bucket.gcs.configure(faults=[fault])
    for params in (COMPOSED, DIRECT):
        got = driver(bucket.client(), bucket.name, bucket.pairs, params, retry_config=quick_retry)
        assert got == bucket.expected
    assert bucket.temporaries() == []


def test_a_service_that_refuses_crowds_is_read_at_its_pace(driver: Any, stocked: Stock, quick_retry: Retry) -> None:
    bucket = stocked([100] * 300)
    bucket.gcs.configure(max_in_flight=20, latency=Latency(read_s=0.002))
    assert driver(bucket.client(), bucket.name, bucket.pairs, DIRECT, retry_config=quick_retry) == bucket.expected


def test_bytes_that_stay_wrong_are_an_error_that_names_the_object(driver: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 10)
    bucket.gcs.configure(faults=[Fault("read", "checksum")])
    with pytest.raises(errors.ChecksumMismatch, match="data/0000"):
        driver(bucket.client(), bucket.name, bucket.pairs, params)
    assert bucket.temporaries() == []


def test_a_composite_that_stays_wrong_is_replaced_by_direct_reads(stocked: Stock) -> None:
    bucket = stocked([100] * 10)
    bucket.gcs.configure(faults=[Fault("read", "checksum", match=download.COMPOSED_PREFIX)])
    assert eager(bucket.client(), bucket.name, bucket.pairs) == bucket.expected
    assert bucket.temporaries() == []


def test_objects_that_the_service_will_not_compose_are_read_directly(driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 40)
    bucket.put("data/00003", bucket.contents["data/00003"], {"storageClass": "NEARLINE"})
    assert driver(bucket.client(), bucket.name, bucket.pairs) == bucket.expected
    assert bucket.temporaries() == []


@pytest.mark.parametrize("kind", ["503", "reset", "truncate", "checksum"])
def test_without_a_retry_the_first_failure_is_the_last(kind: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 3)
    bucket.gcs.configure(faults=[Fault("read", kind, times=8)])
    with pytest.raises(errors.DatafluxError):
        eager(bucket.client(), bucket.name, bucket.pairs, params, retry_config=None)


@pytest.mark.usefixtures("many_processes")
def test_a_callers_predicate_decides_what_is_tried_again(driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 100)
    bucket.gcs.configure(faults=[Fault("read", "503", times=3)])
    never = DEFAULT_RETRY.with_predicate(lambda error: False)  # noqa: ARG005
    with pytest.raises(errors.ServiceRefused, match="503"):
        driver(bucket.client(), bucket.name, bucket.pairs, DIRECT, retry_config=never)


def test_a_service_that_never_recovers_is_an_error_after_the_callers_timeout(
    driver: Any, params: Any, stocked: Stock, quick_retry: Retry
) -> None:
    bucket = stocked([100] * 3)
    bucket.gcs.configure(faults=[Fault("any", "503")])
    with pytest.raises(errors.ServiceRefused, match="HTTP 503"):
        driver(bucket.client(), bucket.name, bucket.pairs, params, retry_config=quick_retry.with_timeout(0.2))
    bucket.gcs.configure(faults=())


def test_deletes_that_fail_are_no_error_and_left_to_the_guardian(stocked: Stock) -> None:
    bucket = stocked([100] * 40)
    bucket.gcs.configure(faults=[Fault("delete", "503", times=3)])
    assert eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED, retry_config=None) == bucket.expected
    assert wait_until(lambda: bucket.gcs.requests()["delete"] > 3)  # faults stay: temporaries() would lift them
    assert wait_until(lambda: bucket.temporaries() == [])


def test_deletes_that_fail_for_ever_hold_no_finished_download_up(driver: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 200)
    bucket.gcs.configure(faults=[Fault("batch", "503"), Fault("delete", "503")])
    stats = download.DownloadStats()
    began_s = time.monotonic()
    assert driver(bucket.client(), bucket.name, bucket.pairs, COMPOSED, stats=stats) == bucket.expected
    assert time.monotonic() - began_s < 60  # the retry of a delete would take two minutes
    assert stats.temporaries_kept == stats.groups_composed == 7
    assert wait_until(lambda: bucket.temporaries() == [])  # the faults are lifted: the guardian goes on


@pytest.mark.parametrize(
    "error",
    [errors.ObjectChanged("n", 1, 2), errors.ObjectNotFound("b", "n"), errors.ChecksumMismatch("n", "x", "y")],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_processes(error: errors.DatafluxError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args) == (type(error), error.args)


BAD_OBJECTS = [
    pytest.param(None, "objects", id="None"),
    pytest.param({"a": 1}, "objects", id="a dict"),
    pytest.param("ab", "objects", id="a str"),
    pytest.param({("a", 1)}, "objects", id="a set has no order"),
    pytest.param(7, "objects", id="a number"),
    pytest.param([("a", 1), "b"], r"objects\[1\]", id="a name without a size"),
    pytest.param([("a", 1), ("b",)], r"objects\[1\]", id="a tuple of one"),
    pytest.param([("a", 1), ("b", 1, 2)], r"objects\[1\]", id="a tuple of three"),
    pytest.param([("a", -1)], r"objects\[0\]", id="a negative size"),
    pytest.param([("a", "1")], r"objects\[0\]", id="a size that is a str"),
    pytest.param([("a", 1.5)], r"objects\[0\]", id="a fractional size"),
    pytest.param([("a", None)], r"objects\[0\]", id="a size of None"),
    pytest.param([("a", True)], r"objects\[0\]", id="a size of True"),
    pytest.param([(b"a", 1)], r"objects\[0\]", id="a name in bytes"),
    pytest.param([("", 1)], r"objects\[0\]", id="an empty name"),
    pytest.param([("\ud800", 1)], r"objects\[0\]", id="a name that UTF-8 cannot hold"),
]


@pytest.mark.parametrize(("objects", "named"), BAD_OBJECTS)
def test_wrong_objects_are_refused_before_any_request(objects: Any, named: str, driver: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match=f"^{named}="):
        driver(object(), "b", objects)  # a client that can do nothing is not asked for anything


@pytest.mark.parametrize("bucket_name", [None, "", "gs://b", "a/b", 7])
def test_a_wrong_bucket_name_is_refused(bucket_name: Any, driver: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="bucket_name"):
        driver(None, bucket_name, [("a", 1)])


@pytest.mark.parametrize("count", [0, -1, 1.5, None])
def test_counts_below_one_are_refused(count: Any) -> None:
    with pytest.raises(ValueError, match="threads"):
        download.dataflux_download_threaded("p", "b", [("a", 1)], threads=count)
    with pytest.raises(ValueError, match="parallelization"):
        download.dataflux_download_parallel("p", "b", [("a", 1)], parallelization=count)


@pytest.mark.parametrize("size", [-1, None, "1"])
def test_a_wrong_cap_is_refused(size: Any, driver: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="max_composite_object_size"):
        driver(None, "b", [("a", 1)], download.DataFluxDownloadOptimizationParams(size))


def test_a_retry_of_another_kind_is_refused(driver: Any, stocked: Stock) -> None:
    bucket = stocked([1])
    with pytest.raises(errors.InvalidArgument, match="retry_config"):
        driver(bucket.client(), bucket.name, bucket.pairs, retry_config=3)


def test_a_conditional_retry_is_as_good_as_its_condition(driver: Any, stocked: Stock) -> None:
    bucket = stocked([1])
    retry = DEFAULT_RETRY_IF_GENERATION_SPECIFIED
    assert driver(bucket.client(), bucket.name, bucket.pairs, retry_config=retry) == bucket.expected
