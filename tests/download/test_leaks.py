"""However downloads end, they leave no descriptor, thread or process behind."""

from __future__ import annotations

import gc
import itertools
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
    from collections.abc import Callable, Generator, Sequence

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
DOWNLOADS = 50
SIZES = [100] * 12 + [20_000]
IN_PROCESSES = [way for way in WAYS if "processes" in way.name]
IN_THIS_PROCESS = [way for way in WAYS if way not in IN_PROCESSES]
FAILURES: dict[str, tuple[Fault, ...]] = {
    "an object is gone": (),
    "reads are refused": (Fault("read", "503"),),
    "connections break": (Fault("read", "reset"),),
    "bytes are wrong": (Fault("read", "checksum"),),
}


class Possessions(NamedTuple):
    """What this process has of its own, connections that wait for the next call aside."""

    descriptors: int
    threads: int
    children: tuple[int, ...]

    def is_within(self, before: Possessions) -> bool:
        """Tell whether nothing came to what there was, of which some may have ended: an earlier test's last thread."""
        fewer = self.descriptors <= before.descriptors and self.threads <= before.threads
        return fewer and set(self.children) <= set(before.children)


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


def assert_leave_nothing(calls: Sequence[Callable[[], object]], bucket: Stocked, *, downloads: int = DOWNLOADS) -> None:
    """Make so many calls, each kind in its turn; compare what there is after the first of each and in the end."""
    for call in calls:
        call()  # what is there for good comes with the first: a guardian, modules
    before = possessions()
    for call in itertools.islice(itertools.cycle(calls), downloads):
        call()
    assert wait_until(lambda: possessions().is_within(before)), (before, possessions())
    assert wait_until(lambda: bucket.temporaries() == [])
    assert connections._granted == 0


def reads(way: Way, bucket: Stocked, client: Any) -> Callable[[], None]:
    def call() -> None:
        assert way.read(client, bucket.name, bucket.pairs) == bucket.expected

    return call


def fails(way: Way, faults: Sequence[Fault], bucket: Stocked, client: Any) -> Callable[[], None]:
    objects = bucket.pairs if faults else [*bucket.pairs, ("gone", 1)]

    def call() -> None:
        bucket.gcs.configure(faults=faults)
        with pytest.raises(errors.DatafluxError):
            way.read(client, bucket.name, objects, QUICK.with_timeout(0.01))

    return call


def lazily(bucket: Stocked, client: Any) -> Generator[bytes, None, None]:
    return download.dataflux_download_lazy("p", bucket.name, bucket.pairs, client, COMPOSED_BY_FOUR, strategy="compose")


def closes(taken: int, bucket: Stocked, client: Any) -> Callable[[], None]:
    def call() -> None:
        arriving = lazily(bucket, client)
        assert [next(arriving) for _ in range(taken)] == bucket.expected[:taken]
        arriving.close()

    return call


def test_ordinary_downloads(stocked: Stock) -> None:
    bucket = stocked(SIZES)
    client = bucket.client()
    assert_leave_nothing([reads(way, bucket, client) for way in IN_THIS_PROCESS], bucket)


def test_ordinary_downloads_in_processes(stocked: Stock) -> None:
    bucket = stocked(SIZES)
    client = bucket.client()
    assert_leave_nothing([reads(way, bucket, client) for way in IN_PROCESSES], bucket, downloads=6)


@pytest.mark.parametrize("faults", FAILURES.values(), ids=FAILURES)
def test_downloads_that_fail(faults: Sequence[Fault], stocked: Stock) -> None:
    bucket = stocked(SIZES)
    client = bucket.client()
    assert_leave_nothing([fails(way, faults, bucket, client) for way in IN_THIS_PROCESS], bucket, downloads=14)


def test_downloads_in_processes_that_fail(stocked: Stock) -> None:
    bucket = stocked(SIZES)
    client = bucket.client()
    assert_leave_nothing([fails(way, (), bucket, client) for way in IN_PROCESSES], bucket, downloads=4)


def test_lazy_downloads_that_are_closed_early(stocked: Stock) -> None:
    bucket = stocked([100] * 100)
    client = bucket.client()
    assert_leave_nothing([closes(taken, bucket, client) for taken in (0, 1, 10)], bucket)


def test_lazy_downloads_whose_consumers_fail(stocked: Stock) -> None:
    bucket = stocked([100] * 100)
    client = bucket.client()

    def call() -> None:
        with suppress(ZeroDivisionError):
            for _ in lazily(bucket, client):
                raise ZeroDivisionError

    assert_leave_nothing([call], bucket, downloads=20)


def test_clients_that_come_and_go(stocked: Stock) -> None:
    bucket = stocked(SIZES)

    def call() -> None:
        for way in IN_THIS_PROCESS[:2]:
            client = bucket.client()
            assert way.read(client, bucket.name, bucket.pairs) == bucket.expected
            client.close()

    assert_leave_nothing([call], bucket, downloads=20)
