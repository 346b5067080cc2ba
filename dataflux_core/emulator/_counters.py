"""Count what the server was asked for."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._fields import Json


@dataclass(frozen=True, slots=True)
class Requests:
    """What a server was asked for since it started or was last reset."""

    counts: Mapping[str, int]  # by operation
    errors: Mapping[str, int]  # answers by status of 400 or more, faults at the socket by kind
    bytes_sent: int  # of bodies
    objects_listed: int
    peak: int  # requests in flight at once
    peaks: Mapping[str, int]  # the same by operation
    cpu_s: float  # of the server process

    @property
    def total(self) -> int:
        """All requests, whatever their operation."""
        return sum(self.counts.values())

    def __getitem__(self, operation: str) -> int:
        return self.counts.get(operation, 0)


class Counters:
    """Running totals; a reset leaves requests in flight counted as such."""

    def __init__(self) -> None:
        self._in_flight: Counter[str] = Counter()
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._peaks: dict[str, int] = {}
        self._peak = 0
        self._cpu_s = time.process_time()
        self.bytes_sent = 0
        self.objects_listed = 0

    def begin(self, operation: str) -> None:
        """Note the start of a request."""
        self._counts[operation] += 1
        self.in_flight += 1
        now = self._in_flight[operation] = self._in_flight[operation] + 1
        if now > self._peaks.get(operation, 0):
            self._peaks[operation] = now
        self._peak = max(self._peak, self.in_flight)

    def end(self, operation: str) -> None:
        """Note the end of a request, however it ended."""
        self.in_flight -= 1
        self._in_flight[operation] -= 1

    def count(self, operation: str) -> None:
        """Note a call inside a batch."""
        self._counts[operation] += 1

    def error(self, kind: str) -> None:
        """Note an error that was given."""
        self._errors[kind] += 1

    def totals(self) -> dict[str, Json]:
        """Give the totals as JSON."""
        return {
            "counts": dict(self._counts),
            "errors": dict(self._errors),
            "bytes_sent": self.bytes_sent,
            "objects_listed": self.objects_listed,
            "peak": self._peak,
            "peaks": dict(self._peaks),
            "cpu_s": time.process_time() - self._cpu_s,
        }
