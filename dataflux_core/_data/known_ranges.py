"""Cut a bucket into ranges at the names of an earlier listing."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from dataflux_core._plan.coverage import between_cuts
from dataflux_core._plan.quantiles import cut_rows
from dataflux_core._wire.listing import MAX_PAGE_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._data.listing import Listing
    from dataflux_core._plan.listing import KeyRange


def known_ranges(previous: Listing, parallelism: int, prefix: str) -> list[KeyRange]:
    """Return disjoint ranges, together the whole namespace, each worth about the same number of pages."""
    left_out = previous.stats.left_out if previous.stats is not None else 0
    # Pages hold what is left out too.
    page_objects = max(1, MAX_PAGE_OBJECTS * len(previous) // max(1, len(previous) + left_out))
    rows = cut_rows(len(previous), parallelism, page_objects=page_objects)
    return between_cuts(name for name in _names_at(previous, rows) if name.startswith(prefix))


def _names_at(listing: Listing, rows: range) -> Iterator[str]:
    """Yield the names at some rows, given in order, without an index of all."""
    bounds = accumulate((page.count for page in listing.pages), initial=0)
    for page, (begin, end) in zip(listing.pages, pairwise(bounds), strict=True):
        first = -(-(begin - rows.start) // rows.step) * rows.step + rows.start
        wanted = range(max(first, rows.start), min(end, rows.stop), rows.step)
        if wanted:
            names = page.names.split(b"\n")
            yield from (names[row - begin].decode() for row in wanted)
