"""Hold the result of a listing as columns."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, overload

from dataflux_core._data.csv_file import write_csv
from dataflux_core._data.page_order import gathered, in_name_order, overlapping
from dataflux_core._wire.page import ALWAYS_THERE, SERVICE_NAMES, Page, canonical_field, int64s, page_of
from dataflux_core.errors import ListingInexact

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from dataflux_core._run.listing.observer import ListingStats

_PICKED_PAGE_ROWS = 5000


class Listing(Sequence[tuple[str, int]]):
    """Objects of a bucket in name order: a sequence of (name, size in bytes), stored as packed columns.

    9 bytes an object beside the bytes of its name, 4 more in the pages that were indexed. Iterating makes Python
    objects for one page at a time. Picklable; accepted wherever `objects` is.
    """

    def __init__(self, pages: Sequence[Page], fields: tuple[str, ...] = (), stats: ListingStats | None = None) -> None:
        self.fields = fields
        self.stats = stats
        self._pages = [page for page in pages if page.count]
        self._ends = list(accumulate(page.count for page in self._pages))
        self._ends_of_names: dict[int, array[int]] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return chain.from_iterable(map(_pairs, self._pages))

    @overload
    def __getitem__(self, index: int) -> tuple[str, int]: ...
    @overload
    def __getitem__(self, index: slice) -> Listing: ...
    def __getitem__(self, index: int | slice) -> tuple[str, int] | Listing:
        if isinstance(index, slice):
            return self._slice(index)
        if not hasattr(index, "__index__"):
            raise TypeError(f"a listing is indexed by whole numbers and slices, not {type(index).__name__}")
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"listing index {index} out of range for {len(self)} objects")
        place = bisect_right(self._ends, index)
        row = index - (self._ends[place] - self._pages[place].count)
        page, ends = self._pages[place], self._row_ends(place)
        name = page.names[ends[row - 1] + 1 if row else 0 : ends[row]]
        return name.decode(), int64s(page.sizes)[row]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Listing):
            return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment] # compares by value

    def __repr__(self) -> str:
        return f"<Listing of {len(self)} objects, {self.total_bytes} bytes>"

    def __getstate__(self) -> tuple[list[Page], tuple[str, ...], ListingStats | None]:
        return self._pages, self.fields, self.stats

    def __setstate__(self, state: tuple[list[Page], tuple[str, ...], ListingStats | None]) -> None:
        self.__init__(*state)  # type: ignore[misc] # pickle made the empty object that this fills

    @property
    def names(self) -> list[str]:
        """All names, as a new list."""
        return list(chain.from_iterable(page.name_list() for page in self._pages))

    @property
    def sizes(self) -> list[int]:
        """All sizes in bytes, as a new list."""
        return list(chain.from_iterable(page.size_list() for page in self._pages))

    @property
    def total_bytes(self) -> int:
        return sum(sum(int64s(page.sizes)) for page in self._pages)

    def column(self, field: str) -> list[str] | list[int]:
        """Return one column as a new list; raises KeyError for an optional one that `fields=` did not ask for."""
        field = canonical_field(field)
        if field in ALWAYS_THERE:
            return self.names if field == "name" else self.sizes
        if field not in SERVICE_NAMES:
            raise KeyError(f"there is no column {field!r}; there are name, size, {', '.join(SERVICE_NAMES)}")
        if field not in self.fields:
            raise KeyError(f"{field!r} is not in this listing; ask for it: listing(fields=({field!r},))")
        if any(field in page.numbers for page in self._pages):
            return list(chain.from_iterable(int64s(page.numbers[field]).tolist() for page in self._pages))
        return list(chain.from_iterable(page.text_list(field) for page in self._pages))

    def to_arrow(self) -> pa.Table:
        """Return a pyarrow Table: name (string), size (int64), then the optional columns; needs the extra `arrow`."""
        from dataflux_core._data.tables import table_of  # noqa: PLC0415 - pyarrow is an extra

        return table_of(self._pages, self.fields)

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file, whole or not at all; raises FileNotWritten; needs the extra `arrow`."""
        from dataflux_core._data.parquet import write_parquet  # noqa: PLC0415 - pyarrow is an extra

        write_parquet(self._pages, self.fields, path)

    def to_csv(self, path: str | Path) -> None:
        """Write a CSV file with a header, in UTF-8, whole or not at all; raises FileNotWritten."""
        write_csv(self._pages, self.fields, path)

    @classmethod
    def from_parquet(cls, path: str | Path) -> Listing:
        """Read any program's Parquet file with at least the columns name and size; rows are put in name order.

        Optional columns are those that have the name and type of a field. Raises InvalidArgument for a file that is
        damaged or holds no listing, OSError for one that cannot be opened.
        """
        from dataflux_core._data.parquet import read_parquet  # noqa: PLC0415 - pyarrow is an extra

        pages, fields = read_parquet(path)
        return cls(pages, fields)

    @property
    def pages(self) -> Sequence[Page]:
        """The packed columns themselves, a page at a time."""
        return self._pages

    def _row_ends(self, place: int) -> array[int]:
        """Return where each name of a page ends; kept once asked for, 4 bytes an object, so that any order is quick."""
        ends = self._ends_of_names.get(place)
        if ends is None:
            lengths = map(len, self._pages[place].names.split(b"\n"))
            ends = array("I", accumulate(lengths, lambda end, length: end + 1 + length))
            self._ends_of_names[place] = ends
        return ends

    def _slice(self, index: slice) -> Listing:
        start, stop, step = index.indices(len(self))
        if step != 1:
            return _picked(self, range(start, stop, step))
        parts: list[Page] = []
        for end, page in zip(self._ends, self._pages, strict=True):
            begin = end - page.count
            if begin < stop and end > start:
                parts.append(page.rows(max(0, start - begin), min(page.count, stop - begin)))
        return Listing(parts, self.fields)


