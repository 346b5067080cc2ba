"""A listing is a sequence of (name, size) kept as columns."""

from __future__ import annotations

import pickle
import stat
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.listing import Listing, whole_listing
from dataflux_core._data.page_order import gathered, in_name_order, overlapping
from dataflux_core._wire.page import Page, page_of
from dataflux_core.errors import InvalidArgument, ListingInexact
from tests.listing.namespaces import pages_of

if TYPE_CHECKING:
    import random
    from pathlib import Path

NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=6)
PAIRS = st.dictionaries(NAME, st.integers(0, 2**62), max_size=40).map(lambda pairs: sorted(pairs.items()))


def listing_of(pairs: list[tuple[str, int]], page_objects: int = 7) -> Listing:
    return Listing(pages_of(pairs, page_objects), ("generation", "crc32c"))


@given(PAIRS, st.integers(1, 9))
def test_it_holds_what_went_in(pairs: list[tuple[str, int]], page_objects: int) -> None:
    listing = listing_of(pairs, page_objects)
    assert list(listing) == pairs
    assert len(listing) == len(pairs)
    assert listing.names == [name for name, _ in pairs]
    assert listing.sizes == [size for _, size in pairs]
    assert listing.total_bytes == sum(size for _, size in pairs)
    assert [listing[index] for index in range(-len(pairs), len(pairs))] == pairs + pairs


@given(PAIRS, st.integers(1, 9), st.slices(40))
def test_slices_are_listings(pairs: list[tuple[str, int]], page_objects: int, part: slice) -> None:
    sliced = listing_of(pairs, page_objects)[part]
    assert isinstance(sliced, Listing)
    assert list(sliced) == pairs[part]
    assert sliced.column("generation") == [size + 1 for _, size in pairs[part]]
    assert sliced.column("crc32c") == [name + "=" for name, _ in pairs[part]]


@given(PAIRS)
def test_it_crosses_processes_whole(pairs: list[tuple[str, int]]) -> None:
    listing = listing_of(pairs)
    copy = pickle.loads(pickle.dumps(listing))
    assert copy == listing
    assert copy.column("generation") == listing.column("generation")


@given(PAIRS, st.integers(1, 9), st.randoms(use_true_random=False))
def test_pages_are_put_in_order_without_touching_objects(
    pairs: list[tuple[str, int]], page_objects: int, luck: random.Random
) -> None:
    pages = pages_of(pairs, page_objects)
    luck.shuffle(pages)
    ordered = in_name_order(pages)
    assert list(Listing(ordered)) == sorted(pairs, key=lambda pair: pair[0].encode())
    assert overlapping(ordered) is None


@given(PAIRS, st.lists(st.integers(1, 2000), max_size=12))
def test_small_pages_become_one(pairs: list[tuple[str, int]], more: list[int]) -> None:
    large = [page for rows in more for page in pages_of([(f"{at:04d}", at) for at in range(rows)], rows)]
    pages = [*pages_of(pairs, 1), *large]
    wholes = list(gathered(pages))
    fields = ("generation", "crc32c")
    assert list(Listing(wholes)) == list(Listing(pages))
    assert all(Listing(wholes, fields).column(field) == Listing(pages, fields).column(field) for field in fields)
    for first, second in pairwise(wholes):
        assert first.count + second.count > 5000 or max(first.count, second.count) >= 500


def test_a_listing_whose_pages_overlap_is_refused() -> None:
    with pytest.raises(ListingInexact, match="gs://b: .*'c' was listed twice"):
        whole_listing("b", [page_of(["c", "d"], [1, 1]), page_of(["a", "c"], [1, 1])], ())


def test_pages_that_overlap_are_found() -> None:
    assert overlapping([page_of(["a", "c"], [1, 1]), page_of(["c", "d"], [1, 1])]) == "c"


@given(PAIRS, st.one_of(st.none(), NAME), st.one_of(st.none(), NAME))
def test_the_part_of_a_page_between_two_names(pairs: list[tuple[str, int]], after: str | None, end: str | None) -> None:
    (page,) = pages_of(pairs, 100) or [page_of([], [])]
    part = page.between(after, end)
    expected = [name for name, _ in pairs if (after is None or name > after) and (end is None or name < end)]
    assert part.name_list() == expected
    assert part.count == len(expected) == len(part.size_list())


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_says_so(index: int) -> None:
    with pytest.raises(IndexError, match="out of range for 3 objects"):
        listing_of([("a", 1), ("b", 2), ("c", 3)])[index]


def test_names_and_sizes_are_columns_as_well() -> None:
    listing = listing_of([("a", 1), ("b", 2)])
    assert listing.column("name") == ["a", "b"]
    assert listing.column("size") == [1, 2]


def test_a_column_that_no_listing_has_names_those_that_there_are() -> None:
    with pytest.raises(KeyError, match="there is no column 'colour'; there are name, size, generation"):
        listing_of([("a", 1)]).column("colour")


def test_an_index_that_is_no_number_says_what_is() -> None:
    with pytest.raises(TypeError, match="whole numbers and slices, not str"):
        listing_of([("a", 1)])["a"]  # type: ignore[call-overload]


def test_a_column_that_was_not_asked_for_says_how_to() -> None:
    with pytest.raises(KeyError, match="ask for it"):
        listing_of([("a", 1)]).column("updated")


def test_through_parquet_and_back(tmp_path: Path) -> None:
    listing = listing_of([(f"{number:04d}", number) for number in range(100)])
    listing.to_parquet(tmp_path / "l.parquet")
    again = Listing.from_parquet(tmp_path / "l.parquet")
    assert again == listing
    assert again.fields == listing.fields
    assert again.column("crc32c") == listing.column("crc32c")
    assert [path.name for path in tmp_path.iterdir()] == ["l.parquet"]
    assert stat.S_IMODE((tmp_path / "l.parquet").stat().st_mode) & 0o600 == 0o600


def test_an_arrow_table_has_typed_columns() -> None:
    table = listing_of([("é", 1), ("漢", 2)]).to_arrow()
    assert table.schema.names == ["name", "size", "generation", "crc32c"]
    assert table.schema.field("size").type == pa.int64()
    assert table.column("name").to_pylist() == ["é", "漢"]


def test_a_parquet_file_of_something_else_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(InvalidArgument, match="columns name and size"):
        Listing.from_parquet(tmp_path / "other.parquet")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        pytest.param({"name": ["a\nb"], "size": [1]}, "not 'a", id="a name with a line break"),
        pytest.param({"name": pa.array([None], pa.string()), "size": [1]}, "not None", id="no name"),
        pytest.param({"name": ["a"], "size": pa.array([None], pa.int64())}, "with their sizes", id="no size"),
        pytest.param({"name": ["a"], "size": ["1"]}, "not string, string", id="sizes as text"),
    ],
)
def test_a_parquet_file_that_holds_no_listing_is_refused(columns: dict[str, object], said: str, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns, schema=None), tmp_path / "l.parquet")
    with pytest.raises(InvalidArgument, match=said):
        Listing.from_parquet(tmp_path / "l.parquet")


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "l.parquet"
    target.write_bytes(b"old")
    broken = Listing([Page(1, b"a", b"\0" * 7)])
    with pytest.raises((TypeError, ValueError)):
        broken.to_parquet(target)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
