"""Reckon what a group costs, composed or read object by object."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._plan.bucket import DAY_S
from dataflux_core._plan.groups import MAX_SOURCES
from dataflux_core._plan.prices import GIB, HOURS_PER_MONTH, prices_for

if TYPE_CHECKING:
    from dataflux_core._plan.bucket import BucketFacts
    from dataflux_core._plan.prices import Prices

_HOUR_S = 3600
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class ComposeCost:
    """What requests cost in one bucket, in dollars, made ready for a sum per group.

    What is the same on both ways is in neither sum: `per_byte_read`, the retrieval of what is read in the end.
    """

    per_compose: float
    per_read: float
    per_byte_composed: float  # beside the reading: the temporary's storage, its replication, retrieval of the sources
    per_byte_read: float = 0.0

    def composed_usd(self, sources: int, size_bytes: int) -> float:
        """Join `sources` objects of `size_bytes` together into as few composites as can be; read, then delete them."""
        composites = -(-sources // MAX_SOURCES)
        return composites * (self.per_compose + self.per_read) + self.per_byte_composed * size_bytes

    def direct_usd(self, sources: int) -> float:
        """Read each object by itself."""
        return sources * self.per_read

    def pays(self, sources: int, size_bytes: int) -> bool:
        """Tell whether composing a group is cheaper than reading its objects directly."""
        return self.composed_usd(sources, size_bytes) < self.direct_usd(sources)

    def break_even_sources(self, object_bytes: float = 0.0) -> float:
        """Give how many objects of a size, in one group, cost the same either way; inf: never so many.

        That may be more than one composite can hold.
        """
        saved = self.per_read - self.per_byte_composed * object_bytes
        return (self.per_compose + self.per_read) / saved if saved > 0 else math.inf

    def break_even_bytes(self, sources: int = MAX_SOURCES) -> float:
        """Give the mean object size at which groups of `sources` cost the same either way.

        0 where composing so few never pays; inf where it pays whatever the size.
        """
        saved = self.direct_usd(sources) - self.composed_usd(sources, 0)
        if saved <= 0:
            return 0.0
        return saved / (self.per_byte_composed * sources) if self.per_byte_composed else math.inf


def compose_cost(facts: BucketFacts, prices: Prices | None = None) -> ComposeCost:
    """Make ready what a bucket's groups cost; without `prices`, the usual ones.

    A temporary is billed for as long as soft delete keeps it, or for its class's least time where that is longer: both
    run from when it is made, but for the seconds in which it serves. It is of the class of its sources. That joining
    objects of a colder class retrieves them, as reading does, is assumed: the price list does not say.
    """
    if prices is None:
        prices = prices_for(facts)
    kept_s = max(facts.soft_delete_s, prices.minimum_days * DAY_S)
    kept = prices.storage_usd_per_gib_month / HOURS_PER_MONTH * kept_s / _HOUR_S
    return ComposeCost(
        per_compose=prices.class_a_usd_per_million / _MILLION,
        per_read=prices.class_b_usd_per_million / _MILLION,
        per_byte_composed=(kept + prices.replication_usd_per_gib + prices.retrieval_usd_per_gib) / GIB,
        per_byte_read=prices.retrieval_usd_per_gib / GIB,
    )
