from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from google.cloud.storage.retry import DEFAULT_RETRY

from dataflux_core._run.reading import reader_processes
from dataflux_core.emulator import Emulator, Latency
from tests.download.buckets import Stocked, stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.api_core.retry import Retry

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Emulator]:
    with Emulator() as gcs:
        yield gcs


@pytest.fixture
def gcs(server: Emulator) -> Iterator[Emulator]:
    """A service without faults or waits; what a test changes of it is undone."""
    server.reset_requests()
    yield server
    server.configure(latency=Latency(), faults=(), max_in_flight=None, token=None)


@pytest.fixture
def stocked(gcs: Emulator) -> Callable[[list[int]], Stocked]:
    """Make a bucket of its own, with objects of the given sizes."""
    return lambda sizes: stock(gcs, f"bucket-{next(_numbers)}", sizes)


@pytest.fixture
def quick_retry() -> Retry:
    """Retry as by default, without long pauses."""
    retry: Retry = DEFAULT_RETRY.with_delay(initial=0.01, multiplier=1.0, maximum=0.01).with_timeout(20.0)
    return retry


@pytest.fixture
def many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few objects pay for processes, on any machine."""
    monkeypatch.setattr(reader_processes, "_MIN_REQUESTS", 1)
    monkeypatch.setattr(reader_processes, "spare_cores", lambda: 1)
