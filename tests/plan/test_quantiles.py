"""A known namespace is cut into whole pages, with room for a few more objects in each."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.quantiles import cut_rows

PAGE = 5000


def parts(objects: int, parallelism: int) -> list[int]:
    bounds = [0, *cut_rows(objects, parallelism, page_objects=PAGE), objects]
    return [end - start for start, end in pairwise(bounds)]


@pytest.mark.parametrize(
    ("objects", "parallelism", "lengths"),
    [
        pytest.param(0, 64, [0], id="nothing"),
        pytest.param(5000, 64, [5000], id="a page that is full is not cut"),
        pytest.param(5001, 64, [4900, 101], id="a page and one object"),
        pytest.param(9900, 64, [4900, 5000], id="the last part takes the room of a page"),
        pytest.param(1_000_000, 1, [1_000_000], id="one lister goes on by itself"),
        pytest.param(200_000, 2, [14_700] * 13 + [8_900], id="few listers: more pages a part"),
    ],
)
def test_where_it_is_cut(objects: int, parallelism: int, lengths: list[int]) -> None:
    assert parts(objects, parallelism) == lengths


@given(st.integers(0, 10**9), st.integers(1, 1024))
def test_calls_stay_near_the_floor_and_parts_few(objects: int, parallelism: int) -> None:
    floor = max(1, -(-objects // PAGE))
    cuts = cut_rows(objects, parallelism, page_objects=PAGE)
    assert len(cuts) <= 9 * parallelism
    whole = max(1, -(-floor // (8 * parallelism)))
    assert (len(cuts) + 1) * whole <= floor * 50 / 49 + whole


@given(st.integers(1, 10**7), st.integers(2, 256))
def test_two_objects_in_a_hundred_more_fit_on_the_same_pages(objects: int, parallelism: int) -> None:
    *equal, last = parts(objects, parallelism)
    assert len(set(equal)) <= 1
    for part in equal:
        pages = part * 50 // 49 // PAGE
        assert part + part * 2 // 100 <= pages * PAGE
        assert last <= pages * PAGE


@given(st.integers(0, 1000), st.integers(1, 8), st.integers(1, 3))
def test_pages_of_any_size_are_cut(objects: int, parallelism: int, page_objects: int) -> None:
    assert all(0 < row < objects for row in cut_rows(objects, parallelism, page_objects=page_objects))
