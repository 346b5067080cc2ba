"""What changes while it is downloaded comes as it was listed, or as an error that names it: never other bytes.

Each change is tried here in some of the ways; `make faults` tries all of them.
"""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from dataflux_core import errors
from dataflux_core.emulator import Fault, Memory
from dataflux_core.fast_list import ListingController
from tests.download.buckets import Stocked
from tests.download.ways import SIZES, WAYS, Way, lower_limits
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _pytest.mark.structures import ParameterSet

    from dataflux_core._plan.columns import Wanted
    from dataflux_core.emulator import Emulator

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
Known: TypeAlias = tuple[str, ...]

SMALL, LARGE = "data/00100", "data/00204"
DELETED, SAME_SIZE, OTHER_SIZE = "deleted", "replaced by as many bytes", "replaced by more bytes"
CHANGES = (DELETED, SAME_SIZE, OTHER_SIZE)
# What the caller has beside names and sizes.
KNOWN: tuple[Known, ...] = ((), ("generation",), ("crc32c",), ("generation", "crc32c"))


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    lower_limits(monkeypatch)


def listed(bucket: Stocked, known: Known) -> Wanted:
    if not known:
        return bucket.pairs
    controller = ListingController(4, "p", bucket.name)
    controller.client = bucket.client()
    return controller.listing(fields=known)


def downloaded_while(bucket: Stocked, way: Way, objects: Wanted, victim: str, change: Callable[[], object]) -> Any:
    """Download; make the change once the download has been kept from reading the victim. Return bytes or the error."""
    share = 0.5 if way.ranges and victim == LARGE else 1.0  # some of its pieces come before the change
    held = [Fault("compose", "503"), Fault("read", "503", share, match=victim)]
    bucket.gcs.reset_requests()
    bucket.gcs.configure(faults=held)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(way.read, bucket.client(), bucket.name, objects)
        assert wait_until(lambda: bucket.gcs.requests().errors.get("503", 0) > 0)
        change()
        bucket.gcs.configure(faults=())
        return reading.exception() or reading.result()


def changed(bucket: Stocked, victim: str, change: str) -> bytes | None:
    """Change the victim; return what it is now."""
    if change == DELETED:
        bucket.client().bucket(bucket.name).blob(victim).delete()
        return None
    new = b"x" * (len(bucket.contents[victim]) + (change == OTHER_SIZE))
    bucket.put(victim, new)
    return new


def assert_old_or_named(change: str, known: Known, way: Way, victim: str, bucket: Stocked) -> None:
    objects = listed(bucket, known)
    now: list[bytes | None] = []
    found = downloaded_while(bucket, way, objects, victim, lambda: now.append(changed(bucket, victim, change)))
    assert wait_until(lambda: bucket.temporaries() == [])
    if way.ranges and victim == LARGE and found == bucket.expected:
        return  # the pieces that were kept back came with their second try, before the change
    if change == SAME_SIZE and not known and isinstance(found, list):
        # Nothing tells the two apart; it is the one or the other, all the rest as it was.
        at = list(bucket.contents).index(victim)
        assert found[at] == now[0]
        assert found[:at] + found[at + 1 :] == bucket.expected[:at] + bucket.expected[at + 1 :]
        return
    assert type(found) is (errors.ObjectNotFound if change == DELETED else errors.ObjectChanged), found
    assert found.name == victim


def cases() -> list[ParameterSet]:
    return [
        pytest.param(change, known, way, victim, id=f"{victim} {change}, known: {' '.join(known) or '-'}, {way.name}")
        for change in CHANGES
        for known in KNOWN
        for way in WAYS
        for victim in (SMALL, LARGE)
    ]


SOME = cases()[::17]  # a stride that shares no factor with the numbers of ways and victims


@pytest.mark.parametrize(("change", "known", "way", "victim"), SOME)
def test_some_changes(change: str, known: Known, way: Way, victim: str, stocked: Stock) -> None:
    assert_old_or_named(change, known, way, victim, stocked(SIZES))


@pytest.mark.matrix
@pytest.mark.parametrize(("change", "known", "way", "victim"), cases())
def test_every_change(change: str, known: Known, way: Way, victim: str, stocked: Stock) -> None:
    assert_old_or_named(change, known, way, victim, stocked(SIZES))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_sizes_that_cancel_out_hide_no_change_from_checksums(way: Way, stocked: Stock) -> None:
    bucket = stocked([100] * 40)
    objects = listed(bucket, ("crc32c",))
    bucket.put("data/00004", b"x" * 101)
    bucket.put("data/00005", b"x" * 99)
    with pytest.raises(errors.ObjectChanged, match="data/0000[45]"):
        way.read(bucket.client(), bucket.name, objects)


