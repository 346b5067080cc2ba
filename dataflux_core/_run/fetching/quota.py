"""Divide the requests of a process among the reads that are under way."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import grant, lease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._run.transport import Endpoint, Transport


class Quota:
    """So many requests at once, for whoever reads: each may have its even part, or what others leave of theirs.

    A read that has just begun may send one before others have given any back.
    """

    def __init__(self, max_requests: int) -> None:
        self._max_requests = max_requests
        self._granted = max_requests
        self._lock = threading.Lock()
        self._process_id = os.getpid()
        self._grant = ExitStack()
        self._shares: tuple[Share, ...] = ()  # replaced, never changed: others look at it without the lock

    @property
    def shares(self) -> tuple[Share, ...]:
        return self._shares

    @contextmanager
    def lend(self, endpoint: Endpoint) -> Iterator[Share]:
        """Lend connections to `endpoint`, with a share of the requests."""
        with lease(endpoint, max_connections=self._granted) as transport:
            share = Share(self, transport)
            self._enter(share)
            try:
                yield share
            finally:
                self._leave(share)

    def allowed(self, share: Share) -> int:
        """Return how many requests `share` may have under way now."""
        shares = self._shares
        if len(shares) == 1:
            return self._granted
        others = sum([other.transport.in_flight for other in shares if other is not share])
        part, rest = divmod(self._granted, max(1, len(shares)))
        if rest and share in shares[:rest]:
            part += 1
        return max(1, min(part, self._granted - others))

    def _enter(self, share: Share) -> None:
        with self._lock:
            if not self._shares:  # the process's other readers, of downloads, are told of all shares at once
                self._granted = self._grant.enter_context(grant(self._max_requests))
            self._shares = (*self._shares, share)

    def _leave(self, share: Share) -> None:
        if os.getpid() != self._process_id:
            return  # a forked child drops its copy of a read: the lock may be held there for ever
        with self._lock:
            self._shares = tuple(other for other in self._shares if other is not share)
            if not self._shares:
                self._grant.close()


class Share:
    """What one read has of a quota, over connections of its own."""

    def __init__(self, quota: Quota, transport: Transport) -> None:
        self.quota = quota
        self.transport = transport

    @property
    def allowed(self) -> int:
        """How many requests may be under way now."""
        return self.quota.allowed(self)


class SharedPace(Pace):
    """A pace whose window ends where its share of a quota does."""

    def __init__(self, share: Share, *, ceiling: int, start: int) -> None:
        self._share = share
        super().__init__(ceiling=ceiling, start=start)

    @property
    def window(self) -> int:
        return min(int(self._window), self._share.allowed)
