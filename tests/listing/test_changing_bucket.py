"""A bucket that changes while it is listed: what exists throughout is listed exactly once, nothing twice."""

from __future__ import annotations

import random
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Latency, Memory, Synthetic
from tests.listing.namespaces import client_of
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflux_core.emulator import ShapeName
    from dataflux_core.fast_list import ListingController, PageEvent
    from tests.listing.namespaces import Make

OBJECTS = 4_000
PAGES_OF = 40
SLOW = Latency(list_s=0.02)  # so that a few hundred changes fall into one listing


@contextmanager
def meanwhile(change: Callable[[], None]) -> Iterator[list[int]]:
    """Make the change again and again in another thread; count how often."""
    over = threading.Event()
    changes = [0]
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not over.is_set():
                change()
                changes[0] += 1
        except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield changes
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]


def midway_listing(listing: ListingController, changes: list[int]) -> ListingController:
    """Let a listing wait at its tenth page until the bucket has changed some times, however slow the changes are."""
    pages: list[int] = []

    def wait(event: PageEvent) -> None:
        pages.append(event.count)
        if len(pages) == 10:
            assert wait_until(lambda: changes[0] > 20)

    listing.observer = wait
    return listing


@pytest.fixture(params=["hive", "uuids", "unicode"])
def names(request: pytest.FixtureRequest) -> list[str]:
    shape: ShapeName = request.param
    return Synthetic(shape, OBJECTS).names()


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    with Emulator(max_page=PAGES_OF, latency=SLOW) as gcs:
        yield gcs


@pytest.fixture
def busy_gcs(service: Emulator, names: list[str]) -> Emulator:
    service.create_bucket("b", Memory(dict.fromkeys(names, b"x")))
    return service


@pytest.mark.parametrize("parallelism", [1, 16])
def test_objects_written_or_deleted_meanwhile(
    busy_gcs: Emulator, controller: Make, names: list[str], parallelism: int
) -> None:
    luck = random.Random(0)
    doomed = set(luck.sample(names, OBJECTS // 4))
    left = sorted(doomed, key=lambda _: luck.random())
    written: set[str] = set()
    bucket = client_of(busy_gcs).bucket("b")

    def change() -> None:
        if left:
            bucket.blob(left.pop()).delete()
        name = luck.choice(names) + luck.choice(["+", "/new", "~", "0"])
        busy_gcs.put("b", name, b"new")
        written.add(name)

    with meanwhile(change) as changes:
        listed = [name for name, _ in midway_listing(controller(busy_gcs, "b", parallelism), changes).run()]
    assert len(set(listed)) == len(listed)
    assert set(names) - doomed <= set(listed) <= set(names) | written
    assert listed == sorted(listed)


def test_objects_overwritten_meanwhile(busy_gcs: Emulator, controller: Make, names: list[str]) -> None:
    luck = random.Random(0)

    def change() -> None:
        busy_gcs.put("b", luck.choice(names), b"xx")

    with meanwhile(change) as changes:
        listed = midway_listing(controller(busy_gcs, "b"), changes).run()
    assert [name for name, _ in listed] == names
    assert {size for _, size in listed} <= {1, 2}


def test_a_bucket_that_is_emptied_meanwhile(busy_gcs: Emulator, controller: Make, names: list[str]) -> None:
    listing = controller(busy_gcs, "b")
    stream = listing.stream()
    listed = [name for name, _ in next(iter(stream))]
    busy_gcs.create_bucket("b")
    listed += [name for part in stream for name, _ in part]
    assert len(set(listed)) == len(listed)
    assert set(listed) < set(names)
