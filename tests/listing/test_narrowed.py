"""An earlier listing, narrowed, is what the same question would have brought then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.listing import Listing
from dataflux_core._data.narrowed import narrowed
from dataflux_core._plan.selection import Selection
from dataflux_core._wire.listing import Scope, page_of_items
from dataflux_core._wire.page import page_of
from dataflux_core.errors import InvalidArgument

BEGIN = datetime(2026, 11, 1, tzinfo=timezone.utc)


@dataclass
class Item:
    """An object as the service tells of it."""

    name: str
    size: int
    updated: str
    storageClass: str = "STANDARD"  # noqa: N815 - the service's own spelling


def moment(hours: int) -> datetime:
    return BEGIN + timedelta(hours=hours)


NAMES = st.sampled_from(["a", "a/", "a/b", "a/é", "b", "dataflux-composed-objects/1", "é", "z/"])
PREFIXES = st.sampled_from(["", "a", "a/", "dataflux-composed-objects/", "é", "x"])
ITEMS = st.lists(
    st.builds(
        Item, NAMES, st.integers(0, 3), st.integers(0, 3).map(lambda hours: f"{moment(hours):%Y-%m-%dT%H:%M:%SZ}")
    ),
    unique_by=lambda item: item.name,
).map(lambda items: sorted(items, key=lambda item: item.name))
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "start_offset": NAMES,
        "end_offset": NAMES,
        "min_bytes": st.integers(0, 1),
        "max_bytes": st.integers(1, 3),
        "updated_from": st.integers(0, 1).map(moment),
        "updated_before": st.integers(2, 4).map(moment),
    },
)


def within(item: Item, scope: Scope) -> bool:
    """Tell whether the service would send an item: it knows names only."""
    start, end = scope.selection.start_offset or "", scope.selection.end_offset
    return item.name.startswith(scope.prefix) and item.name >= start and (end is None or item.name < end)


@given(items=ITEMS, prefix=PREFIXES, conditions=CONDITIONS, cut=st.integers(0, 8), everything=st.booleans())
def test_it_is_what_a_listing_would_have_found(
    items: list[Item], prefix: str, conditions: dict[str, Any], cut: int, *, everything: bool
) -> None:
    selection = Selection(**conditions)
    scope = Scope("b", prefix, ("updated",), None, not everything, not everything, selection=selection)
    pages = [
        page_of(
            [item.name for item in part], [item.size for item in part], {"updated": [item.updated for item in part]}
        )
        for part in (items[:cut], items[cut:])
    ]
    found = Listing([page_of_items(scope, [item for item in items if within(item, scope)])], ("updated",))
    kept = narrowed(Listing(pages, ("updated",)), scope)
    assert (list(kept), kept.column("updated")) == (list(found), found.column("updated"))


@pytest.mark.parametrize(
    ("selection", "argument"),
    [
        pytest.param(Selection(match_glob="*"), "match_glob", id="a glob"),
        pytest.param(Selection(updated_from=BEGIN), "updated_from", id="from a time"),
        pytest.param(Selection(updated_before=BEGIN), "updated_before", id="before a time"),
    ],
)
def test_what_a_listing_does_not_tell_is_refused(selection: Selection, argument: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        narrowed(Listing([page_of(["a"], [1])]), Scope("b", selection=selection))
    assert caught.value.argument == argument
