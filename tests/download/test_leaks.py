"""However downloads end, they leave no descriptor, thread or process behind."""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest

from dataflux_core import download, errors
from dataflux_core._run import connections
from dataflux_core.emulator import Fault
from tests.download.ways import COMPOSED_BY_FOUR, QUICK, WAYS, Way, lower_limits
from tests.processes import children_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
DOWNLOADS = 50
THREADED = [way for way in WAYS if "processes" not in way.name]


class Possessions(NamedTuple):
    """What this process has of its own, connections that wait for the next call aside."""

    descriptors: int
    threads: int
    children: tuple[int, ...]


def possessions() -> Possessions:
    gc.collect()  # clients of other tests may be waiting for it, with a session each
    with connections._lock:
        while connections._idle:
            connections._idle.pop().close()
    children = tuple(sorted(children_of(os.getpid())))
    return Possessions(len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), children)


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    lower_limits(monkeypatch)


def assert_leaves_nothing(call: Callable[[], object], downloads: int, bucket: Stocked) -> None:
    call()  # what is there for good comes with the first: a guardian, modules
    before = possessions()
    for _ in range(downloads):
        call()
    assert wait_until(lambda: possessions() == before), (before, possessions())
    assert wait_until(lambda: bucket.temporaries() == [])
    assert connections._granted == 0


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_ordinary_downloads(way: Way, stocked: Stock) -> None:
    bucket = stocked([100] * 12 + [20_000])
    client = bucket.client()

    def call() -> None:
        assert way.read(client, bucket.name, bucket.pairs) == bucket.expected

    assert_leaves_nothing(call, DOWNLOADS if "processes" not in way.name else 5, bucket)


FAILURES = {
    "an object is gone": [],
    "reads are refused": [Fault("read", "503")],
    "connections break": [Fault("read", "reset")],
    "bytes are wrong": [Fault("read", "checksum")],
}


@pytest.mark.parametrize("faults", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("way", THREADED[::3], ids=lambda way: way.name)
def test_downloads_that_fail(way: Way, faults: Any, stocked: Stock) -> None:
    bucket = stocked([100] * 12)
    client = bucket.client()
    objects = bucket.pairs if faults else [*bucket.pairs, ("gone", 1)]

    def call() -> None:
        with pytest.raises(errors.DatafluxError):
            way.read(client, bucket.name, objects, QUICK.with_timeout(0.01))

    bucket.gcs.configure(faults=faults)
    assert_leaves_nothing(call, DOWNLOADS // 2, bucket)


def test_downloads_in_processes_that_fail(stocked: Stock) -> None:
    bucket = stocked([100] * 12)
    client = bucket.client()
    processes = [way for way in WAYS if "processes" in way.name]

    def call() -> None:
        for way in processes:
            with pytest.raises(errors.ObjectNotFound):
                way.read(client, bucket.name, [*bucket.pairs, ("gone", 1)])

    assert_leaves_nothing(call, 3, bucket)


@pytest.mark.parametrize("taken", [0, 1, 10])
def test_lazy_downloads_that_are_closed_early(taken: int, stocked: Stock) -> None:
    bucket = stocked([100] * 200)
    client = bucket.client()

    def call() -> None:
        arriving = download.dataflux_download_lazy("p", bucket.name, bucket.pairs, client, COMPOSED_BY_FOUR)
        assert [next(arriving) for _ in range(taken)] == bucket.expected[:taken]
        arriving.close()

    assert_leaves_nothing(call, DOWNLOADS, bucket)


def test_lazy_downloads_whose_consumers_fail(stocked: Stock) -> None:
    bucket = stocked([100] * 200)
    client = bucket.client()

    def call() -> None:
        with suppress(ZeroDivisionError):
            for _ in download.dataflux_download_lazy("p", bucket.name, bucket.pairs, client, COMPOSED_BY_FOUR):
                raise ZeroDivisionError

    assert_leaves_nothing(call, DOWNLOADS, bucket)


def test_clients_that_come_and_go(stocked: Stock) -> None:
    bucket = stocked([100] * 20)

    def call() -> None:
        for way in WAYS[:2]:
            client = bucket.client()
            assert way.read(client, bucket.name, bucket.pairs) == bucket.expected
            client.close()

    assert_leaves_nothing(call, DOWNLOADS // 2, bucket)
