from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Latency
from tests.download.buckets import Stocked, stock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count()


@pytest.fixture(scope="session")
def shared_gcs() -> Iterator[Emulator]:
    with Emulator() as gcs:
        yield gcs


@pytest.fixture
def gcs(shared_gcs: Emulator) -> Iterator[Emulator]:
    """A service without faults or waits; what a test changes of it is undone."""
    shared_gcs.reset_requests()
    yield shared_gcs
    shared_gcs.configure(latency=Latency(), faults=(), max_in_flight=None, token=None)


@pytest.fixture
def stocked(gcs: Emulator) -> Callable[[list[int]], Stocked]:
    """Make a bucket of its own, with objects of the given sizes."""
    return lambda sizes: stock(gcs, f"fetched-{next(_numbers)}", sizes)
