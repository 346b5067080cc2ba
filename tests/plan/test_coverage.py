"""What is left to list is what was wanted without what is covered, to the name."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.coverage import between_cuts, common_parts, remaining
from dataflux_core._plan.listing import KeyRange

EVERYTHING = [KeyRange.everything()]
NAMES = ["", *(first + second for first in "abcd" for second in ["", "\0", "x", "漢", "😀"])]
BOUND = st.sampled_from(NAMES)
RANGES = st.lists(st.builds(KeyRange, BOUND, st.one_of(st.none(), BOUND)), max_size=8)


def holds(ranges: list[KeyRange], name: str) -> bool:
    return any(one.start <= name and (one.end is None or name < one.end) for one in ranges)


@pytest.mark.parametrize(
    ("wanted", "covered", "left"),
    [
        pytest.param(EVERYTHING, [], EVERYTHING, id="nothing is covered"),
        pytest.param(EVERYTHING, EVERYTHING, [], id="all is covered"),
        pytest.param(
            EVERYTHING,
            [KeyRange("d", "f"), KeyRange("a", "b")],
            [KeyRange("", "a"), KeyRange("b", "d"), KeyRange("f", None)],
            id="gaps lie before, between and behind",
        ),
        pytest.param(EVERYTHING, [KeyRange("", "b"), KeyRange("b", None)], [], id="neighbours leave no gap"),
        pytest.param(EVERYTHING, [KeyRange("b", "b")], EVERYTHING, id="an empty range does not cut"),
        pytest.param(
            [KeyRange("a", "c"), KeyRange("c", "e")],
            [KeyRange("b", "d")],
            [KeyRange("a", "b"), KeyRange("d", "e")],
            id="one covered range reaches into two wanted ones",
        ),
        pytest.param(
            [KeyRange("c", None), KeyRange("", "c")],
            [],
            [KeyRange("", "c"), KeyRange("c", None)],
            id="wanted ranges that touch stay two",
        ),
    ],
)
def test_what_remains(wanted: list[KeyRange], covered: list[KeyRange], left: list[KeyRange]) -> None:
    assert remaining(wanted, covered) == left


@given(RANGES, st.lists(BOUND, max_size=6))
def test_a_name_remains_where_it_was_wanted_but_not_covered(covered: list[KeyRange], cuts: list[str]) -> None:
    wanted = between_cuts(cuts)[1:]  # any disjoint ranges
    left = remaining(wanted, covered)
    for name in NAMES:
        assert holds(left, name) == (holds(wanted, name) and not holds(covered, name))
    assert all(one.end is not None and one.end <= other.start for one, other in pairwise(left))


@given(st.lists(BOUND, max_size=6))
def test_cuts_part_the_whole_namespace(cuts: list[str]) -> None:
    ranges = between_cuts(cuts)
    assert ranges[0].start == ""
    assert ranges[-1].end is None
    assert all(one.end == other.start for one, other in pairwise(ranges))


@given(RANGES, st.lists(BOUND, max_size=6))
def test_what_two_lots_of_ranges_share_is_in_both(ranges: list[KeyRange], cuts: list[str]) -> None:
    others = between_cuts(cuts)[::2]
    shared = common_parts(ranges, others)
    for name in NAMES:
        assert holds(shared, name) == (holds(ranges, name) and holds(others, name))
    assert all(one.end is None or one.start < one.end for one in shared)


def test_a_listing_of_many_parts_goes_on_where_many_folders_are_covered() -> None:
    """Looking at each pair would take half an hour: 800 million of them."""
    wanted = between_cuts(f"{number:06d}" for number in range(0, 160_000, 20))
    covered = [KeyRange(f"{number:06d}", f"{number:06d}x") for number in range(100_000)]
    assert len(remaining(wanted, covered)) == 100_000 + 3001
