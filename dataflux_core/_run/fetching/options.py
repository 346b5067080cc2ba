"""Say how objects are fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflux_core._run.reading.options import DEFAULT_COMPOSITE_BYTES, checked_count
from dataflux_core._run.retries import RetryRule
from dataflux_core._wire.web import DEFAULT_MAX_BYTES

if TYPE_CHECKING:
    from dataflux_core._plan.strategy import Optimize, Strategy

UNRANGED_BYTES = 64 * 1024**2  # received from a server that sends all where a range was asked for, or up to its end
_LEAST_HELD_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How to fetch; the same for every object of a process."""

    max_requests: int = 256  # under way at once in this process
    max_held_bytes: int | None = None  # by all reads together; None: a share of the memory available
    max_reads: int = 4  # of several threads at once: each may hold its part of `max_held_bytes`
    rule: RetryRule = field(default_factory=RetryRule)
    connect_timeout_s: int = 20
    stall_timeout_s: int = 60  # with next to nothing received
    max_object_bytes: int = DEFAULT_MAX_BYTES  # of an object whose size is not known
    strategy: Strategy = "auto"  # for small objects of a bucket on Google Cloud Storage
    optimize: Optimize = "time"
    max_composite_bytes: int = DEFAULT_COMPOSITE_BYTES  # 0: never compose

    def __post_init__(self) -> None:
        for name in ("max_requests", "max_reads", "connect_timeout_s", "stall_timeout_s", "max_object_bytes"):
            checked_count(name, getattr(self, name))
        if self.max_held_bytes is not None:
            checked_count("max_held_bytes", self.max_held_bytes, least=_LEAST_HELD_BYTES)
