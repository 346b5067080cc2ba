"""Two listings are compared name by name; the changes turn the one into the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data import changes
from dataflux_core._data.changes import ListingChanges
from dataflux_core._data.known_ranges import known_ranges, with_prefix
from dataflux_core._data.listing import Listing
from dataflux_core._plan.listing import KeyRange
from dataflux_core._run.listing.observer import ListingStats
from dataflux_core._wire.page import Page, page_of
from dataflux_core.errors import InvalidArgument

Objects = dict[str, tuple[int, int]]  # size and generation by name

NAME = st.text(st.sampled_from("ab/é😀"), min_size=1, max_size=3)
OBJECTS = st.dictionaries(NAME, st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=30)
PAGE_SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=5)


def listing_of(
    objects: Objects, page_sizes: list[int] | None = None, fields: tuple[str, ...] = ("generation",)
) -> Listing:
    """Make a listing whose pages have those sizes in turn, each column a text or number of the generation."""
    names = sorted(objects)
    pages: list[Page] = []
    sizes = page_sizes or [3]
    while names:
        part, names = names[: sizes[len(pages) % len(sizes)]], names[sizes[len(pages) % len(sizes)] :]
        generations = [objects[name][1] for name in part]
        columns: dict[str, list[int] | list[str]] = {
            field: generations if field == "generation" else list(map(str, generations)) for field in fields
        }
        pages.append(page_of(part, [objects[name][0] for name in part], columns))
    return Listing(pages, fields)


def objects_of(listing: Listing) -> Objects:
    generations = map(int, listing.column(listing.fields[0]))
    return {name: (size, generation) for (name, size), generation in zip(listing, generations, strict=True)}


@given(OBJECTS, OBJECTS, PAGE_SIZES, PAGE_SIZES, st.integers(1, 8), st.sampled_from(["generation", "crc32c"]))
def test_changes_are_those_of_two_dictionaries(  # noqa: PLR0913, PLR0917 - two listings, each with its pages
    old: Objects, new: Objects, old_pages: list[int], new_pages: list[int], block_rows: int, field: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "_BLOCK_ROWS", block_rows)
        previous, listing = listing_of(old, old_pages, (field,)), listing_of(new, new_pages, (field,))
        found = ListingChanges.between(previous, listing)
    assert objects_of(found.added) == {name: new[name] for name in new.keys() - old.keys()}
    assert objects_of(found.removed) == {name: old[name] for name in old.keys() - new.keys()}
    assert objects_of(found.changed) == {name: new[name] for name in new.keys() & old.keys() if new[name] != old[name]}
    assert all(part.names == sorted(part.names) for part in (found.added, found.changed, found.removed))
    kept = {name: value for name, value in old.items() if name not in objects_of(found.removed)}
    assert kept | objects_of(found.added) | objects_of(found.changed) == objects_of(found.listing) == new


@pytest.mark.parametrize(
    ("before", "after", "compared"),
    [
        pytest.param(("generation", "etag"), ("etag", "generation"), ("size", "generation"), id="generation first"),
        pytest.param(("generation", "etag", "updated"), ("etag", "updated"), ("size", "etag"), id="etag without it"),
        pytest.param(("crc32c", "updated"), ("crc32c", "updated"), ("size", "crc32c"), id="then the checksum"),
        pytest.param(("updated", "md5"), ("updated", "md5"), ("size", "updated"), id="then the time"),
        pytest.param(("generation",), ("etag",), ("size",), id="the size alone where nothing else is shared"),
    ],
)
def test_what_tells_a_change(before: tuple[str, ...], after: tuple[str, ...], compared: tuple[str, ...]) -> None:
    found = ListingChanges.between(listing_of({"a": (1, 1)}, fields=before), listing_of({"a": (1, 2)}, fields=after))
    assert found.compared == compared
    assert found.changed.names == (["a"] if len(compared) > 1 else [])


def test_each_part_has_the_columns_of_its_listing() -> None:
    previous = listing_of({"gone": (1, 1), "same": (1, 1)}, fields=("generation",))
    listing = listing_of({"new": (1, 2), "same": (1, 1)}, fields=("generation", "crc32c"))
    found = ListingChanges.between(previous, listing)
    assert found.added.column("crc32c") == ["2"]
    assert found.removed.fields == ("generation",)
    assert repr(found) == (
        "<ListingChanges: 1 added, 0 changed, 1 removed; 2 objects now, compared by size, generation>"
    )


def test_unchanged_pages_are_shared() -> None:
    previous = listing_of({"a": (1, 1)})
    (page,) = ListingChanges.between(Listing([]), previous).added.pages
    assert page is previous.pages[0]


@pytest.mark.parametrize("names", [["a", "a"], ["b", "a"]])
def test_names_that_repeat_are_refused(names: list[str]) -> None:
    repeated = Listing([page_of(names, [1, 1])])
    apart = Listing([page_of([name], [1]) for name in names])
    for listing in (repeated, apart):
        with pytest.raises(InvalidArgument, match="previous=a listing with repeated names"):
            ListingChanges.between(listing, Listing([]))


def test_a_known_listing_is_cut_into_pages() -> None:
    known = listing_of({f"{number:05}": (1, 1) for number in range(12_000)}, [1000, 700])
    assert known_ranges(known, 64) == [KeyRange("", "04900"), KeyRange("04900", "09800"), KeyRange("09800", None)]
    assert known_ranges(Listing([]), 64) == [KeyRange.everything()]


@given(OBJECTS, PAGE_SIZES, st.text(st.sampled_from("ab/é😀"), max_size=2))
def test_the_part_with_a_prefix_is_that_part(objects: Objects, page_sizes: list[int], prefix: str) -> None:
    part = with_prefix(listing_of(objects, page_sizes), prefix)
    assert objects_of(part) == {name: value for name, value in objects.items() if name.startswith(prefix)}


def test_what_was_left_out_took_room_on_pages_too() -> None:
    known = listing_of({f"{number:05}": (1, 1) for number in range(6_000)})
    half = Listing(known.pages, known.fields, ListingStats(objects=6_000, left_out=6_000))
    assert [one.start for one in known_ranges(half, 64)] == ["", "02450", "04900"]
