"""Say what requests to a bucket cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core._plan.bucket import BucketFacts

HOURS_PER_MONTH = 730  # as the service counts them
GIB = 1 << 30
_SOURCE = "https://cloud.google.com/storage/pricing"


@dataclass(frozen=True, slots=True)
class Prices:
    """What one bucket's requests and bytes cost, in dollars; leaving the region (egress) is not among them.

    Egress is left out because the bytes that leave are the same, composed or not. Deleting is free.
    """

    class_a_usd_per_million: float  # list, compose, insert
    class_b_usd_per_million: float  # read, metadata
    storage_usd_per_gib_month: float
    retrieval_usd_per_gib: float = 0.0  # of the colder classes, for bytes read or joined
    replication_usd_per_gib: float = 0.0  # of bytes written where several regions hold them
    minimum_days: float = 0.0  # an object deleted earlier is billed for so many days
    is_estimate: bool = False
    source: str = ""

    def overridden(self, given: Mapping[str, float]) -> Prices:
        """Give these prices with some replaced, by name; raises InvalidArgument for an unknown or senseless one."""
        for name, value in given.items():
            if name not in PRICE_NAMES:
                raise InvalidArgument("prices", repr(name), f"one of {', '.join(PRICE_NAMES)}")
            if not _is_price(value):
                raise InvalidArgument(name, repr(value), "a number of dollars or days that is not negative")
        if not given:
            return self
        rest = "" if given.keys() >= set(PRICE_NAMES) else f"; the rest: {self.source}"
        source = f"given: {', '.join(given)}{rest}"
        return replace(self, **given, is_estimate=self.is_estimate and bool(rest), source=source)


def _is_price(value: object) -> bool:
    """Tell a number from what a caller may give instead, such as "4" or True."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


PRICE_NAMES = tuple(field.name for field in fields(Prices) if field.type == "float")

# Flat namespace, one region (Iowa). The row of STANDARD was looked up in 2026-09; every other figure is an estimate
# from price lists of 2025, to be replaced by the bucket's own where it matters.
_REGIONAL = {
    "STANDARD": Prices(5.0, 0.4, 0.020),
    "NEARLINE": Prices(10.0, 1.0, 0.010, retrieval_usd_per_gib=0.01, minimum_days=30),
    "COLDLINE": Prices(20.0, 10.0, 0.004, retrieval_usd_per_gib=0.02, minimum_days=90),
    "ARCHIVE": Prices(50.0, 50.0, 0.0012, retrieval_usd_per_gib=0.05, minimum_days=365),
}
# A month of a GiB in the US multi-region, or in two regions of North America.
_STORAGE_ELSEWHERE = {
    "multi-region": {"STANDARD": 0.026, "NEARLINE": 0.015, "COLDLINE": 0.007, "ARCHIVE": 0.0024},
    "dual-region": {"STANDARD": 0.044, "NEARLINE": 0.022, "COLDLINE": 0.0088, "ARCHIVE": 0.00264},
}
_MANY_REGIONS_CLASS_A = 2.0
_REPLICATION_USD_PER_GIB = 0.02  # whether a compose counts as bytes written is nowhere said: assumed that it does
_HIERARCHICAL_CLASS_A, _HIERARCHICAL_CLASS_B = 1.3, 1.25


def prices_for(facts: BucketFacts, storage_class: str | None = None) -> Prices:
    """Give the usual prices of a bucket, or of its objects of one class; nobody knows a Rapid bucket's here.

    They depend on the region, by up to a half, and on contracts: `Prices.overridden` takes the real ones.
    """
    billed = replace(facts, storage_class=storage_class or facts.storage_class).billed_class
    prices = _REGIONAL[billed]
    is_estimate = not facts.is_known or facts.is_zonal or billed != "STANDARD"
    if facts.location_type in _STORAGE_ELSEWHERE:
        is_estimate = True
        prices = replace(
            prices,
            class_a_usd_per_million=_MANY_REGIONS_CLASS_A * prices.class_a_usd_per_million,
            storage_usd_per_gib_month=_STORAGE_ELSEWHERE[facts.location_type][billed],
            replication_usd_per_gib=_REPLICATION_USD_PER_GIB,
        )
    if facts.hierarchical:
        is_estimate = True
        prices = replace(
            prices,
            class_a_usd_per_million=_HIERARCHICAL_CLASS_A * prices.class_a_usd_per_million,
            class_b_usd_per_million=_HIERARCHICAL_CLASS_B * prices.class_b_usd_per_million,
        )
    source = f"estimate, after {_SOURCE} as of 2025" if is_estimate else f"{_SOURCE} as of 2026-09, Iowa"
    return replace(prices, is_estimate=is_estimate, source=source)
