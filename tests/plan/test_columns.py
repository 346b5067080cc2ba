"""Objects become columns, or are refused by position."""

from __future__ import annotations

from typing import Any

import pytest

from dataflux_core._data.listing import Listing
from dataflux_core._plan.columns import ObjectColumns, columns_of
from dataflux_core._wire.page import page_of
from dataflux_core.errors import InvalidArgument

np = pytest.importorskip("numpy")


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([("a", 1), ("b", 2)], id="a list of tuples"),
        pytest.param((["a", 1], ["b", 2]), id="a tuple of lists"),
        pytest.param((pair for pair in [("a", 1), ("b", 2)]), id="a generator"),
        pytest.param([("a", np.int64(1)), ("b", np.uint8(2))], id="sizes of NumPy"),
        pytest.param(Listing([page_of(["a", "b"], [1, 2])]), id="a listing"),
    ],
)
def test_objects_become_columns(objects: Any) -> None:
    columns = columns_of(objects)
    assert (list(columns.names), list(columns.sizes)) == (["a", "b"], [1, 2])
    assert [type(size) for size in columns.sizes] == [int, int]
    assert columns.generation(0) == 0


def test_a_listings_generations_are_kept() -> None:
    listing = Listing([page_of(["a", "b"], [1, 2], {"generation": [7, 8]})], ("generation",))
    columns = columns_of(listing)
    assert columns.generations == [7, 8]
    assert columns.rows(1, 2) == ObjectColumns(["b"], [2], [8])


def test_a_listings_checksums_are_kept() -> None:
    listing = Listing([page_of(["a", "b"], [1, 2], {"crc32c": ["AAAAAA==", ""]})], ("crc32c",))
    columns = columns_of(listing)
    assert columns.checksums == ["AAAAAA==", ""]
    assert columns.rows(0, 1) == ObjectColumns(["a"], [1], None, ["AAAAAA=="])


def test_without_their_columns_nothing_is_known_of_generations_or_checksums() -> None:
    columns = columns_of(Listing([page_of(["a"], [1])]))
    assert (columns.generations, columns.checksums) == (None, None)


def test_a_long_wrong_value_is_shown_in_part() -> None:
    with pytest.raises(InvalidArgument) as caught:
        columns_of([("a" * 1000, -1)])
    assert len(str(caught.value)) < 200
