"""Any mixture of faults that pass is survived in any way: every byte exact, nothing left."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core import errors
from dataflux_core.emulator import Emulator, Fault, Latency
from tests.download.buckets import stock
from tests.download.ways import QUICK, SIZES, WAYS, Way, lower_limits, renewable_client
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.download.buckets import Stocked

Survive: TypeAlias = "Callable[[list[Fault], Latency, Way], None]"

PASSING = ("408", "429", "500", "502", "503", "504", "reset", "lost", "truncate", "empty_page")
WRONG_BYTES = ("checksum", "hash_header")  # four tries in a row may meet them
IN_THIS_PROCESS = [way for way in WAYS if "processes" not in way.name]


@pytest.fixture(scope="module")
def survive() -> Iterator[Survive]:
    """Give what asserts that one mixture is survived, on one server for all."""
    with Emulator() as gcs, pytest.MonkeyPatch.context() as patched:
        lower_limits(patched)
        bucket = stock(gcs, "b", SIZES)

        def check(mixture: list[Fault], latency: Latency, way: Way) -> None:
            assert_survives(bucket, mixture, latency, way)

        yield check  # not a partial: that would be printed with all the bytes of the bucket


OPERATIONS = ("read", "get", "iam", "compose", "delete", "batch", "any")
operations_with_kinds = st.tuples(st.sampled_from(OPERATIONS), st.sampled_from([*PASSING, *WRONG_BYTES]))
faults = st.builds(
    lambda met, share, times: Fault(met[0], met[1], share, times=times, retry_after_s=0),
    operations_with_kinds,
    st.sampled_from([0.05, 0.3, 1.0]),
    st.integers(1, 40),
)
latencies = st.builds(
    Latency,
    read_s=st.sampled_from([0.0, 0.01]),
    compose_s=st.sampled_from([0.0, 0.02]),
    delete_s=st.sampled_from([0.0, 0.02]),
    jitter=st.just(1.0),
)
mixtures = st.lists(faults, min_size=1, max_size=4)


def assert_survives(bucket: Stocked, mixture: list[Fault], latency: Latency, way: Way) -> None:
    bucket.gcs.configure(faults=mixture, latency=latency)
    try:
        found = way.read(renewable_client(bucket.gcs.endpoint), bucket.name, bucket.pairs, QUICK)
    except (errors.ChecksumMismatch, errors.ServiceRefused):  # the latter: metadata that cannot be read
        assert any(fault.kind in WRONG_BYTES for fault in mixture)
    else:
        is_exact = found == bucket.expected
        assert is_exact
    bucket.gcs.configure(latency=Latency())
    assert wait_until(lambda: bucket.temporaries() == [])


@settings(max_examples=20, deadline=None)
@given(mixture=mixtures, latency=latencies, way=st.sampled_from(IN_THIS_PROCESS))
def test_some_mixtures(mixture: list[Fault], latency: Latency, way: Way, survive: Survive) -> None:
    survive(mixture, latency, way)


@pytest.mark.matrix
@pytest.mark.timeout(900)
@settings(max_examples=500, deadline=None)
@given(mixture=mixtures, latency=latencies, way=st.sampled_from(WAYS))
def test_many_mixtures(mixture: list[Fault], latency: Latency, way: Way, survive: Survive) -> None:
    survive(mixture, latency, way)
