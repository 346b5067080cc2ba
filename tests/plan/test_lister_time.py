"""What listers do with their time adds up, whatever happens when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.lister_time import IdleTime, LevelMeter

Change = tuple[float, int, int]  # when, so many at work, so many held back


def idle_of(ceiling: int, changes: list[Change], ends_s: float) -> IdleTime:
    meter = LevelMeter(ceiling, 0.0)
    for change in changes:
        meter.change(*change)
    return meter.idle(ends_s)


@pytest.mark.parametrize(
    ("changes", "idle"),
    [
        pytest.param([], IdleTime(ramp_s=40.0), id="a listing that never asked is all ramp"),
        pytest.param([(0.0, 4, 0)], IdleTime(), id="all at work from the beginning"),
        pytest.param([(1.0, 4, 0)], IdleTime(ramp_s=4.0), id="before the first request"),
        pytest.param([(0.0, 1, 0), (2.0, 4, 0)], IdleTime(ramp_s=6.0), id="until half were at work"),
        pytest.param([(0.0, 4, 0), (7.0, 1, 0)], IdleTime(tail_s=9.0), id="after half were last at work"),
        pytest.param([(0.0, 4, 0), (1.0, 0, 0), (3.0, 4, 0)], IdleTime(narrow_s=8.0), id="a lull between"),
        pytest.param([(0.0, 2, 0)], IdleTime(narrow_s=20.0), id="never more than two, to the end"),
        pytest.param([(0.0, 2, 2)], IdleTime(held_back_s=20.0), id="two at work, the others held back"),
        pytest.param([(0.0, 3, 9)], IdleTime(held_back_s=10.0), id="no more are held back than are idle"),
        pytest.param([(0.0, 1, 0), (4.0, 1, 0), (5.0, 4, 0)], IdleTime(ramp_s=15.0), id="a late peak moves the ramp"),
    ],
)
def test_idle_time_is_named_by_its_reason(changes: list[Change], idle: IdleTime) -> None:
    assert idle_of(4, changes, 10.0) == idle


@pytest.mark.parametrize(
    ("changes", "half_s", "full_s"),
    [
        pytest.param([(1.0, 4, 0)], None, None, id="less than half"),
        pytest.param([(1.0, 4, 0), (2.0, 5, 0)], 2.0, None, id="half of ten is five"),
        pytest.param([(3.0, 10, 0), (4.0, 1, 0), (5.0, 10, 0)], 3.0, 3.0, id="the first time counts"),
    ],
)
def test_the_ramp_is_measured_against_the_ceiling(
    changes: list[Change], half_s: float | None, full_s: float | None
) -> None:
    meter = LevelMeter(10, 0.0)
    for change in changes:
        meter.change(*change)
    assert (meter.half_s, meter.full_s) == (half_s, full_s)


@given(
    st.integers(1, 64).flatmap(
        lambda ceiling: st.tuples(
            st.just(ceiling),
            st.lists(st.tuples(st.integers(0, 9), st.integers(0, ceiling), st.integers(0, ceiling)), max_size=30),
            st.integers(0, 9),
        )
    )
)
def test_busy_and_idle_time_add_up_to_all_the_time_of_all_listers(
    case: tuple[int, list[tuple[int, int, int]], int],
) -> None:
    ceiling, steps, rest_s = case
    meter, now_s = LevelMeter(ceiling, 0.0), 0.0
    for step_s, at_work, held_back in steps:
        now_s += step_s
        meter.change(now_s, at_work, held_back)
    idle = meter.idle(now_s + rest_s)
    assert meter.busy_s + idle.total_s == pytest.approx(ceiling * (now_s + rest_s))
    assert min(idle.ramp_s, idle.held_back_s, idle.narrow_s, idle.tail_s) >= 0
