"""Cuts between names: strictly between, safe to send, dense where names are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.keyspace import KeySpace, common_prefix

ANY_NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("first", "last", "shared"),
    [
        pytest.param("abc", "abd", "ab", id="up to the first difference"),
        pytest.param("ab", "abc", "ab", id="a name that begins the other"),
        pytest.param("x", "y", "", id="nothing"),
    ],
)
def test_common_prefix(first: str, last: str, shared: str) -> None:
    assert common_prefix(first, last) == shared


def frame_numbers(names: list[str], low: str, high: str | None) -> list[int]:
    space = KeySpace()
    space.learn(sorted(names))
    frame = space.frame(low, high, fine=max(names))
    return [frame.number(name) for name in sorted(names)]


@given(st.lists(ANY_NAME, min_size=2, max_size=30))
def test_numbers_keep_the_order_of_names(names: list[str]) -> None:
    numbers = frame_numbers(names, min(names), None)
    assert numbers == sorted(numbers)


@given(st.lists(ANY_NAME, min_size=2, max_size=20), st.integers(0, 1000), st.integers(0, 5))
def test_the_text_of_a_number_is_safe_to_send(names: list[str], thousandth: int, slack_part: int) -> None:
    space = KeySpace()
    space.learn(sorted(names))
    frame = space.frame(min(names), None, fine=max(names))
    number = frame.bottom + (frame.top - frame.bottom) * thousandth // 1000
    text = frame.name(number, slack=(frame.top - frame.bottom) // 10 * slack_part)
    made_up = text[len(frame.shared) :]
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in made_up)
    made_up.encode()  # raises where a surrogate got in


def test_one_digit_seen_makes_all_ten_expected_before_the_names_differ() -> None:
    space = KeySpace()
    space.learn(["a/0100", "a/0199"])
    frame = space.frame("a/0199", None, fine="a/0100")
    assert frame.name(frame.number("a/7"), slack=0) == "a/7"


def test_behind_the_first_difference_only_what_was_seen_is_expected() -> None:
    space = KeySpace()
    space.learn(["d0/x", "d1/x", "d2/x"])
    frame = space.frame("d0/x", "d3", fine="d2/x")
    assert frame.alphabets[0].startswith("0123456789")
    assert frame.alphabets[1:] == ("/", "x")


def test_hexadecimal_names_spread_evenly() -> None:
    space = KeySpace()
    space.learn([f"0{first}{second}7" for first in "0123456789abcdef" for second in "0123456789abcdef"])
    frame = space.frame("0000", None, fine="0ff7")
    assert frame.alphabets[0].startswith("0123456789abcdef")
