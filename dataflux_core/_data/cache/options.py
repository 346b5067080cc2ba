"""Say where a cache is, how much it may hold, what it lets go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

Retention = Literal["keep", "lru"]
WEEK_S = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """What a caller says of a cache; `limit_bytes` is of the objects' files, None for no limit.

    `keep` leaves what is there until nobody has asked for it for `idle_s` seconds: where half of the data fits, half
    of each epoch is found, whatever its order. `lru` makes room for each new object with what was used longest ago.
    """

    directory: Path
    limit_bytes: int | None = None
    retention: Retention = "keep"
    idle_s: float = WEEK_S

    def __post_init__(self) -> None:
        if self.limit_bytes is not None and self.limit_bytes < 0:
            raise InvalidArgument("limit_bytes", str(self.limit_bytes), "None for no limit, or a number of bytes")
        if self.retention not in {"keep", "lru"}:
            raise InvalidArgument("retention", repr(self.retention), "'keep' or 'lru'")
        if not self.idle_s > 0:
            raise InvalidArgument("idle_s", str(self.idle_s), "a number of seconds above 0")


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What one process has had of a cache."""

    hits: int = 0  # read from it, those that were waited for among them
    misses: int = 0  # to be fetched by this process
    waits: int = 0  # waited for while another process fetched
    stored: int = 0
    evictions: int = 0
    damaged: int = 0  # files that were not what the ledger says
    refused: int = 0  # fetched, not stored: the disk did not let it, or the bytes were not those of the index
    bytes_read: int = 0
    bytes_stored: int = 0
