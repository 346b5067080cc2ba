"""A group is composed where that is sooner, or cheaper, than reading its objects directly."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.bucket import BucketFacts
from dataflux_core._plan.cost import compose_cost
from dataflux_core._plan.groups import Group
from dataflux_core._plan.strategy import MAX_DEARER, SMALL_BYTES, Chooser, Load, Optimize, Strategy, Tempo, apart

SMALL = Group(0, 32, 320_000)
LARGE_OBJECTS = Group(0, 32, 32 * (SMALL_BYTES + 1))
FEW = Group(0, 3, 30_000)
ALONE = Group(0, 1, 10)
PLAIN = BucketFacts()
SOFT_DELETE = BucketFacts.assumed()
ARCHIVE = BucketFacts(storage_class="ARCHIVE")
BEGINNING = Load(direct=0, composed=0, left=100_000, window=512)
DIRECT_IS_BUSY = replace(BEGINNING, direct=20_000)
FLOWING = replace(BEGINNING, is_flowing=True)
NEAR_THE_END = replace(FLOWING, left=32)


def chooser(strategy: Strategy = "auto", optimize: Optimize = "time", facts: BucketFacts = PLAIN) -> Chooser:
    made = Chooser(strategy, optimize, Tempo(read_s=0.06, compose_s=0.35))
    made.cost = compose_cost(facts)
    return made


@pytest.mark.parametrize(
    ("group", "load", "way"),
    [
        pytest.param(SMALL, BEGINNING, "direct", id="the first objects are there before a composite could be"),
        pytest.param(SMALL, DIRECT_IS_BUSY, "compose", id="what direct reads would reach too late is composed"),
        pytest.param(SMALL, FLOWING, "compose", id="once composites arrive, direct reads would take their CPU"),
        pytest.param(SMALL, NEAR_THE_END, "direct", id="the last objects need no compose"),
        pytest.param(ALONE, DIRECT_IS_BUSY, "direct", id="one object has nobody to be composed with"),
        pytest.param(LARGE_OBJECTS, DIRECT_IS_BUSY, "direct", id="of large objects the bytes take longer"),
        pytest.param(FEW, DIRECT_IS_BUSY, "direct", id="so few sources use a slot for longer than their reads would"),
    ],
)
def test_to_save_time(group: Group, load: Load, way: str) -> None:
    assert chooser().choose(group, load) == way


@pytest.mark.parametrize(
    ("group", "facts", "way"),
    [
        pytest.param(SMALL, PLAIN, "compose", id="32 small objects"),
        pytest.param(LARGE_OBJECTS, PLAIN, "compose", id="32 larger ones: only requests are billed"),
        pytest.param(LARGE_OBJECTS, SOFT_DELETE, "direct", id="but not where deleted temporaries are billed"),
        pytest.param(Group(0, 13, 130_000), PLAIN, "direct", id="13 objects are below the break-even"),
        pytest.param(Group(0, 14, 140_000), PLAIN, "compose", id="14 are above it"),
        pytest.param(ALONE, PLAIN, "direct", id="one object"),
    ],
)
def test_to_save_money(group: Group, facts: BucketFacts, way: str) -> None:
    assert chooser(optimize="cost", facts=facts).choose(group, BEGINNING) == way


@pytest.mark.parametrize("optimize", ["time", "cost"])
def test_a_strategy_is_obeyed(optimize: Optimize) -> None:
    assert chooser("compose", optimize, ARCHIVE).choose(LARGE_OBJECTS, BEGINNING) == "compose"
    assert chooser("direct", optimize).choose(SMALL, DIRECT_IS_BUSY) == "direct"


def test_nothing_is_composed_where_that_is_forbidden() -> None:
    forbidden = chooser("compose")
    forbidden.is_forbidden = True
    assert forbidden.choose(SMALL, DIRECT_IS_BUSY) == "direct"


def test_before_the_bucket_was_asked_composing_is_what_makes_it_be_asked() -> None:
    for optimize in ("time", "cost"):
        unknown = chooser(optimize=optimize)
        unknown.cost = None
        assert unknown.choose(SMALL, DIRECT_IS_BUSY) == "compose"


@given(
    sources=st.integers(2, 32),
    object_bytes=st.integers(0, 10_000_000),
    facts=st.sampled_from([PLAIN, SOFT_DELETE, ARCHIVE, BucketFacts(storage_class="NEARLINE")]),
    load=st.sampled_from([BEGINNING, DIRECT_IS_BUSY, FLOWING]),
)
def test_saving_time_never_costs_more_than_a_bound(
    sources: int, object_bytes: int, facts: BucketFacts, load: Load
) -> None:
    group = Group(0, sources, sources * object_bytes)
    if chooser(facts=facts).choose(group, load) == "compose":
        cost = compose_cost(facts)
        assert cost.composed_usd(sources, group.size) <= MAX_DEARER * cost.direct_usd(sources)


@given(st.integers(2, 32), st.integers(0, 10_000_000), st.sampled_from([PLAIN, SOFT_DELETE, ARCHIVE]))
def test_saving_money_never_costs_more(sources: int, object_bytes: int, facts: BucketFacts) -> None:
    group = Group(0, sources, sources * object_bytes)
    cost = compose_cost(facts)
    composes = chooser(optimize="cost", facts=facts).choose(group, BEGINNING) == "compose"
    assert composes == (cost.composed_usd(sources, group.size) < cost.direct_usd(sources))


@given(st.lists(st.tuples(st.sampled_from(["read", "compose"]), st.floats(0, 100)), max_size=50))
def test_a_tempo_stays_within_what_was_measured(measured: list[tuple[str, float]]) -> None:
    tempo = Tempo()
    for kind, elapsed_s in measured:
        (tempo.note_read if kind == "read" else tempo.note_compose)(elapsed_s)
    for kind, now, first in (
        ("read", tempo.read_s, Tempo().read_s),
        ("read", tempo.idle_read_s, Tempo().idle_read_s),
        ("compose", tempo.compose_s, Tempo().compose_s),
    ):
        seen = [first, *(elapsed_s for which, elapsed_s in measured if which == kind)]
        assert min(seen) - 1e-9 <= now <= max(seen) + 1e-9


@given(st.lists(st.integers(0, 3_000_000), min_size=1, max_size=40), st.integers(0, 5))
def test_what_is_read_apart_is_all_of_the_group_in_order(sizes: list[int], start: int) -> None:
    whole = [1] * start + sizes
    units = list(apart(Group(start, len(whole), sum(sizes)), whole))
    assert [units[0].start, units[-1].stop] == [start, len(whole)]
    assert all(one.stop == next_one.start for one, next_one in pairwise(units))
    for unit in units:
        assert unit.size == sum(whole[unit.start : unit.stop])
        assert unit.size <= 1024**2 or unit.sources == 1


@pytest.mark.parametrize(
    ("objects", "read_s", "connection_s", "reads"),
    [
        pytest.param(200, 0.06, 7e-4, 130, id="a few objects are not worth a connection each"),
        pytest.param(10_000, 0.06, 7e-4, 900, id="what keeps a thread busy is enough for many"),
        pytest.param(10_000, 0.12, 1e-4, 1800, id="more where each takes longer"),
        pytest.param(10_000, 0.001, 1e-4, 128, id="few where answers come at once"),
    ],
)
def test_reads_in_flight_are_as_many_as_are_of_use(
    objects: int, read_s: float, connection_s: float, reads: int
) -> None:
    assert Tempo(idle_read_s=read_s).useful_reads(objects, connection_s) == reads


def test_the_first_measurement_takes_the_place_of_what_was_assumed() -> None:
    tempo = Tempo()
    tempo.note_read(0.2)
    assert tempo.idle_read_s == 0.2
    tempo.note_read(0.1)
    tempo.note_read(0.3)
    assert 0.1 <= tempo.idle_read_s < 0.11
