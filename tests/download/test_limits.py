"""What a bucket or an object does unexpectedly costs neither memory nor time nor litter."""

from __future__ import annotations

import gzip
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from dataflux_core import download
from dataflux_core._plan.columns import columns_of
from dataflux_core._plan.strategy import Tempo
from dataflux_core._run.access import Anonymous, access_of
from dataflux_core._run.reading import permit
from dataflux_core._run.reading.options import ReadOptions
from dataflux_core._run.reading.reader import read_groups
from dataflux_core._run.transport import MAX_CONNECTIONS, Transport
from dataflux_core._wire.encoding import unpacked
from dataflux_core._wire.objects import media_request
from dataflux_core.emulator import Fault, Latency, Memory
from dataflux_core.errors import CredentialsMissing, ObjectChanged
from tests.download.buckets import COMPOSED, DRIVERS, Stocked, eager
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core.emulator import Emulator

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
MIB = 1024**2


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.__name__)
def driver(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_an_object_that_has_grown_is_named_without_being_received(driver: Any, stocked: Stock) -> None:
    bucket = stocked([10] * 3)
    bucket.put("data/00001", bytes(20 * MIB))
    bucket.gcs.reset_requests()
    with pytest.raises(ObjectChanged) as caught:
        driver(bucket.client(), bucket.name, bucket.pairs, strategy="direct")
    assert (caught.value.listed, caught.value.read) == (10, 20 * MIB)


def test_a_buffer_that_held_much_is_not_kept_for_little(stocked: Stock) -> None:
    bucket = stocked([3 * MIB, 600_000])
    transport = Transport(access_of(bucket.client()).endpoint)

    def read(position: int) -> None:
        name, size = bucket.pairs[position]
        transport.start(media_request(bucket.name, name, size=size), position)
        ((_, answer),) = transport.wait().answers
        assert answer.body == bucket.expected[position]

    for position in (0, 1, 1, 0, 0, 1):
        read(position)
        (exchange,) = transport._spare["large"]
        assert exchange.capacity <= 2 * bucket.pairs[position][1]
    transport.rest()
    assert transport._spare["large"] == []
    transport.close()


def test_connections_beyond_what_is_kept_are_closed_after_a_call(stocked: Stock) -> None:
    bucket = stocked([10] * 2000)
    bucket.gcs.configure(latency=Latency(read_s=1.5))
    before = len(list(Path("/proc/self/fd").iterdir()))
    params = download.DataFluxDownloadOptimizationParams(0)
    assert eager(bucket.client(), bucket.name, bucket.pairs, params, max_requests=1000) == bucket.expected
    assert bucket.gcs.requests().peaks["read"] > MAX_CONNECTIONS
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= MAX_CONNECTIONS + 30
    assert eager(bucket.client(), bucket.name, bucket.pairs[:100], params) == bucket.expected[:100]


def test_where_temporaries_cannot_be_deleted_few_are_made_and_none_by_later_calls(
    gcs: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    contents = {f"o{number:04}": b"x" for number in range(32 * 40)}
    resource: Any = {"retentionPolicy": {"retentionPeriod": "3600"}}
    granted = frozenset({f"storage.objects.{verb}" for verb in ("get", "list", "create", "delete")})
    gcs.create_bucket("keeps", Memory(contents, resource=resource, permissions=granted))  # no storage.buckets.get
    bucket = Stocked(gcs, "keeps", contents)
    made = []
    for _ in range(3):
        gcs.reset_requests()
        assert eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED, max_requests=4) == bucket.expected
        made.append(gcs.requests()["compose"])
    assert made[0] < 20
    assert made[1:] == [0, 0]
    assert sum("read.composes_not" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("operation", ["iam", "bucket"])
def test_a_bucket_that_does_not_say_is_not_waited_for(operation: Any, stocked: Stock) -> None:
    bucket = stocked([10] * 12_000)
    bucket.gcs.configure(faults=[Fault(operation, "503")], latency=Latency(read_s=0.05, compose_s=0.3))
    stats = download.DownloadStats()
    assert eager(bucket.client(), bucket.name, bucket.pairs, stats=stats) == bucket.expected
    assert stats.elapsed_s < 60  # the retries of the one request would take five minutes


def test_a_failure_to_say_is_not_remembered(stocked: Stock) -> None:
    bucket = stocked([10] * 64)
    bucket.gcs.configure(faults=[Fault("iam", "503", times=1)])
    how: dict[str, Any] = {"strategy": "compose"}
    assert eager(bucket.client(), bucket.name, bucket.pairs, retry_config=None, **how) == bucket.expected
    stats = download.DownloadStats()
    assert eager(bucket.client(), bucket.name, bucket.pairs, stats=stats, **how) == bucket.expected
    assert stats.groups_composed == 2


def test_silence_is_remembered_for_a_while_and_told_once(
    stocked: Stock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each window of a loader would wait for an answer anew."""
    monkeypatch.setattr("dataflux_core._run.reading.reader._PATIENCE_S", 0.2)
    bucket = stocked([10] * 64)
    bucket.gcs.configure(faults=[Fault("iam", "503")])
    asked = []
    for _ in range(3):
        eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED)
        asked.append(bucket.gcs.requests()["iam"])
    (key,) = permit._known
    assert asked == [asked[0]] * 3
    permit._known[key] = permit._known[key]._replace(until_s=0.0)
    eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED)
    assert bucket.gcs.requests()["iam"] > asked[0]
    assert sum("read.composes_not" in record.getMessage() for record in caplog.records) == 1


def test_what_a_bucket_forbids_is_told_once(gcs: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    contents = {f"o{number:04}": b"x" for number in range(64)}
    gcs.create_bucket("readable", Memory(contents, permissions=frozenset({"storage.objects.get"})))
    bucket = Stocked(gcs, "readable", contents)
    for _ in range(4):
        assert eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED) == bucket.expected
    assert sum("read.composes_not" in record.getMessage() for record in caplog.records) == 1


def test_a_bucket_is_remembered_for_those_who_asked_alone(stocked: Stock) -> None:
    bucket = stocked([10] * 64)
    eager(bucket.client(), bucket.name, bucket.pairs, COMPOSED)
    (key,) = permit._known
    assert key.bucket == bucket.name
    assert len(key.identity) == 32  # a digest, no token


def test_a_fork_inherits_no_lock_of_what_is_remembered() -> None:
    locks = [name for name, value in vars(permit).items() if isinstance(value, type(threading.Lock()))]
    assert locks == []


def test_one_slow_compose_is_forgotten_again() -> None:
    tempo = Tempo()
    for _ in range(5):
        tempo.note_compose(30.0)
    slow_s = tempo.compose_s
    assert slow_s < 3.0
    for _ in range(20):
        tempo.drift()
    assert tempo.compose_s < 0.4


def test_what_fails_after_the_last_byte_is_no_error(stocked: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    def header(self: Anonymous) -> str:
        raise CredentialsMissing(f"the source of {self} is gone")

    bucket = stocked([100] * 64)
    bucket.gcs.configure(latency=Latency(delete_s=0.05))
    options = ReadOptions(strategy="compose", order="listed")
    stats = download.DownloadStats()
    arriving = read_groups(access_of(bucket.client()), bucket.name, columns_of(bucket.pairs), options, stats)
    assert [next(arriving).parts, next(arriving).parts] == [bucket.expected[:32], bucket.expected[32:]]
    monkeypatch.setattr(Anonymous, "header", header)
    assert list(arriving) == []
    assert stats.temporaries_kept > 0
    monkeypatch.undo()
    assert wait_until(lambda: bucket.temporaries() == [])  # the guardian has seen to it


def test_many_members_are_unpacked_in_one_go() -> None:
    member = gzip.compress(b"x" * 1000)
    assert unpacked("o", member * 20_000) == b"x" * 20_000_000
