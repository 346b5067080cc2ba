"""Every group is started once, in a way that is allowed, within the bounds, and nothing is ever stuck."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.bucket import BucketFacts
from dataflux_core._plan.cost import compose_cost
from dataflux_core._plan.groups import Group
from dataflux_core._plan.schedule import Bounds, Schedule, Step, Underway
from dataflux_core._plan.strategy import RANGED_BYTES, Chooser, Optimize, Series, Strategy, Tempo

COST = compose_cost(BucketFacts())
IDLE = Underway(
    groups=0,
    direct=0,
    direct_bytes=0,
    composing=0,
    composed=0,
    is_flowing=False,
    window=512,
    free=512,
    useful_reads=500,
)
ROOMY = Bounds(max_composite_bytes=100_000_000, max_held_bytes=10**9)


def schedule(
    sizes: list[int], bounds: Bounds = ROOMY, strategy: Strategy = "compose", optimize: Optimize = "time"
) -> Schedule:
    return Schedule(sizes, bounds, Chooser(strategy, optimize, Tempo()))


def permitted(made: Schedule) -> Schedule:
    made.permit(COST)
    return made


def test_a_small_object_waits_for_a_permit_before_it_is_composed() -> None:
    made = schedule([10] * 2)
    assert made.next(IDLE) is None
    assert made.wants_permit
    made.permit(COST)
    assert made.next(IDLE) == Step(Group(0, 2, 20), "compose")
    assert made.is_over


def test_without_a_permit_objects_are_read_directly() -> None:
    made = schedule([10] * 2)
    made.next(IDLE)
    made.forbid()
    assert made.next(IDLE) == Step(Group(0, 2, 20), "direct")


def test_few_objects_are_read_directly_without_a_permit_being_wanted() -> None:
    made = schedule([10] * 64, strategy="auto")
    assert [made.next(IDLE), made.next(IDLE)] == [Step(Group(0, 32, 320), "direct"), Step(Group(32, 64, 320), "direct")]
    assert not made.wants_permit


def test_while_a_permit_is_awaited_only_a_few_reads_go_before_it() -> None:
    made = schedule([10] * 20_000, strategy="auto")
    assert made.next(IDLE) is not None
    assert made.wants_permit
    assert made.next(replace(IDLE, groups=2, direct=64)) is None
    made.permit(COST)
    assert made.next(replace(IDLE, groups=2, direct=64)) is not None
    assert made.next(replace(IDLE, groups=2, direct=96, free=-1)) is None


@pytest.mark.parametrize(
    ("underway", "starts"),
    [
        pytest.param(replace(IDLE, groups=3), True, id="room"),
        pytest.param(replace(IDLE, groups=3, free=0), False, id="no request is free"),
        pytest.param(replace(IDLE, groups=1000, free=100), False, id="as many groups as are allowed"),
        pytest.param(replace(IDLE, groups=3, composing=400), False, id="composes leave room for reads"),
        pytest.param(replace(IDLE, free=-5, composing=400), True, id="one group is started always"),
    ],
)
def test_a_composite_is_begun_where_there_is_room(underway: Underway, starts: bool) -> None:
    made = permitted(schedule([10] * 64, replace(ROOMY, max_groups=1000)))
    assert (made.next(underway) is not None) is starts


@pytest.mark.parametrize(
    ("underway", "starts"),
    [
        pytest.param(replace(IDLE, groups=3, direct=96), True, id="room"),
        pytest.param(replace(IDLE, groups=20, direct=500), False, id="as many reads as are of use"),
        pytest.param(replace(IDLE, groups=20, direct=9, direct_bytes=10**8), False, id="as many bytes as are of use"),
        pytest.param(replace(IDLE, direct=500, direct_bytes=10**8, free=0), True, id="one group is started always"),
    ],
)
def test_a_read_is_begun_where_it_is_of_use(underway: Underway, starts: bool) -> None:
    made = schedule([10] * 64, strategy="direct")
    assert (made.next(underway) is not None) is starts


def test_a_large_object_is_read_in_ranges() -> None:
    made = schedule([RANGED_BYTES, RANGED_BYTES + 1], strategy="direct")
    assert [made.next(IDLE), made.next(IDLE)] == [
        Step(Group(0, 1, RANGED_BYTES), "direct"),
        Step(Group(1, 2, RANGED_BYTES + 1), "ranges"),
    ]


def test_what_waits_to_be_read_is_composed_where_reads_turn_out_slow() -> None:
    tempo = Tempo()
    made = permitted(Schedule([10] * 2048, ROOMY, Chooser("auto", "time", tempo)))
    assert made.next(replace(IDLE, groups=1, free=0)) is None  # all are given to direct reads
    tempo.read_s = 1.0
    step = made.next(replace(IDLE, groups=1))
    assert step == Step(Group(2016, 2048, 320), "compose")


@pytest.mark.parametrize(
    ("objects", "series", "way"),
    [
        pytest.param(1024, Series(), "direct", id="alone, so few are there sooner than a composite"),
        pytest.param(1024, Series(100_000, is_flowing=True), "compose", id="in the midst each read delays others"),
        pytest.param(32, Series(0, is_flowing=True), "direct", id="the last ones have nobody to delay"),
    ],
)
def test_the_calls_of_one_series_are_planned_as_one(objects: int, series: Series, way: str) -> None:
    made = permitted(Schedule([10] * objects, ROOMY, Chooser("auto", "time", Tempo()), series))
    step = made.next(IDLE)
    assert step is not None
    assert step.start == way


def test_few_groups_at_once_are_never_composed_to_save_time() -> None:
    made = permitted(schedule([10] * 20_000, replace(ROOMY, max_groups=4), "auto"))
    step = made.next(IDLE)
    assert step is not None
    assert step.start == "direct"


bounds = st.builds(
    Bounds,
    max_composite_bytes=st.sampled_from([0, 1, 1000, 100_000_000]),
    max_held_bytes=st.sampled_from([1, 5_000, 10**9]),
    max_groups=st.sampled_from([1, 3, sys.maxsize]),
)


strategies: st.SearchStrategy[Strategy] = st.sampled_from(["auto", "compose", "direct"])
objectives: st.SearchStrategy[Optimize] = st.sampled_from(["time", "cost"])


@given(
    sizes=st.lists(st.sampled_from([0, 1, 100, 2_000, 200_000, RANGED_BYTES + 1]), max_size=300),
    bounds=bounds,
    is_permitted=st.booleans(),
    data=st.data(),
)
def test_every_object_is_started_once_within_the_bounds_and_nothing_is_stuck(
    sizes: list[int], bounds: Bounds, is_permitted: bool, data: st.DataObject
) -> None:
    made = schedule(sizes, bounds, data.draw(strategies), data.draw(objectives))
    running: list[Step] = []
    started: list[int] = []
    while not made.is_over or running:
        room = data.draw(st.integers(-3, 40))
        step = made.next(replace(IDLE, groups=len(running), free=room, is_flowing=len(started) > 50))
        if step is not None:
            started += range(step.group.start, step.group.stop)
            running.append(step)
            sizes_held = [each.group.size for each in running]
            assert sum(sizes_held) <= max(bounds.max_held_bytes, *sizes_held)
            assert len(running) <= bounds.max_groups
            assert step.start != "compose" or (is_permitted and step.group.size <= bounds.max_composite_bytes)
            assert step.start != "ranges" or step.group.sources == 1
        elif made.wants_permit:
            made.permit(COST) if is_permitted else made.forbid()
        else:
            assert running, "nothing is under way, yet nothing is started"
            made.release(running.pop(data.draw(st.integers(0, len(running) - 1))).group.size)
    assert sorted(started) == list(range(len(sizes)))
