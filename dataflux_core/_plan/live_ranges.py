"""Keep the ranges of a listing that are not finished."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._plan.cuts import Outlook
    from dataflux_core._plan.listing import Span

NEXT = "\0"  # behind a name it makes the first string above that


@dataclass(slots=True)
class LiveRange:
    """A half-open key range [start, end) that one lister works through; only its part above `cursor` is left."""

    id: int
    start: str
    end: str | None
    victim_id: int | None = None  # the range that it was cut from
    first: str | None = None
    cursor: str | None = None  # the greatest name received
    token: str = ""
    token_span: Span | None = None  # a token goes on only with the bounds that it was given for
    page_first: str = ""  # of the latest page that brought any
    page_objects: int = 0
    trail: list[str] = field(default_factory=list)  # names spread over all its pages
    standstill: int = 0  # empty pages in a row whose token was the one asked with
    blind: bool = True  # whether names reach up to `end` is not known
    futile: bool = False  # until the next page no cut can be found
    stepped_from: str = ""  # the last name that its victim had when it was cut off
    expected_pages: float = 1.0  # before the first of them is there
    pages_uncut: int = 0
    overdue_pages: int = 0  # that came although none were thought to be left
    probed: bool = False  # its first page is a small one: to know soon is worth a call
    page_share: int = 0  # of all names' numbers, of its latest whole page or its victim's
    outlook: Outlook | None = None  # since the latest page or cut


class LiveRanges:
    """The ranges that are listed, by their numbers, in the order in which they were added.

    A listing that goes on may begin with as many as a checkpoint has gaps, so a page costs no look at each of them.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, LiveRange] = {}
        self._by_end: dict[str | None, LiveRange] = {}
        self._waiting: list[int] = []  # a heap of numbers: what was begun is finished first
        self._next_id = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[LiveRange]:
        return iter(self._by_id.values())

    def __getitem__(self, range_id: int) -> LiveRange:
        return self._by_id[range_id]

    def add(self, start: str, end: str | None, victim_id: int | None = None) -> LiveRange:
        """Add a range that does not wait: whoever adds it asks for its first page."""
        added = self._by_id[self._next_id] = self._by_end[end] = LiveRange(self._next_id, start, end, victim_id)
        self._next_id += 1
        return added

    def remove(self, live: LiveRange) -> None:
        """Forget a range that does not wait."""
        del self._by_id[live.id]
        self._forget_end(live)

    def move_end(self, live: LiveRange, end: str) -> None:
        self._forget_end(live)
        live.end = end
        self._by_end[end] = live

    def left_of(self, live: LiveRange) -> LiveRange | None:
        """Return the range that ends where `live` starts."""
        return self._by_end.get(live.start)

    def put_back(self, live: LiveRange) -> None:
        """Let a range wait for its next page."""
        heapq.heappush(self._waiting, live.id)

    def take(self, count: int) -> list[LiveRange]:
        """Take up to `count` of those that wait, the first added first."""
        return [self._by_id[heapq.heappop(self._waiting)] for _ in range(min(count, len(self._waiting)))]

    def _forget_end(self, live: LiveRange) -> None:
        if self._by_end.get(live.end) is live:
            del self._by_end[live.end]
