"""Put pages in the order of their names."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from typing import TYPE_CHECKING

from dataflux_core._wire.page import Page, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SMALL_ROWS = 500  # a page costs some 300 bytes beside its rows: below this, more than a byte for each
_MAX_ROWS = 5000  # of pages that become one, as of one that is listed
_MAX_SPLITS_PER_PAGE = 4  # more, and sorting every name is quicker


def in_name_order(pages: Sequence[Page]) -> list[Page]:
    """Sort pages that are disjoint, each in order, by their first names: no object is touched."""
    return sorted((page for page in pages if page.count), key=_first_name)


def gathered(pages: Iterable[Page]) -> Iterator[Page]:
    """Yield pages in the order given, small neighbours as one: a folder's page may hold a single object."""
    small: list[Page] = []
    rows = 0
    for page in pages:
        if small and (page.count >= _SMALL_ROWS or rows + page.count > _MAX_ROWS):
            yield joined(small)
            small, rows = [], 0
        if page.count >= _SMALL_ROWS:
            yield page
        else:
            small.append(page)
            rows += page.count
    if small:
        yield joined(small)


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
