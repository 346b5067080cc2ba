"""Leave of an earlier listing what another one asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._data.known_ranges import with_prefix
from dataflux_core._data.listing import Listing
from dataflux_core._wire.listing import COMPOSED_PREFIX
from dataflux_core._wire.selection import chosen
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._wire.listing import Scope
    from dataflux_core._wire.page import Page

_COMPOSED = COMPOSED_PREFIX.encode()


@dataclass(slots=True)
class _Row:
    """What a row is judged by."""

    place: int
    size: int
    updated: str


def narrowed(listing: Listing, scope: Scope) -> Listing:
    """Return the objects that the scope would have found; raises InvalidArgument where a listing does not tell."""
    selection = scope.selection
    if selection.match_glob:
        raise InvalidArgument("match_glob", repr(selection.match_glob), "none: only the service knows what it matches")
    if selection.judges_times and "updated" not in listing.fields:
        argument = "updated_before" if selection.updated_from is None else "updated_from"
        moment = selection.updated_from or selection.updated_before
        raise InvalidArgument(argument, str(moment), "a listing with the column updated, to judge its objects by")
    parts = [_kept(page, scope) for page in _between_offsets(with_prefix(listing, scope.prefix), scope)]
    return Listing(parts, listing.fields, listing.stats)


def _between_offsets(listing: Listing, scope: Scope) -> Iterator[Page]:
    selection = scope.selection
    if not selection.start_offset and not selection.end_offset:
        yield from listing.pages
        return
    ranges = selection.ranges(scope.prefix)
    for page in listing.pages:
        yield from page.parts(ranges)


def _kept(page: Page, scope: Scope) -> Page:
    return page.picked(_rows_kept(page, scope)) if scope.selection.judges_objects or _may_hold_others(page) else page


def _rows_kept(page: Page, scope: Scope) -> list[int]:
    rows: Sequence[int] = range(page.count)
    if scope.selection.judges_objects:
        times = page.text_list("updated") if scope.selection.judges_times else [""] * page.count
        rows = [row.place for row in chosen(scope.selection, list(map(_Row, rows, page.size_list(), times)))]
    names = page.name_bytes()
    if scope.skip_composed:
        rows = [row for row in rows if not names[row].startswith(_COMPOSED)]
    if scope.skip_directories:
        rows = [row for row in rows if not names[row].endswith(b"/")]
    return list(rows)


def _may_hold_others(page: Page) -> bool:
    """Tell, without a look at each name, whether temporaries or directories may be there, which scopes leave out."""
    return b"/\n" in page.names or page.names.endswith(b"/") or _COMPOSED in page.names
