"""Keep the chunks that several rows lie in while any of them needs it."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from dataflux_core._data.samples.packed import HeldChunk

if TYPE_CHECKING:
    from dataflux_core._data.epoch.window import InChunk, Key

_MOST_NEWEST = 1024  # or else looking through them takes longer than they are worth
_NEWEST = 2  # of each stream, kept in any case: neighbours that are shuffled often lie in two chunks, in turn


class Shelf:
    """Chunks of playlists, each read once for all rows that need it at about the same time.

    Whoever holds one keeps it here. The newest are kept besides, within a limit, so that rows that follow find them,
    too. Other threads than the one that uses it may let go of what they hold.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: WeakValueDictionary[Key, HeldChunk] = WeakValueDictionary()
        self._newest: OrderedDict[Key, HeldChunk] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """What all of them take, those included that are on their way."""
        return sum(chunk.size for chunk in self._held.values())

    def has(self, key: Key) -> bool:
        return key in self._held

    def get(self, key: Key) -> HeldChunk | None:
        return self._held.get(key)

    def take(self, place: InChunk, size: int) -> tuple[HeldChunk, bool]:
        """Return a chunk for a row; tell whether it is new, so that the row's reader is to read it."""
        key = place.key
        chunk = self._held.get(key)
        is_new = chunk is None
        if chunk is None:
            chunk = self._held[key] = HeldChunk(size)
        if key in self._newest:
            self._newest.move_to_end(key)
        else:
            self.put(key, chunk)
        return chunk, is_new

    def put(self, key: Key, chunk: HeldChunk) -> None:
        """Let a chunk be the newest."""
        self._held[key] = self._newest[key] = chunk
        self._newest.move_to_end(key)
        self.shrink(self._max_bytes)

    def shrink(self, max_bytes: int) -> None:
        """Keep no more of the newest than so many bytes, nor fewer than two of each stream."""
        if len(self._newest) <= _NEWEST:
            return
        while len(self._newest) > _MOST_NEWEST:
            self._newest.popitem(last=False)
        kept_bytes = sum(chunk.size for chunk in self._newest.values())
        if kept_bytes <= max_bytes:
            return
        left = Counter(source for source, _ in self._newest)
        for key in list(self._newest):
            if kept_bytes <= max_bytes:
                return
            if left[key[0]] > _NEWEST:
                left[key[0]] -= 1
                kept_bytes -= self._newest.pop(key).size


class RowShelf:
    """The newest chunks that rows were asked of, for several threads; those that others are reading are not here."""

    def __init__(self, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._shelf = Shelf(max_bytes)

    def find(self, key: Key) -> HeldChunk | None:
        """Return a chunk that is there, None where there is none."""
        with self._lock:
            return self._shelf.get(key)

    def put(self, key: Key, chunk: HeldChunk) -> None:
        """Leave a chunk for the rows that follow."""
        with self._lock:
            self._shelf.put(key, chunk)
