"""Count what fetching did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FetchStats:
    """What a process has fetched so far; those of several processes add up."""

    objects: int = 0  # that came whole
    errors: int = 0  # that stood in the place of an object
    requests: int = 0  # of any kind, repeated attempts not counted; a local file is none
    retries: int = 0
    received_bytes: int = 0  # of local files too

    def __add__(self, other: FetchStats) -> FetchStats:
        return FetchStats(
            self.objects + other.objects,
            self.errors + other.errors,
            self.requests + other.requests,
            self.retries + other.retries,
            self.received_bytes + other.received_bytes,
        )
