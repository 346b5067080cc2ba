"""Requests that overlap lie in lanes of their own, a range in one lane while it can."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.lanes import Stay, lanes_of


@pytest.mark.parametrize(
    ("stays", "lanes"),
    [
        pytest.param([], [], id="nothing asked, no lane"),
        pytest.param([Stay(0, 0, 0, 5), Stay(0, 0, 5, 9)], [0, 0], id="one page after another"),
        pytest.param([Stay(0, 0, 0, 5), Stay(0, 1, 4, 9)], [0, 1], id="two at once"),
        pytest.param([Stay(0, 0, 0, 5), Stay(1, 1, 0, 5)], [0, 0], id="each lister has its own lanes"),
        pytest.param(
            [Stay(0, 0, 0, 5), Stay(0, 1, 1, 4), Stay(0, 1, 6, 9), Stay(0, 0, 7, 9)],
            [0, 1, 1, 0],
            id="a range comes back to its lane",
        ),
        pytest.param(
            [Stay(0, 0, 0, 3), Stay(0, 1, 0, 3), Stay(0, 2, 4, 6), Stay(0, 0, 7, 9)],
            [0, 1, 1, 0],
            id="a new range leaves the lane of one that comes back",
        ),
        pytest.param([Stay(0, 1, 5, 9), Stay(0, 0, 0, 6)], [1, 0], id="lanes are given in the order of time"),
    ],
)
def test_lanes(stays: list[Stay], lanes: list[int]) -> None:
    assert lanes_of(stays) == lanes


STAYS = st.lists(
    st.builds(
        lambda lister, range_id, began, lasted: Stay(lister, range_id, began, began + lasted),
        st.integers(0, 2),
        st.integers(0, 5),
        st.integers(0, 40),
        st.integers(1, 12),
    ),
    max_size=40,
)


@given(STAYS)
def test_nothing_overlaps_within_a_lane(stays: list[Stay]) -> None:
    placed = list(zip(stays, lanes_of(stays), strict=True))
    for (one, lane), (other, other_lane) in combinations(placed, 2):
        if (one.lister, lane) == (other.lister, other_lane):
            assert one.ended <= other.began or other.ended <= one.began


@given(STAYS)
def test_there_are_as_many_lanes_as_requests_at_once(stays: list[Stay]) -> None:
    lanes = lanes_of(stays)
    for lister in {stay.lister for stay in stays}:
        mine = [stay for stay in stays if stay.lister == lister]
        at_once = max(sum(other.began <= stay.began < other.ended for other in mine) for stay in mine)
        assert {lane for stay, lane in zip(stays, lanes, strict=True) if stay.lister == lister} == set(range(at_once))
