"""Hold a window with what has come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._data.epoch.ringing import Ringing
from dataflux_core._data.samples.packed import HeldChunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._data.epoch.shelf import Shelf
    from dataflux_core._data.epoch.window import Content, Window
    from dataflux_core.errors import DatafluxError


class Slot:
    """A window with what has come of it."""

    __slots__ = (
        "came_bytes",
        "contents",
        "expected_bytes",
        "following",
        "held_bytes",
        "missing",
        "own_bytes",
        "shared",
        "turn",
        "wanted",
        "window",
    )

    def __init__(self, window: Window, held_bytes: int, following: int) -> None:
        starts = window.starts
        self.following = following  # rows that are read soon after these
        self.window = window
        self.contents: list[Content] = [None] * len(window.objects)
        # Of each row: objects that have not yet come. Those in chunks are none of these: they come for several rows.
        self.missing = [starts[row + 1] - starts[row] for row in range(len(window))]
        self.wanted = [at for at in range(len(self.contents)) if at not in window.unreadable]  # to be read for it
        self.held_bytes = held_bytes  # without what lies on the shelf
        self.expected_bytes = held_bytes
        self.came_bytes = self.own_bytes = 0  # the latter without what lies on the shelf
        self.shared: dict[int, HeldChunk] = {}  # of those to be read: what is to be filled, once
        self.turn = Ringing()  # for the thread that reads it, where more comes than was expected

    def share(self, shelf: Shelf, expected: Callable[[int], int]) -> None:
        """Take from the shelf what rows before have asked for; leave there what is to be read for these."""
        window, sizes = self.window, self.window.objects.sizes
        owners = window.owners()
        wanted = []
        for at in self.wanted:
            place = window.in_chunk(at)
            if place is None:
                wanted.append(at)
                continue
            self.missing[owners[at]] -= 1
            size = expected(-1 if sizes is None else sizes[at])
            if not place.is_shared:
                self.contents[at] = HeldChunk(size)
                wanted.append(at)
                continue
            self.contents[at], is_new = shelf.take(place, size)
            if is_new:
                wanted.append(at)
                self.held_bytes -= size
        self.wanted = wanted
        self.shared = {at: held for at in wanted if isinstance(held := self.contents[at], HeldChunk)}
        self.held_bytes = max(0, self.held_bytes)

    def count(self, at: int, size: int) -> bool:
        """Take in how large an object is; tell whether it is the first one."""
        is_first = not self.came_bytes
        place = self.window.in_chunk(at)
        self.came_bytes += size
        self.own_bytes += 0 if place is not None and place.is_shared else size
        self.held_bytes = max(self.held_bytes, self.own_bytes)
        return is_first

    def fill(self, at: int, row: int, content: bytes | DatafluxError) -> None:
        """Take in an object of a row."""
        if at in self.shared:
            self.shared.pop(at).fill(content)
        else:
            self.contents[at] = content
            self.missing[row] -= 1

    def is_whole(self, row: int) -> bool:
        """Tell whether all of a row has come."""
        if self.missing[row]:
            return False
        if not self.window.chunks:
            return True
        start, stop = self.window.starts[row], self.window.starts[row + 1]
        return all(not isinstance(each, HeldChunk) or each.content is not None for each in self.contents[start:stop])

    def drop(self, row: int) -> None:
        """Let go of a row's bytes."""
        start, stop = self.window.starts[row], self.window.starts[row + 1]
        self.contents[start:stop] = [None] * (stop - start)
