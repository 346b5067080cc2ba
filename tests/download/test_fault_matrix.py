"""Whatever a service does to its answers, a download gives the exact bytes or an error that names an object.

Each kind of fault is tried here in some of the ways; `make faults` tries every kind in every way.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, get_args

import pytest

from dataflux_core import download, errors
from dataflux_core.emulator import Fault
from dataflux_core.emulator._config import KINDS, Kind, Operation
from tests.download.ways import BY_NAME, IMPATIENT, QUICK, SIZES, WAYS, Way, lower_limits, renewable_client
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark.structures import ParameterSet

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
Case: TypeAlias = tuple[Kind, str, Way]


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    lower_limits(monkeypatch)


# Bytes that come wrong four times in a row are rightly an error, so fewer of these.
SHARES = {"checksum": 0.02, "hash_header": 0.02}
SHARE = 0.05  # of all calls
NAMED: dict[str, type[errors.DatafluxError]] = {
    "401": errors.AccessDenied,
    "reset": errors.ConnectionBroken,
    "lost": errors.ConnectionBroken,
    "truncate": errors.ConnectionBroken,
    "stall": errors.ConnectionBroken,
    "checksum": errors.ChecksumMismatch,
    "hash_header": errors.ChecksumMismatch,
}  # any other is a status that the service refuses with
HARMLESS = frozenset({"empty_page"})  # to all but listings
# What is compared with a checksum told before, by a compose or by an object's metadata, needs none beside its bytes.
HARMLESS_AT_TIMES = frozenset({"hash_header"})
OPERATIONS: tuple[Operation, ...] = ("read", "get", "iam", "compose", "delete", "batch")
ONCE, SOMETIMES, ALWAYS = "once", "sometimes", "always"
HOW_OFTEN = (ONCE, SOMETIMES, ALWAYS)


def fault_of(operation: Operation, kind: Kind, how_often: str) -> Fault:
    """Make a fault that is over soon, comes back, or stays."""
    share = SHARES.get(kind, SHARE) if how_often == SOMETIMES else 1.0
    return Fault(operation, kind, share, times=1 if how_often == ONCE else None, retry_after_s=0)


def read_under(fault: Fault, way: Way, bucket: Stocked) -> errors.DatafluxError | None:
    """Download while calls fail: return the error, None where every byte is right; no temporary is left."""
    client = renewable_client(bucket.gcs.endpoint)
    retry = QUICK if fault.times or fault.probability < 1 else IMPATIENT
    bucket.gcs.configure(faults=[fault])
    caught = None
    try:
        assert way.read(client, bucket.name, bucket.pairs, retry) == bucket.expected
    except errors.DatafluxError as error:
        caught = error
    if fault.kind == "401" and retry is IMPATIENT:  # nobody holds a token that would delete anything
        bucket.gcs.configure(faults=())
        download.clean_composed_objects(bucket.name, older_than=timedelta(0), storage_client=client)
    assert wait_until(lambda: bucket.temporaries() == [])  # the faults are over: what was given up is removed
    return caught


def assert_exact_or_named(kind: Kind, how_often: str, way: Way, bucket: Stocked) -> None:
    error = read_under(fault_of("any", kind, how_often), way, bucket)
    if error is None:
        assert how_often != ALWAYS or kind in HARMLESS | HARMLESS_AT_TIMES
        return
    assert type(error) is NAMED.get(kind, errors.ServiceRefused)
    assert "data/" in str(error)
    # A large object's pieces have no checksum of their own, so one that is wrong spoils them all.
    assert how_often == ALWAYS or (way.ranges and kind == "checksum")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_way_does_what_it_is_named_for(way: Way, stocked: Stock) -> None:
    bucket = stocked(SIZES)
    bucket.gcs.reset_requests()
    assert way.read(bucket.client(), bucket.name, bucket.pairs) == bucket.expected
    requests = bucket.gcs.requests()
    assert (requests["compose"] > 0) is way.composes
    assert (requests["get"] == 3) is way.ranges  # each large object is asked for its generation, to pin its pieces


def every_case(*, stalls: bool) -> list[Case]:
    return [
        (kind, how_often, way) for how_often in HOW_OFTEN for kind in KINDS for way in WAYS if stalls or kind != "stall"
    ]


def named(cases: list[Case]) -> list[ParameterSet]:
    return [pytest.param(*case, id=f"{case[0]} {case[1]}, {case[2].name}") for case in cases]


# A stride that shares no factor with the number of ways: each kind, how often, each way come up in turn.
SOME = every_case(stalls=False)[:: len(WAYS) + 1]
STALL: list[Case] = [("stall", ONCE, BY_NAME["composed"])]  # libcurl takes the speed of five seconds, so each costs six


@pytest.mark.parametrize(("kind", "how_often", "way"), named([*SOME, *STALL]))
def test_some_faults(kind: Kind, how_often: str, way: Way, stocked: Stock) -> None:
    assert_exact_or_named(kind, how_often, way, stocked(SIZES))


@pytest.mark.matrix
@pytest.mark.parametrize(("kind", "how_often", "way"), named(every_case(stalls=True)))
def test_every_fault(kind: Kind, how_often: str, way: Way, stocked: Stock) -> None:
    assert_exact_or_named(kind, how_often, way, stocked(SIZES))


def test_some_faults_are_of_every_kind_in_every_way() -> None:
    assert {kind for kind, _, _ in SOME} == set(get_args(Kind)) - {"stall"}
    assert {(how_often, way.name) for _, how_often, way in SOME} == {(o, way.name) for o in HOW_OFTEN for way in WAYS}


# What composing needs fails for good: reading directly cures some of it, the rest is an error.
OF_ONE_OPERATION = [
    pytest.param(operation, kind, id=f"{operation} {kind}")
    for operation in OPERATIONS
    for kind in KINDS
    if kind != "stall"
]
CURED = frozenset({"iam", "delete", "batch"})  # operations without which every byte can be had


def assert_one_operation(operation: Operation, kind: Kind, way: Way, bucket: Stocked) -> None:
    error = read_under(fault_of(operation, kind, ALWAYS), way, bucket)
    if error is None:
        assert operation != "read" or kind in HARMLESS | HARMLESS_AT_TIMES
        return
    assert operation not in CURED
    # Metadata has no checksum: where a byte of it is wrong, it cannot be read.
    damaged = {errors.ServiceRefused} if (operation, kind) == ("get", "checksum") else set()
    assert type(error) in {NAMED.get(kind, errors.ServiceRefused), *damaged}


@pytest.mark.parametrize(("operation", "kind"), OF_ONE_OPERATION[::14])
def test_some_operations_fail_for_good(operation: Operation, kind: Kind, stocked: Stock) -> None:
    assert_one_operation(operation, kind, BY_NAME["to disk, composed and ranged"], stocked(SIZES))


@pytest.mark.matrix
@pytest.mark.parametrize(
    "way", [pytest.param(way, id=way.name) for way in WAYS if way.composes and "threaded" not in way.name]
)
@pytest.mark.parametrize(("operation", "kind"), OF_ONE_OPERATION)
def test_every_operation_fails_for_good(operation: Operation, kind: Kind, way: Way, stocked: Stock) -> None:
    assert_one_operation(operation, kind, way, stocked(SIZES))


LEFTOVERS = 250  # three batches


def assert_clean_is_exact_or_named(kind: Kind, how_often: str, bucket: Stocked) -> None:
    client = renewable_client(bucket.gcs.endpoint)
    left = [f"{download.COMPOSED_PREFIX}{number:032x}" for number in range(LEFTOVERS)]
    for name in left:
        bucket.put(name, b"left")
    bucket.gcs.configure(faults=[fault_of("any", kind, how_often)])
    removed: list[str] = []
    try:
        removed = download.clean_composed_objects(
            bucket.name,
            older_than=timedelta(0),
            storage_client=client,
            retry_config=IMPATIENT if how_often == ALWAYS else QUICK,
        )
    except errors.DatafluxError:
        assert how_often == ALWAYS
    else:
        assert how_often == ALWAYS or sorted(removed) == left
    # "lost" deletes, then says nothing: more may be gone than is known.
    assert set(bucket.temporaries()) <= set(left) - set(removed)
    download.clean_composed_objects(bucket.name, older_than=timedelta(0), storage_client=client)
    assert bucket.temporaries() == []


CLEANING = [
    pytest.param(kind, how_often, id=f"{kind} {how_often}")
    for how_often in HOW_OFTEN
    for kind in KINDS
    if kind != "stall"
]


@pytest.mark.parametrize(("kind", "how_often"), CLEANING[::4])
def test_some_faults_meet_the_removal_of_leftovers(kind: Kind, how_often: str, stocked: Stock) -> None:
    assert_clean_is_exact_or_named(kind, how_often, stocked([]))


@pytest.mark.matrix
@pytest.mark.parametrize(("kind", "how_often"), CLEANING)
def test_every_fault_meets_the_removal_of_leftovers(kind: Kind, how_often: str, stocked: Stock) -> None:
    assert_clean_is_exact_or_named(kind, how_often, stocked([]))
