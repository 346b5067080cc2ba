"""Keep the chunks that several rows lie in while any of them needs it."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakMethod, WeakValueDictionary

from dataflux_core._data.samples.packed import HeldChunk
from dataflux_core.errors import DatafluxError

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
        self._lock = threading.RLock()  # of what is newest
        self._held: WeakValueDictionary[Key, HeldChunk] = WeakValueDictionary()
        self._newest: OrderedDict[Key, HeldChunk] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """What all of them take, those included that are on their way.

        Those that are not yet opened will unfold to as much more as those of their stream that are.
        """
        refs = self._held.valuerefs()  # at once: other threads may look while one takes
        chunks = [(ref.key[0], chunk) for ref in refs if (chunk := ref()) is not None]
        opened: Counter[object] = Counter()
        stored: Counter[object] = Counter()
        for source, chunk in chunks:
            if chunk.opened is not None:
                opened[source] += chunk.size
                stored[source] += chunk.stored
        return sum(
            chunk.size * max(opened[source], stored[source]) // stored[source]
            if chunk.opened is None and stored[source]
            else chunk.size
            for source, chunk in chunks
        )

    def has(self, key: Key) -> bool:
        return self.get(key) is not None

    def get(self, key: Key) -> HeldChunk | None:
        """Return a chunk that is there or on its way; one that could not be had is for the rows that asked alone."""
        chunk = self._held.get(key)
        return None if chunk is None or isinstance(chunk.content, DatafluxError) else chunk

    def take(self, place: InChunk, size: int) -> tuple[HeldChunk, bool]:
        """Return a chunk for a row; tell whether it is new, so that the row's reader is to read it."""
        key = place.key
        chunk = self.get(key)
        is_new = chunk is None
        if chunk is None:
            chunk = self._held[key] = HeldChunk(size)
        with self._lock:
            if self._newest.get(key) is chunk:
                self._newest.move_to_end(key)
            else:
                self.put(key, chunk)
        return chunk, is_new

    def put(self, key: Key, chunk: HeldChunk) -> None:
        """Let a chunk be the newest."""
        chunk.shelf = WeakMethod(self.settle)
        with self._lock:
            self._held[key] = self._newest[key] = chunk
            self._newest.move_to_end(key)
            self._shrink(self._max_bytes)

    def settle(self) -> None:
        """Let go of what there is no room for since a chunk has been opened, maybe in another thread."""
        if self._lock.acquire(blocking=False):  # who has it shrinks; in a fork's child it may be held for good
            try:
                self._shrink(self._max_bytes)
            finally:
                self._lock.release()

    def shrink(self, max_bytes: int) -> None:
        """Keep no more of the newest than so many bytes, nor fewer than two of each stream."""
        with self._lock:
            self._shrink(max_bytes)

    def _shrink(self, max_bytes: int) -> None:
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
