"""Put pages in the order of their names."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._wire.page import Page

_MAX_SPLITS_PER_PAGE = 4  # more, and sorting every name is quicker


def in_name_order(pages: Sequence[Page]) -> list[Page]:
    """Sort pages that are disjoint, each in order, by their first names: no object is touched."""
    return sorted((page for page in pages if page.count), key=_first_name)


def overlapping(pages: Sequence[Page], *, names_repeat: bool = False) -> str | None:
    """Return a name at which neighbouring pages overlap, None where all is well.

    Where names repeat, a page may begin with the name that the one before ends with.
    """
    last = b""
    for page in pages:
        first = _first_name(page)
        if first < last or (first == last and not names_repeat):
            return first.decode()
        last = _last_name(page)
    return None


def disentangled(pages: Sequence[Page]) -> list[Page] | None:
    """Cut pages, each in order, so that they are disjoint, then sort them; None where that takes too many cuts.

    So are rows put in order that were written a page at a time as the pages arrived: the file does not say where one
    ends, and two that follow each other in the file may have others between them. Equal names stay in the order given.
    """
    waiting = [(_first_name(page), place, page) for place, page in enumerate(pages) if page.count]
    heapq.heapify(waiting)
    most_pages = _MAX_SPLITS_PER_PAGE * len(waiting)
    ordered: list[Page] = []
    while waiting:
        _, place, page = heapq.heappop(waiting)
        if waiting and (_last_name(page), place) > waiting[0][:2]:
            rows = bisect_left(page.names.split(b"\n"), waiting[0][0])
            if rows == 0 or len(ordered) > most_pages:
                return None
            rest = page.rows(rows, page.count)
            heapq.heappush(waiting, (_first_name(rest), place, rest))
            page = page.rows(0, rows)
        ordered.append(page)
    return ordered


def _first_name(page: Page) -> bytes:
    end = page.names.find(b"\n")
    return page.names if end < 0 else page.names[:end]


def _last_name(page: Page) -> bytes:
    return page.names[page.names.rfind(b"\n") + 1 :]
