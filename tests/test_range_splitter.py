from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core.errors import InvalidArgument
from dataflux_core.range_splitter import new_rangesplitter

DIGITS = "0123456789"


@pytest.mark.parametrize(
    ("alphabet", "start", "end", "splits", "cuts"),
    [
        pytest.param(DIGITS, "0", "9", 3, ["2", "4", "6"], id="even parts"),
        pytest.param(DIGITS, "", "", 3, ["2", "4", "6"], id="no bounds"),
        pytest.param(DIGITS, "9", "", 2, ["93", "96"], id="no end"),
        pytest.param(DIGITS, "123", "126", 2, ["124", "125"], id="neighbours"),
        pytest.param("ab", "a", "b", 3, ["aab", "aba", "abb"], id="longer cuts where short ones do not suffice"),
        pytest.param("ab", "b", "a", 3, [], id="bounds the wrong way round"),
        pytest.param(DIGITS, "p", "p0", 1, [], id="nothing lies between"),
        pytest.param(DIGITS, "a", "c", 2, ["a4", "a8"], id="characters of the bounds join the alphabet"),
    ],
)
def test_splits(alphabet: str, start: str, end: str, splits: int, cuts: list[str]) -> None:
    assert new_rangesplitter(alphabet).split_range(start, end, splits) == cuts


def test_the_alphabet_is_remembered() -> None:
    splitter = new_rangesplitter("01")
    splitter.split_range("x", "z", 1)
    assert "".join(splitter.sorted_alphabet) == "01xz"


@given(st.text("abcz", max_size=4), st.text("abcz", max_size=4), st.integers(1, 9))
def test_cuts_ascend_strictly_between_the_bounds(start: str, end: str, splits: int) -> None:
    cuts = new_rangesplitter("abc").split_range(start, end, splits)
    bounds = [start, *cuts, *([end] if end else [])]
    assert all(low < high for low, high in itertools.pairwise(bounds)) or not cuts
    assert len(cuts) in {0, splits}


@pytest.mark.parametrize(("alphabet", "splits"), [("", 1), ("ab", 0)])
def test_what_cannot_be_split(alphabet: str, splits: int) -> None:
    with pytest.raises(InvalidArgument):
        new_rangesplitter(alphabet).split_range("a", "b", splits)
