"""Cuts between names: strictly between, safe to send, dense where names are."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dataflux_core._plan.characters import alphabet_of, are_safe, common_prefix, is_safe, next_safe
from dataflux_core._plan.keyspace import Frame
from dataflux_core._plan.symbols import NameModel
from tests.steps import steps_of

ANY_NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=30)
PATHLIKE = st.text(st.sampled_from("ab0/é漢"), min_size=1, max_size=12)
NAMES = st.lists(st.one_of(ANY_NAME, PATHLIKE), min_size=2, max_size=30)


@pytest.mark.parametrize(
    ("first", "last", "shared"),
    [
        pytest.param("abc", "abd", "ab", id="up to the first difference"),
        pytest.param("ab", "abc", "ab", id="a name that begins the other"),
        pytest.param("x", "y", "", id="nothing"),
        pytest.param("x" * 999 + "a", "x" * 999 + "b", "x" * 999, id="a thousand characters"),
    ],
)
def test_common_prefix(first: str, last: str, shared: str) -> None:
    assert common_prefix(first, last) == shared


@given(st.characters(exclude_categories=["Cs"]))
def test_the_next_safe_character_is_above_and_safe_up_to_the_last_one(character: str) -> None:
    following = next_safe(character)
    assert is_safe(following)
    assert following > character or following == "\U0010fffd"


@given(st.text(max_size=20))
def test_an_alphabet_holds_what_is_safe_in_order(text: str) -> None:
    assert alphabet_of(text) == "".join(sorted(filter(is_safe, text)))
    assert are_safe(text) == (len(alphabet_of(text)) == len(text))


def test_whatever_can_be_printed_is_safe() -> None:
    assert all(is_safe(chr(code)) for code in range(0x110000) if chr(code).isprintable())


def model_of(*pages: list[str]) -> NameModel:
    model = NameModel()
    for page in pages:
        model.learn(sorted(page), sorted(page))
    return model


def frame_of(model: NameModel, low: str, high: str | None, *, fine: str) -> Frame:
    return Frame.between(model, low, high, fine=fine)


@given(NAMES)
def test_numbers_keep_the_order_of_names(names: list[str]) -> None:
    frame = frame_of(model_of(names), min(names), None, fine=max(names))
    numbers = [frame.number(name) for name in sorted(names)]
    assert numbers == sorted(numbers)


@given(NAMES, NAMES)
def test_numbers_keep_the_order_of_names_never_seen(names: list[str], others: list[str]) -> None:
    frame = frame_of(model_of(names), min(others), None, fine=max(others))
    numbers = [frame.number(name) for name in sorted(others)]
    assert numbers == sorted(numbers)
    assert 0 <= numbers[0] <= numbers[-1] <= frame.top


@given(NAMES, st.integers(0, 1000), st.integers(0, 5))
def test_the_text_of_a_number_is_safe_to_send(names: list[str], thousandth: int, slack_part: int) -> None:
    frame = frame_of(model_of(names), min(names), None, fine=max(names))
    number = frame.bottom + (frame.top - frame.bottom) * thousandth // 1000
    text = frame.name(number, slack=(frame.top - frame.bottom) // 10 * slack_part)
    made_up = text[len(frame.shared) :]
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in made_up)
    made_up.encode()  # raises where a surrogate got in


@given(NAMES, st.integers(0, 1000))
def test_the_number_of_a_text_is_the_one_it_was_made_from_or_one_below(names: list[str], thousandth: int) -> None:
    assume(are_safe("".join(names)))  # for a character that must not be sent the next one that may stands in
    frame = frame_of(model_of(names), min(names), None, fine=max(names))
    number = frame.bottom + (frame.top - frame.bottom) * thousandth // 1000
    assert frame.number(frame.name(number, slack=0)) <= number


def test_one_digit_seen_makes_all_ten_expected_before_the_names_differ() -> None:
    frame = frame_of(model_of(["a/0100", "a/0199"]), "a/0199", None, fine="a/0100")
    assert frame.name(frame.number("a/7"), slack=0) == "a/7"


def test_characters_that_have_run_through_are_all_there_are() -> None:
    model = model_of(["d0x", "d1x", "d2x", "d2y", "d3x"])
    assert set(model.after("", 0, "d").symbols) >= set("0123456789")
    assert model.after("", 0, "d0").symbols == "xy"


def test_behind_one_character_others_may_come_than_behind_another() -> None:
    words = [f"a{digit}" for digit in "0123456789"] + [f"b{digit}" for digit in "01" for _ in range(9)]
    model = model_of(*[[f"{number}/{word}" for number in range(9)] for word in words])
    assert set(model.after("0/", 1, "a").symbols) == set("0123456789")
    assert set(model.after("0/", 1, "b").symbols) == set("01")


def test_components_that_repeat_under_other_parents_are_symbols_themselves() -> None:
    months = [f"month={month:02d}/" for month in range(1, 13)]
    model = model_of([f"year={year}/{month}part" for year in (1999, 2000, 2001) for month in months])
    assert list(model.after("year=2002/", 1, "").symbols) == months
    frame = frame_of(model, "year=2001/month=01/part", "year=2001/month=13", fine="year=2001/month=02/part")
    assert frame.name((frame.bottom + frame.top) // 2, slack=0).startswith("year=2001/month=07/")


def test_the_words_of_one_depth_are_expected_at_another_that_has_some_of_them() -> None:
    words = ["données/", "写真/", "北京/"]
    model = model_of([f"写真/{first}{second}x" for first in words for second in words])
    assert list(model.after("", 0, "").symbols) == sorted(words)


def test_names_that_never_repeat_are_no_vocabulary() -> None:
    model = model_of([f"{number:06d}" for number in range(0, 900000, 9999)])
    assert isinstance(model.after("", 0, "").symbols, str)


def test_hexadecimal_names_spread_evenly() -> None:
    hexadecimal = "0123456789abcdef"
    model = model_of([f"0{first}{second}7" for first in hexadecimal for second in hexadecimal])
    assert str(model.after("", 0, "").symbols) == hexadecimal


def learning_steps(prefix: str) -> int:
    """Return in how many steps ten pages below a prefix are learned."""
    pages = [[f"{prefix}{number:09d}" for number in range(start, start + 25)] for start in range(0, 250, 25)]
    return steps_of(lambda: model_of(*pages))


def test_what_all_names_of_a_page_share_is_learned_once() -> None:
    """A part of a deep tree has names of a thousand characters of which all but a few are the same."""
    assert learning_steps("d/" * 480) < 10 * learning_steps("")
