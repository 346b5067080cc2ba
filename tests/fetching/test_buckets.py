"""Objects in buckets on Google Cloud Storage: pinned, verified, each error in its place."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from dataflux_core import errors
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core.emulator import Fault, Latency, Memory
from tests.download.test_fake_clients import FakeClient
from tests.fetching.fetchers import IMPATIENT, crc32c_of, fetched, fetcher, one

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._run.reading.direct import Part
    from dataflux_core.emulator import Emulator
    from tests.download.buckets import Stocked

    Stock = Callable[[list[int]], Stocked]


def columns(bucket: Stocked, **more: Any) -> RemoteObjects:
    urls = [f"gs://{bucket.name}/{name}" for name in bucket.contents]
    return RemoteObjects(urls, [len(content) for content in bucket.expected], **more)


def test_everything_comes_with_its_bytes(stocked: Stock) -> None:
    bucket = stocked([100] * 300 + [0, 50_000])
    with fetcher(bucket.client()) as reader:
        assert fetched(reader, columns(bucket)) == bucket.expected
        assert fetched(reader, RemoteObjects(columns(bucket).urls)) == bucket.expected  # sizes not known
        assert reader.stats.objects == 604
        assert reader.stats.received_bytes == 2 * sum(map(len, bucket.expected))


def test_the_client_comes_from_the_environment_where_none_is_given(
    stocked: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = stocked([10])
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.gcs.endpoint)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    with fetcher() as reader:
        assert fetched(reader, columns(bucket)) == bucket.expected


def test_a_client_is_asked_for_once(stocked: Stock) -> None:
    bucket = stocked([10])
    made = []

    def make() -> Any:
        made.append(bucket.client())
        return made[-1]

    with fetcher(make) as reader:
        for _ in range(3):
            assert fetched(reader, columns(bucket)) == bucket.expected
    assert len(made) == 1


def test_what_is_no_client_is_refused() -> None:
    with fetcher("client") as reader, pytest.raises(errors.InvalidArgument):
        one(reader, "gs://b/o")


def test_a_fake_client_is_used_through_its_methods() -> None:
    client = FakeClient([10] * 40)
    urls = [f"gs://b/{name}" for name in client.originals]
    with fetcher(client) as reader:
        assert fetched(reader, RemoteObjects([*urls, "gs://b/gone"]))[:40] == list(client.originals.values())


def test_an_object_replaced_since_it_was_listed_is_an_error_in_its_place(stocked: Stock) -> None:
    bucket = stocked([])
    generations = [bucket.put(f"o/{number}", b"first") for number in range(3)]
    bucket.put("o/1", b"later")
    urls = [f"gs://{bucket.name}/o/{number}" for number in range(3)]
    with fetcher(bucket.client()) as reader:
        parts = fetched(reader, RemoteObjects(urls, [5] * 3, None, generations))
    assert parts[0] == parts[2] == b"first"
    assert isinstance(parts[1], errors.ObjectChanged)
    assert parts[1].quantity == "generation"
    assert str(parts[1]).startswith(f"gs://{bucket.name}/o/1: listed generation {generations[1]}, found ")


@pytest.mark.parametrize(
    ("known", "composes"),
    [
        pytest.param(100, 4, id="of all the size is known"),
        pytest.param(64, 2, id="of some it is not: these go alone"),
        pytest.param(0, 0, id="of none it is known"),
    ],
)
def test_small_objects_travel_together_where_that_is_wanted(known: int, composes: int, stocked: Stock) -> None:
    bucket = stocked([100] * 100)
    sizes = [100 if number < known else -1 for number in range(100)]
    with fetcher(bucket.client(), strategy="compose") as reader:
        assert fetched(reader, RemoteObjects(columns(bucket).urls, sizes)) == bucket.expected
    assert bucket.gcs.requests()["compose"] == composes
    assert bucket.temporaries() == []


def test_who_asks_for_more_later_gets_composites_also_where_a_few_would_come_sooner_alone(stocked: Stock) -> None:
    bucket = stocked([100] * 1024)
    bucket.gcs.configure(latency=Latency.gcs())
    composes: list[int] = []
    with fetcher(bucket.client()) as reader:
        for following in (8192, 4096, 0):
            arriving = reader.read(columns(bucket), following=following)
            assert [part for _, part in sorted(arriving)] == bucket.expected
            composes.append(bucket.gcs.requests()["compose"] - sum(composes))
    first, midst, last = composes
    assert midst == 32
    assert 0 < first <= midst  # a part is read directly until composites arrive
    assert last <= midst
    assert bucket.temporaries() == []


def changed(bucket: Stocked, **listed: Any) -> Part:
    bucket.put("o", b"bytes")
    with fetcher(bucket.client()) as reader:
        return one(reader, f"gs://{bucket.name}/o", **listed)


def test_another_size_than_listed_is_an_error(stocked: Stock) -> None:
    assert isinstance(changed(stocked([]), size=4), errors.ObjectChanged)


def test_another_checksum_than_listed_is_an_error(stocked: Stock) -> None:
    error = changed(stocked([]), size=5, crc32c=crc32c_of(b"other"))
    assert isinstance(error, errors.ObjectChanged)
    assert error.quantity == "crc32c"
    assert changed(stocked([]), crc32c=crc32c_of(b"bytes")) == b"bytes"


def test_what_is_missing_is_an_error_in_its_place(stocked: Stock) -> None:
    bucket = stocked([5])
    objects = RemoteObjects([f"gs://{bucket.name}/{name}" for name in ("gone", "data/00000")])
    with fetcher(bucket.client()) as reader:
        gone, there = fetched(reader, objects)
    assert isinstance(gone, errors.ObjectNotFound)
    assert there == bucket.expected[0]


def test_no_bucket_is_raised(stocked: Stock) -> None:
    with fetcher(stocked([]).client()) as reader, pytest.raises(errors.BucketNotFound):
        one(reader, "gs://no-such-bucket/o")


def test_refused_credentials_are_raised(stocked: Stock) -> None:
    bucket = stocked([5] * 3)
    bucket.gcs.configure(faults=[Fault("read", "401")])
    with fetcher(bucket.client()) as reader, pytest.raises(errors.AccessDenied):
        fetched(reader, columns(bucket))


def test_no_endpoint_is_raised() -> None:
    client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": "http://127.0.0.1:1"})
    with fetcher(client) as reader, pytest.raises(errors.EndpointUnreachable, match="check the network") as caught:
        one(reader, "gs://b/o")
    assert "retry_config" not in str(caught.value)


def test_what_broke_advises_what_datasets_have(stocked: Stock) -> None:
    bucket = stocked([5])
    bucket.gcs.configure(faults=[Fault("read", "reset")])
    with fetcher(bucket.client(), rule=IMPATIENT) as reader:
        broken = one(reader, columns(bucket).urls[0])
    assert isinstance(broken, errors.ConnectionBroken)
    assert str(broken).endswith("retries were used up: try again later")
    assert str(pickle.loads(pickle.dumps(broken))) == str(broken)


FAULTS = {
    "resets": Fault("read", "reset", 0.1),
    "bodies cut off": Fault("read", "truncate", 0.1),
    "503s": Fault("read", "503", 0.2),
    "429s": Fault("read", "429", 0.1, retry_after_s=0),
    "damaged bytes": Fault("read", "checksum", 0.05),
}


@pytest.mark.parametrize("scheme", ["gs", "http"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_faults_that_pass_are_not_seen(fault: Fault, scheme: str, stocked: Stock) -> None:
    bucket = stocked([1000] * 200)
    bucket.gcs.configure(faults=[fault])
    place = "gs://" if scheme == "gs" else f"{bucket.gcs.endpoint}/"
    urls = [f"{place}{bucket.name}/{name}" for name in bucket.contents]
    with fetcher(bucket.client()) as reader:
        assert fetched(reader, RemoteObjects(urls, [1000] * 200)) == bucket.expected
        assert reader.stats.retries > 0


@pytest.mark.parametrize("scheme", ["gs", "http"])
@pytest.mark.parametrize("kind", ["500", "reset", "truncate", "checksum"])
def test_faults_that_stay_are_errors_of_their_objects(kind: Any, scheme: str, stocked: Stock) -> None:
    bucket = stocked([1000] * 20)
    bucket.gcs.configure(faults=[Fault("read", kind, match="00007")])
    place = "gs://" if scheme == "gs" else f"{bucket.gcs.endpoint}/"
    urls = [f"{place}{bucket.name}/{name}" for name in bucket.contents]
    with fetcher(bucket.client(), rule=IMPATIENT) as reader:
        parts = fetched(reader, RemoteObjects(urls, [1000] * 20))
    bad = parts.pop(7)
    assert parts == [content for number, content in enumerate(bucket.expected) if number != 7]
    assert isinstance(bad, errors.DatafluxError)
    assert "00007" in str(bad)


def test_the_reads_of_a_process_keep_to_its_number_of_requests(gcs: Emulator) -> None:
    import threading  # noqa: PLC0415 - of this test alone

    gcs.create_bucket("limited", Memory({f"{number}": b"x" for number in range(600)}))
    gcs.configure(latency=Latency(read_s=0.02))
    client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint})
    gcs.reset_requests()
    with fetcher(client, max_requests=20) as reader:
        results: dict[int, list[Part]] = {}

        def read(first: int, place: str) -> None:
            urls = [f"{place}limited/{number}" for number in range(first, first + 200)]
            results[first] = fetched(reader, RemoteObjects(urls, [1] * 200))

        places = ["gs://", f"{gcs.endpoint}/", "gs://"]
        threads = [threading.Thread(target=read, args=(200 * at, place)) for at, place in enumerate(places)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [results[first] for first in (0, 200, 400)] == [[b"x"] * 200] * 3
    assert gcs.requests().peak <= 24  # a read that begins may send one beside what others have under way
