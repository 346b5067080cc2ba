"""Hold what a dataset reads with, made anew in each process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dataflux_core._data.epoch.window_read import WindowReader
from dataflux_core._run.fetching.fetcher import Fetcher
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from dataflux_core._data.cache.node import NodeCache
    from dataflux_core._data.epoch.stats import StreamStats
    from dataflux_core._data.index.sample_index import ClientSource
    from dataflux_core._run.fetching.options import FetchOptions


class Resources:
    """The way to objects, and the cache beside it."""

    def __init__(self, options: FetchOptions, client: ClientSource, cache: NodeCache | None) -> None:
        self._options = options
        self._client = client
        self.cache = cache
        self._fetcher: Fetcher | None = None
        self._process_id = 0

    def __getstate__(self) -> tuple[Any, ...]:
        if self._client is not None and not callable(self._client):
            raise InvalidArgument(
                "storage_client",
                repr(self._client),
                "a function that makes one, or None: a client cannot be sent to another process",
            )
        return self._options, self._client, self.cache

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__init__(*state)  # type: ignore[misc] # pickle made the empty object that this fills

    @property
    def fetcher(self) -> Fetcher:
        if self._fetcher is None or self._process_id != os.getpid():
            self._fetcher = Fetcher(self._options, self._client)
            self._process_id = os.getpid()
        return self._fetcher

    def reader(self) -> WindowReader:
        return WindowReader(self.fetcher, self.cache)

    def count(self, stats: StreamStats) -> None:
        """Add up what was fetched and found in the cache so far."""
