"""Names of columns are taken as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._cli.sample_columns import spread

FLAGS = {"-q", "-v", "--keep-going"}


@pytest.mark.parametrize(
    ("typed", "places", "columns"),
    [
        pytest.param("S D --columns_to_load a b", "S D", "a b", id="behind the places"),
        pytest.param("--columns_to_load a b S D", "S D", "a b", id="before the places"),
        pytest.param("S --columns_to_load a b D", "S D", "a b", id="between the places"),
        pytest.param("--columns-to-load a b S D -v", "S D", "a b", id="before places and a flag"),
        pytest.param("--columns_to_load a -- S D", "S D", "a", id="what stands behind -- is a place"),
        pytest.param("--columns_to_load a -q S --columns_to_load b D", "S D", "a b", id="several times"),
        pytest.param("-qv S --columns_to_load a b D", "S D", "a b", id="flags that stand together"),
        pytest.param("-j8 S --columns_to_load a b D", "S D", "a b", id="a value in the same word"),
        pytest.param("-j 8 S --columns_to_load a b D", "S D", "a b", id="a value in the next word"),
        pytest.param("--max 8 --columns_to_load a b S D", "S D", "a b", id="the value of a long option"),
        pytest.param("--max=8 --columns_to_load a b S D", "S D", "a b", id="a value behind ="),
        pytest.param("--columns_to_load a", "", "a", id="no place at all: the option keeps its name"),
    ],
)
def test_names_and_places_are_told_apart(typed: str, places: str, columns: str) -> None:
    found_places, found_columns = read(spread(typed.split(), 2, FLAGS))
    assert (" ".join(found_places), " ".join(found_columns)) == (places, columns)


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4),
    st.sampled_from(["--columns_to_load", "--columns-to-load"]),
    st.integers(0, 2),
    st.lists(st.sampled_from([["-q"], ["--max", "3"], ["--keep-going"], ["-j9"]]), max_size=3),
)
def test_wherever_the_option_stands_the_same_is_meant(
    columns: list[str], option: str, before: int, others: list[list[str]]
) -> None:
    places = ["SRC", "DST"]
    rest = [text for other in others for text in other]
    typed = [*rest, *places[:before], option, *columns, *places[before:]]
    assert read(spread(typed, 2, FLAGS)) == (places, columns)


def read(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return places and columns, as click would read them."""
    places, columns = [], []
    left = list(arguments)
    while left:
        text = left.pop(0)
        if text == "--":
            places += left
            break
        if text in {"--columns-to-load", "--columns_to_load"}:
            columns.append(left.pop(0))
        elif text in {"-j", "--max"}:
            left.pop(0)
        elif not text.startswith("-"):
            places.append(text)
    return places, columns