_numbers = itertools.count()


@pytest.fixture
def versioned(gcs: Emulator) -> Stocked:
    contents = {f"data/{number:05d}": f"{number:05d}".encode() * 20 for number in range(40)}
    name = f"versioned-{next(_numbers)}"
    gcs.create_bucket(name, Memory(contents, resource={"versioning": {"enabled": True}}))
    return Stocked(gcs, name, contents)


@pytest.mark.parametrize(
    ("change", "way"),
    [pytest.param(change, way, id=f"{change}, {way.name}") for change, way in zip(CHANGES * 3, WAYS, strict=True)],
)
def test_where_the_bucket_keeps_versions_the_listed_one_is_read(change: str, way: Way, versioned: Stocked) -> None:
    objects = listed(versioned, ("generation",))
    changed(versioned, "data/00004", change)
    assert way.read(versioned.client(), versioned.name, objects) == versioned.expected


class Writer:
    """Replaces objects by other whole versions of the same size, one after the other, until told to end."""

    def __init__(self, bucket: Stocked, *, deletes: bool) -> None:
        self._bucket = bucket
        self._deletes = deletes
        self._drawn = random.Random(7)
        self._ending = threading.Event()
        self.written = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._write)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            thread.join()

    def _write(self) -> None:
        blobs = self._bucket.client().bucket(self._bucket.name)
        while not self._ending.is_set():
            self.written += 1
            name = self._drawn.choice(list(self._bucket.contents))
            if self._deletes and self._drawn.random() < 0.5:
                blobs.blob(name).delete()
            self._bucket.put(name, version(self.written, len(self._bucket.contents[name])))


def version(number: int, size: int) -> bytes:
    """Make content that shows where bytes of two versions were mixed."""
    return (b"%09d " % number * (size // 10 + 1))[:size]


@pytest.fixture
def rewritten(gcs: Emulator) -> Iterator[Stocked]:
    sizes = [100] * 60 + [20_000] * 2
    contents = {f"data/{number:05d}": version(0, size) for number, size in enumerate(sizes)}
    bucket = Stocked(gcs, f"rewritten-{next(_numbers)}", contents)
    gcs.create_bucket(bucket.name, Memory(contents))
    yield bucket
    assert wait_until(lambda: bucket.temporaries() == [])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_of_objects_that_are_rewritten_all_the_time_each_comes_whole(way: Way, rewritten: Stocked) -> None:
    writer = Writer(rewritten, deletes=False)
    with writer.running():
        assert wait_until(lambda: writer.written > 5)
        try:
            found = way.read(rewritten.client(), rewritten.name, rewritten.pairs)
        except errors.ObjectChanged:
            assert way.ranges  # pinned at its first piece, replaced before its last
            return
    for content, (name, size) in zip(found, rewritten.pairs, strict=True):
        assert content == version(int(content[:9]), size), name


def assert_none_is_newer(known: Known, way: Way, bucket: Stocked) -> None:
    objects = listed(bucket, known)
    with Writer(bucket, deletes=True).running():
        try:
            found = way.read(bucket.client(), bucket.name, objects)
        except (errors.ObjectChanged, errors.ObjectNotFound):
            return
    assert found == bucket.expected


@pytest.mark.parametrize(
    ("known", "way"),
    [
        pytest.param(known, way, id=f"{' '.join(known)}, {way.name}")
        for known, way in zip(KNOWN[1:] * 3, WAYS, strict=True)
    ],
)
def test_of_objects_that_are_rewritten_all_the_time_none_is_newer_than_listed(
    known: Known, way: Way, rewritten: Stocked
) -> None:
    assert_none_is_newer(known, way, rewritten)


@pytest.mark.matrix
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("known", KNOWN[1:], ids=" ".join)
@pytest.mark.parametrize("turn", range(5))
def test_of_objects_that_are_rewritten_all_the_time_none_is_ever_newer_than_listed(
    turn: int,  # noqa: ARG001 - the same again, by luck at another moment
    known: Known,
    way: Way,
    rewritten: Stocked,
) -> None:
    assert_none_is_newer(known, way, rewritten)
