"""What a bar shows can be reckoned without a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.directory_bar import RecentRate


@pytest.mark.parametrize(
    ("seen", "rate"),
    [
        pytest.param([(0, 0)], 0, id="nothing yet"),
        pytest.param([(0, 0), (2, 10)], 5, id="from the beginning at first"),
        pytest.param([(0, 0), (5, 1000), (20, 1000), (30, 1000)], 0, id="what was long ago does not count"),
        pytest.param([(0, 0), (100, 50)], 0.5, id="one step longer than what is recent"),
        pytest.param([(3, 7), (3, 9)], 0, id="no time at all"),
    ],
)
def test_a_rate_is_of_the_last_seconds(seen: list[tuple[float, int]], rate: float) -> None:
    recent = RecentRate()
    assert [recent.of(now_s, count) for now_s, count in seen][-1] == pytest.approx(rate)


@given(st.lists(st.tuples(st.floats(0.1, 5), st.integers(0, 100)), min_size=1, max_size=100), st.floats(0.5, 50))
def test_a_steady_rate_is_found_whenever_it_is_asked_for(steps: list[tuple[float, int]], rate: float) -> None:
    recent, now_s = RecentRate(), 0.0
    recent.of(0.0, 0)
    for step_s, _ in steps:
        now_s += step_s
        assert recent.of(now_s, round(now_s * rate)) == pytest.approx(rate, abs=1 / step_s + 1e-6)
