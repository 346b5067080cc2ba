"""Tell what changed between two listings."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import compress, count, islice
from operator import lt, ne, not_
from typing import TYPE_CHECKING

from dataflux_core._data.listing import Listing
from dataflux_core._wire.page import Page, int64s, joined
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK_ROWS = 5000  # compared at once
_TELLING_FIELDS = ("generation", "etag", "crc32c", "updated")  # the first that both listings hold decides


@dataclass(frozen=True, slots=True, repr=False)
class ListingChanges:
    """What a listing has that an earlier one had not."""

    listing: Listing
    added: Listing
    changed: Listing  # as they are now
    removed: Listing  # as they were
    compared: tuple[str, ...]  # columns in which an object of the same name may differ

    @classmethod
    def between(cls, previous: Listing, listing: Listing) -> ListingChanges:
        """Compare two listings name by name.

        An object changed where its size differs, or the first of generation, etag, crc32c, updated that both listings
        hold. Raises InvalidArgument where a name repeats.
        """
        check_names(previous, "previous")
        check_names(listing, "listing")
        return compared(previous, listing)

    def __repr__(self) -> str:
        counts = f"{len(self.added)} added, {len(self.changed)} changed, {len(self.removed)} removed"
        return f"<ListingChanges: {counts}; {len(self.listing)} objects now, compared by {', '.join(self.compared)}>"


def check_names(listing: Listing, argument: str) -> None:
    """Raise InvalidArgument where names are not ascending, or repeat."""
    last = b""
    for page in listing.pages:
        names = page.name_bytes()
        if names[0] <= last or not all(map(lt, names, islice(names, 1, None))):
            raise InvalidArgument(argument, "a listing with repeated names", "one that holds each name once, in order")
        last = names[-1]


def compared(previous: Listing, listing: Listing) -> ListingChanges:
    """Compare two listings whose names were checked."""
    shared = [field for field in _TELLING_FIELDS if field in previous.fields and field in listing.fields]
    comparison = _Comparison(("size", *shared[:1]))
    rest = _Rest(_blocks(previous.pages))
    for page in _blocks(listing.pages):
        comparison.take(rest.up_to(page.last_name), page)
    comparison.removed += rest.pages()
    return ListingChanges(
        listing,
        Listing(comparison.added, listing.fields),
        Listing(comparison.changed, listing.fields),
        Listing(comparison.removed, previous.fields),
        comparison.compared,
    )


class _Comparison:
    """The changes found so far, as pages."""

    def __init__(self, compared: tuple[str, ...]) -> None:
        self.compared = compared
        self.added: list[Page] = []
        self.changed: list[Page] = []
        self.removed: list[Page] = []

    def take(self, old: Page, new: Page) -> None:
        """Compare the same stretch of the namespace, all of it in columns: most of it is the same, byte for byte."""
        if old.names == new.names:
            fields = [field for field in self.compared if _column(old, field) != _column(new, field)]
            old_kept = new_kept = [True] * new.count if fields else []
        else:
            fields = list(self.compared) if old.count else []
            old_names, new_names = old.name_bytes(), new.name_bytes()
            old_kept = list(map(frozenset(new_names).__contains__, old_names))
            new_kept = list(map(frozenset(old_names).__contains__, new_names))
            self.removed.append(old.picked(_rows(map(not_, old_kept))))
            self.added.append(new.picked(_rows(map(not_, new_kept))))
        differing: set[int] = set()
        for field in fields:
            were, are = compress(_values(old, field), old_kept), compress(_values(new, field), new_kept)
            differing.update(compress(_rows(new_kept), map(ne, were, are)))
        self.changed.append(new.picked(sorted(differing)))


class _Rest:
    """The part of a listing that was not compared yet."""

    def __init__(self, blocks: Iterator[Page]) -> None:
        self._blocks = blocks
        self._next = next(blocks, None)

    def up_to(self, last: bytes) -> Page:
        """Take the rows whose names are `last` or below it."""
        taken: list[Page] = []
        while self._next is not None and self._next.last_name <= last:
            taken.append(self._next)
            self._next = next(self._blocks, None)
        if self._next is not None:
            rows = bisect_right(self._next.name_bytes(), last)
            taken.append(self._next.rows(0, rows))
            self._next = self._next.rows(rows, self._next.count)
        return joined(taken)

    def pages(self) -> list[Page]:
        """Take all of it."""
        return [] if self._next is None else [self._next, *self._blocks]


def _blocks(pages: Iterable[Page]) -> Iterator[Page]:
    """Join small pages, so that few cuts are made."""
    waiting: list[Page] = []
    rows = 0
    for page in pages:
        waiting.append(page)
        rows += page.count
        if rows >= _BLOCK_ROWS:
            yield joined(waiting)
            waiting, rows = [], 0
    if waiting:
        yield joined(waiting)


def _column(page: Page, field: str) -> bytes:
    if field == "size":
        return page.sizes
    return page.numbers[field] if field in page.numbers else page.texts[field]


def _values(page: Page, field: str) -> Iterable[int | bytes]:
    column = _column(page, field)
    return column.split(b"\n") if field in page.texts else int64s(column)


def _rows(wanted: Iterable[bool]) -> list[int]:
    return list(compress(count(), wanted))
