"""Cut windows so that several of them together keep within what may be read ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflux_core._data.epoch.options import AheadBounds
    from dataflux_core._data.epoch.window import Key, Window

_GUESSED_BYTES = 256 * 1024  # of an object whose size is not known, before any has come
_ROOM = 2  # times the mean, or else every other chunk would be sent for twice
_LEAST_WEIGHT = 1 / 256  # of the newest size


class Piece(NamedTuple):
    """The rows that may be read together next."""

    rows: int
    held_bytes: int  # that they are likely to take
    is_guess: bool  # nothing yet says how many bytes


class WindowCuts:
    """Windows of so many rows in all, in pieces that are cut when they are taken, by what is known then.

    A piece keeps within its part of the bounds, or is a single row. Where the index does not tell the size of an
    object, the mean of those that came stands for it. A chunk that many rows need takes room once, none where it is
    held already.
    """

    def __init__(
        self,
        windows: Iterator[Window],
        rows: int,
        bounds: AheadBounds,
        parts: int,
        is_held: Callable[[Key], bool] = lambda _: False,
    ) -> None:
        self._windows = windows
        self._is_held = is_held
        self._left = rows  # not yet taken
        self._most_ahead = bounds.max_samples
        self._most_rows = max(1, bounds.max_samples // parts)
        self._most_bytes = bounds.max_bytes / parts
        self._mean_bytes = float(_GUESSED_BYTES)
        self._met = 0
        self._window: Window | None = None
        self._taken = 0  # rows of it

    def learn(self, size: int) -> None:
        """Take in the size of an object that has come."""
        self._met += 1
        self._mean_bytes += (size - self._mean_bytes) * max(1 / self._met, _LEAST_WEIGHT)

    def look_up(self) -> bool:
        """See to it that there is a row to be taken; tell whether there is."""
        while self._window is None or self._taken == len(self._window):
            self._window, self._taken = next(self._windows, None), 0
            if self._window is None:
                return False
        return True

    def next(self) -> Piece:
        """Say what may be taken next; there is a row."""
        window = self._of_now()
        begin = window.starts[self._taken]
        rows, held_bytes, is_guess = 0, 0.0, False
        counted: set[Key] = set()
        for row in range(self._taken, min(len(window), self._taken + self._most_rows)):
            end = window.starts[row + 1]
            own = self._sizes_of(window, begin, end, counted)
            row_bytes = self._bytes_of(own)
            if rows and (held_bytes + row_bytes > self._most_bytes or (window.chunks and self._is_guess(own))):
                break  # chunks are large: the first one will tell how large
            rows, held_bytes, begin = rows + 1, held_bytes + row_bytes, end
            is_guess = is_guess or self._is_guess(own)
        return Piece(rows, int(held_bytes), is_guess)

    @property
    def following(self) -> int:
        """How many rows at most are read soon after those that were taken."""
        return min(self._left, self._most_ahead)

    def take(self, rows: int) -> Window:
        """Return the next so many rows."""
        window, start = self._of_now(), self._taken
        self._taken += rows
        self._left = max(0, self._left - rows)
        return window if rows == len(window) else window.part(start, self._taken)

    def give_back(self, rows: int) -> None:
        """Let the last so many of the rows that were taken be taken again."""
        self._taken -= rows
        self._left += rows

    def limited(self, window: Window, wanted: Sequence[int]) -> Window:
        """Let those among the wanted objects that turn out too large, where nobody said their sizes, wait."""
        sizes = window.objects.sizes
        unknown = sum(sizes is None or sizes[at] < 0 for at in wanted)
        ahead_bytes = max(int(self._most_bytes) // unknown, int(_ROOM * self._mean_bytes), 1) if unknown else 0
        return replace(window, ahead_bytes=ahead_bytes)

    def expected(self, size: int) -> int:
        """Return the size of an object, the mean where it is not known."""
        return size if size >= 0 else int(self._mean_bytes)

    def _sizes_of(self, window: Window, begin: int, end: int, counted: set[Key]) -> Sequence[int]:
        """Return the sizes of objects [begin, end), without chunks that take no more room."""
        sizes = window.objects.sizes
        own = [-1] * (end - begin) if sizes is None else sizes[begin:end]
        if not window.chunks:
            return own
        new = []
        for size, place in zip(own, window.chunks[begin:end], strict=True):
            if place is None or not place.is_shared:
                new.append(size)
            elif place.key not in counted and not self._is_held(place.key):
                counted.add(place.key)
                new.append(size)
        return new

    def _is_guess(self, sizes: Sequence[int]) -> bool:
        return not self._met and any(size < 0 for size in sizes)

    def _bytes_of(self, sizes: Sequence[int]) -> float:
        return sum([size if size >= 0 else self._mean_bytes for size in sizes])

    def _of_now(self) -> Window:
        if self._window is None:
            raise RuntimeError("look_up() comes before what it has found is taken")
        return self._window
