"""Reckon what reading a bucket costs, composed or not, with your own prices if need be."""

from __future__ import annotations

from dataflux_core._plan.bucket import BucketFacts
from dataflux_core._plan.cost import ComposeCost, compose_cost
from dataflux_core._plan.obstacles import ComposeVerdict, Obstacle, obstacles, verdict
from dataflux_core._plan.prices import Prices, prices_for

__all__ = [
    "BucketFacts",
    "ComposeCost",
    "ComposeVerdict",
    "Obstacle",
    "Prices",
    "compose_cost",
    "obstacles",
    "prices_for",
    "verdict",
]
