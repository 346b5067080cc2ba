"""Say how a scope is listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._plan.listing import KeyRange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._run.listing.checkpoint import Checkpoint
    from dataflux_core._run.listing.observer import Observer, Onlooker


@dataclass(frozen=True, slots=True)
class ListingOptions:
    """How a scope is listed, whatever it holds."""

    parallelism: int
    observer: Observer | None = None  # told of pages
    onlooker: Onlooker | None = None  # told of everything
    shows_bar: bool = False
    ranges: Sequence[KeyRange] = (KeyRange.everything(),)  # what to list, disjoint
    checkpoint: Checkpoint | None = None  # where pages are kept
    hierarchical: bool | None = None  # whether folders are listed one by one; None: as the bucket has it
