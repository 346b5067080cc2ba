"""Add up what the threads of a process fetch."""

from __future__ import annotations

import os
import threading

from dataflux_core._run.fetching.stats import FetchStats


class Tally:
    """Counts that several threads add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process_id = os.getpid()
        self._stats = FetchStats()

    def add(self, stats: FetchStats) -> None:
        if os.getpid() != self._process_id:
            return  # a forked child drops its copy of a read: the lock may be held there for ever
        with self._lock:
            self._stats += stats

    def read(self) -> FetchStats:
        return self._stats
