"""Neighbours travel together within both limits, whatever the sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.groups import MAX_SOURCES, group_for_compose, share_groups


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        pytest.param([], [], id="nothing makes no group"),
        pytest.param([60, 60], [[60], [60]], id="a cap of 100 is a cap"),
        pytest.param([50, 50], [[50, 50]], id="a full group is within its cap"),
        pytest.param([200, 10], [[200], [10]], id="an oversize object goes alone"),
        pytest.param([10, 200, 10], [[10], [200], [10]], id="an oversize object parts its neighbours"),
        pytest.param([1] * 33, [[1] * 32, [1]], id="32 sources per compose"),
        pytest.param([0] * 40, [[0] * 32, [0] * 8], id="empty objects count as sources"),
        pytest.param([100, 0, 0], [[100, 0, 0]], id="empty objects join a full group"),
    ],
)
def test_grouping_under_a_cap_of_100(sizes: list[int], groups: list[list[int]]) -> None:
    assert [sizes[group.start : group.stop] for group in group_for_compose(sizes, max_bytes=100)] == groups


def test_a_cap_of_0_composes_not_even_empty_objects() -> None:
    assert [group.sources for group in group_for_compose([0, 0, 5], max_bytes=0)] == [1, 1, 1]


SIZES = st.lists(st.integers(0, 300), max_size=200)


@given(SIZES, st.integers(0, 1000))
def test_grouping_loses_nothing_and_keeps_order(sizes: list[int], cap: int) -> None:
    groups = list(group_for_compose(sizes, max_bytes=cap))
    assert [size for group in groups for size in sizes[group.start : group.stop]] == sizes
    assert [group.size for group in groups] == [sum(sizes[group.start : group.stop]) for group in groups]


@given(SIZES, st.integers(0, 1000))
def test_every_group_is_within_both_limits(sizes: list[int], cap: int) -> None:
    for group in group_for_compose(sizes, max_bytes=cap):
        assert 1 <= group.sources <= MAX_SOURCES
        assert group.size <= cap or group.sources == 1


@given(SIZES, st.integers(1, 1000))
def test_no_group_could_have_taken_its_next_neighbour(sizes: list[int], cap: int) -> None:
    for group in group_for_compose(sizes, max_bytes=cap):
        if group.stop < len(sizes):
            assert group.sources == MAX_SOURCES or group.size + sizes[group.stop] > cap


@given(SIZES, st.integers(0, 1000), st.integers(0, 3))
def test_grouping_goes_on_from_any_boundary_as_if_it_had_begun_there(sizes: list[int], cap: int, at: int) -> None:
    groups = list(group_for_compose(sizes, max_bytes=cap))
    for group in groups[at : at + 1]:
        rest = group_for_compose(sizes[group.start :], max_bytes=cap)
        assert [one.sources for one in rest] == [one.sources for one in groups[at:]]


@given(SIZES, st.integers(0, 1000), st.integers(1, 9))
def test_sharing_loses_nothing_and_leaves_no_share_empty(sizes: list[int], cap: int, count: int) -> None:
    groups = list(group_for_compose(sizes, max_bytes=cap))
    shares = share_groups(groups, shares=count)
    assert [group for share in shares for group in share] == groups
    assert len(shares) <= count
    assert all(shares)


def test_shares_are_about_equal() -> None:
    groups = list(group_for_compose([10_000] * 10_000, max_bytes=1_000_000))
    assert [len(share) for share in share_groups(groups, shares=4)] == [79, 78, 78, 78]
