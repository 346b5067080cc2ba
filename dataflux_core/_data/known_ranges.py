"""Cut a bucket into ranges at the names of an earlier listing."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from dataflux_core._data.listing import Listing
from dataflux_core._plan.coverage import between_cuts
from dataflux_core._plan.quantiles import cut_rows
from dataflux_core._wire.listing import MAX_PAGE_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._plan.listing import KeyRange


def with_prefix(listing: Listing, prefix: str) -> Listing:
    """Return the part of a listing whose names begin with `prefix`."""
    start = prefix.encode()
    parts = []
    for page in listing.pages if prefix else ():
        if page.last_name >= start:
            names = page.name_bytes()
            first = bisect_left(names, start)
            stop = bisect_left(names, True, lo=first, key=lambda name: not name.startswith(start))
            parts.append(page.rows(first, stop))
    return Listing(parts, listing.fields, listing.stats) if prefix else listing


def known_ranges(previous: Listing, parallelism: int) -> list[KeyRange]:
    """Return disjoint ranges, together the whole namespace, each worth about the same number of pages."""
    page_objects = MAX_PAGE_OBJECTS
    if previous.stats is not None and previous.stats.objects:  # pages held what was left out too
        page_objects = page_objects * previous.stats.objects // (previous.stats.objects + previous.stats.left_out)
    rows = cut_rows(len(previous), parallelism, page_objects=max(1, page_objects))
    return between_cuts(_names_at(previous, rows))


def _names_at(listing: Listing, rows: range) -> Iterator[str]:
    """Yield the names at some rows, given in order, without an index of all."""
    bounds = accumulate((page.count for page in listing.pages), initial=0)
    for page, (begin, end) in zip(listing.pages, pairwise(bounds), strict=True):
        first = -(-(begin - rows.start) // rows.step) * rows.step + rows.start
        wanted = range(max(first, rows.start), min(end, rows.stop), rows.step)
        if wanted:
            names = page.names.split(b"\n")
            yield from (names[row - begin].decode() for row in wanted)
