"""Let go of objects that a cache has no room for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dataflux_core._data.cache.sweeping import forget
from dataflux_core._plan.retention import victims

if TYPE_CHECKING:
    from collections.abc import Collection

    from dataflux_core._data.cache.files import ObjectFiles
    from dataflux_core._data.cache.ledger import Ledger
    from dataflux_core._data.cache.options import CacheOptions

_LATER_US = 10**15  # than any clock of another process is ahead


def now_us() -> int:
    """Tell the time as the ledger writes it."""
    return time.time_ns() // 1000


def make_room(
    ledger: Ledger, files: ObjectFiles, options: CacheOptions, wanted_bytes: int, spared: Collection[int]
) -> tuple[int, set[str]]:
    """Within a transaction, evict as retention allows until so many bytes are free; return how many, whom to tell.

    What is above the limit goes whatever the retention. What is pinned stays, so less may be free than is wanted.
    """
    limit = ledger.limit()
    if limit is None:
        return 0, set()
    excess = ledger.total().bytes - limit
    if excess <= 0 and excess + wanted_bytes <= 0:
        return 0, set()
    now = now_us()
    kept = ledger.pinned().union(spared)
    before = now + _LATER_US if options.retention == "lru" else now - int(options.idle_s * 1e6)
    chosen = victims(ledger.oldest(before), kept, excess + wanted_bytes)
    still = excess - sum(entry.room for entry in chosen)
    if still > 0:
        kept.update(entry.id for entry in chosen)
        chosen += victims(ledger.oldest(now + _LATER_US), kept, still)
    return len(chosen), forget(ledger, files, chosen)
