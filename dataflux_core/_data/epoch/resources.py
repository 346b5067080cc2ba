"""Hold what a dataset reads with, anew in each process."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dataflux_core._data.epoch.read_ahead import THREADS
from dataflux_core._data.epoch.shelf import RowShelf
from dataflux_core._data.epoch.stats import StreamStats
from dataflux_core._data.epoch.window_read import WindowReader
from dataflux_core._run.client_source import ClientSource, sendable_client
from dataflux_core._run.fetching.fetcher import Fetcher
from dataflux_core._run.fetching.options import FetchOptions
from dataflux_core._run.fetching.stats import FetchStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._data.cache.node import NodeCache
    from dataflux_core._data.epoch.options import AheadBounds
    from dataflux_core._plan.strategy import Strategy

_LEAST_HELD_BYTES = 1024**2
_ROW_SHELF_BYTES = 64 * 1024**2


class Resources:
    """The way to objects, and the cache beside it; used by several threads at once."""

    def __init__(self, client: ClientSource, cache: NodeCache | None, strategy: Strategy = "auto") -> None:
        self.client = client
        self.cache = cache
        self.strategy = strategy  # for small objects of a bucket
        self._inherited: list[WindowReader] = []  # kept, or else what they hold would be closed under the parent
        self._begin()
        _all.add(self)

    def _start_over(self) -> None:
        """Leave everything to the parent: what a fork inherits is the parent's, the lock maybe held."""
        self._inherited += self._readers
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.RLock()  # a collector that runs in its midst may take back what was dropped
        self._readers: list[WindowReader] = []
        self._fetched = FetchStats()  # by readers that are closed
        self._for_rows: WindowReader | None = None
        self._shelf_for_rows = RowShelf(_ROW_SHELF_BYTES)

    def __getstate__(self) -> tuple[Any, ...]:
        return sendable_client(self.client), self.cache, self.strategy

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc] # pickle made the empty object that this fills

    def is_like(self, other: Resources) -> bool:
        """Tell whether both read in the same way, through the same client and cache."""
        if self.client is not other.client or self.strategy != other.strategy:
            return False
        mine, theirs = self.cache, other.cache
        return (mine and mine.options) == (theirs and theirs.options)

    def new_reader(self, bounds: AheadBounds) -> WindowReader:
        """Make a reader for one iteration, to be taken back when that is over."""
        options = FetchOptions(
            max_requests=bounds.max_requests,
            max_held_bytes=max(bounds.max_bytes, _LEAST_HELD_BYTES),
            max_reads=THREADS,
            strategy=self.strategy,
        )
        reader = WindowReader(Fetcher(options, self.client), self.cache)
        with self._lock:
            self._readers.append(reader)
        return reader

    def take_back(self, reader: WindowReader) -> None:
        """End a reader's reads."""
        reader.close()
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)
                self._fetched += reader.fetched

    @contextmanager
    def reader(self, bounds: AheadBounds) -> Iterator[WindowReader]:
        """Lend a reader for one iteration."""
        reader = self.new_reader(bounds)
        try:
            yield reader
        finally:
            self.take_back(reader)

    def reader_for_rows(self, bounds: AheadBounds) -> WindowReader:
        """Return the reader for rows that are asked for one by one, kept for the next."""
        with self._lock:
            if self._for_rows is None:
                self._for_rows = self.new_reader(bounds)
            return self._for_rows

    @property
    def shelf_for_rows(self) -> RowShelf:
        """Chunks that rows asked for one by one have left for the next."""
        return self._shelf_for_rows

    def close(self) -> None:
        """Let go of what no iteration needs now."""
        with self._lock:
            reader, self._for_rows = self._for_rows, None
            self._shelf_for_rows = RowShelf(_ROW_SHELF_BYTES)
        if reader is not None:
            self.take_back(reader)
        if self.cache is not None:
            self.cache.close()

    def stats(self) -> StreamStats:
        """Return what this process has read."""
        with self._lock:
            fetched = sum((reader.fetched for reader in self._readers), self._fetched)
        told = StreamStats(
            objects=fetched.objects,
            bytes_read=fetched.received_bytes,
            requests=fetched.requests,
            retries=fetched.retries,
        )
        if self.cache is not None:
            kept = self.cache.stats
            told.hits, told.misses, told.evictions = kept.hits, kept.misses, kept.evictions
            told.cache_bytes = kept.bytes_read
        return told


_all: weakref.WeakSet[Resources] = weakref.WeakSet()


def _start_all_over() -> None:
    for resources in list(_all):
        resources._start_over()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_start_all_over)