def whole_listing(
    bucket: str,
    pages: Sequence[Page],
    fields: tuple[str, ...],
    stats: ListingStats | None = None,
    *,
    names_repeat: bool = False,
) -> Listing:
    """Put the pages of a finished run in order; raises ListingInexact where two of them overlap.

    Where names repeat, generations of one name may lie on several pages, given in the order of generations.
    """
    return Listing(list(gathered(_in_checked_order(bucket, pages, names_repeat=names_repeat))), fields, stats)


def whole_pairs(bucket: str, arriving: Iterable[Page], *, names_repeat: bool = False) -> list[tuple[str, int]]:
    """Return (name, size) of every object in name order; raises ListingInexact where two pages overlap.

    The pairs of a page are made while the next ones are on their way.
    """
    pages: list[Page] = []
    pairs: dict[int, list[tuple[str, int]]] = {}
    for page in arriving:
        pages.append(page)
        pairs[id(page)] = list(_pairs(page))
    ordered = _in_checked_order(bucket, pages, names_repeat=names_repeat)
    return list(chain.from_iterable(pairs[id(page)] for page in ordered))


def _in_checked_order(bucket: str, pages: Sequence[Page], *, names_repeat: bool) -> list[Page]:
    ordered = in_name_order(pages)
    twice = overlapping(ordered, names_repeat=names_repeat)
    if twice is not None:
        raise ListingInexact(bucket, f"{twice!r} was listed twice")
    return ordered


def _pairs(page: Page) -> Iterator[tuple[str, int]]:
    return zip(page.name_list(), page.size_list(), strict=True)


def _picked(listing: Listing, rows: range) -> Listing:
    """Make a listing of the rows of a slice with a step."""
    names, sizes = listing.names, listing.sizes
    columns = {field: listing.column(field) for field in listing.fields}
    pages = []
    for start in range(0, len(rows), _PICKED_PAGE_ROWS):
        part = rows[start : start + _PICKED_PAGE_ROWS]
        picked = {field: [values[row] for row in part] for field, values in columns.items()}
        pages.append(page_of([names[row] for row in part], [sizes[row] for row in part], picked))  # type: ignore[arg-type]
    return Listing(pages, listing.fields)
