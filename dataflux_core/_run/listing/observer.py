"""Tell an onlooker what a listing does while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PageEvent:
    """One page received: who fetched it, when, for which range."""

    range_id: int
    lister: int  # 0 is the calling process
    asked_s: float  # time.perf_counter
    received_s: float
    count: int
    first: str
    last: str
    in_flight: int  # pages still asked for


@dataclass(slots=True)
class ListingStats:
    """What a listing took."""

    objects: int = 0
    left_out: int = 0  # of another storage class, temporaries, names that end in "/"
    calls: int = 0  # page requests sent, retries included
    splits: int = 0  # parts of ranges taken over by idle listers
    empty_halves: int = 0  # of these, how many held nothing
    retries: int = 0
    retries_by_cause: dict[str, int] = field(default_factory=dict)
    received_bytes: int = 0
    processes: int = 1
    peak_in_flight: int = 0
    elapsed_s: float = 0.0


Observer = Callable[[PageEvent], None]
