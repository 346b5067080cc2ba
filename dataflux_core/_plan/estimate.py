"""Estimate what reading a million objects takes, one way or another."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from dataflux_core._plan.groups import group_for_compose
from dataflux_core._plan.strategy import Chooser, Load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dataflux_core._plan.cost import ComposeCost
    from dataflux_core._plan.groups import Group
    from dataflux_core._plan.prices import Prices
    from dataflux_core._plan.strategy import Optimize, Strategy, Tempo

MILLION = 1_000_000
# The ways that are told beside each other, by what programs call them.
WAYS: Mapping[str, tuple[Strategy, Optimize]] = {
    "direct": ("direct", "time"),
    "compose": ("compose", "time"),
    "auto_time": ("auto", "time"),
    "auto_cost": ("auto", "cost"),
}
PAGE_OBJECTS = 5000  # of a full page
# Our own CPU for an object, about: docs/explanation/performance.md has what was measured.
_DIRECT_CPU_S = 110e-6
_COMPOSED_CPU_S = 15e-6
# What a bucket takes before it has scaled: https://cloud.google.com/storage/docs/request-rate
_COLD_READS_PER_S = 5000
_COLD_WRITES_PER_S = 1000
SIZE_STEPS = tuple(10**power for power in range(3, 10))  # bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download keeps to."""

    max_composite_bytes: int
    large_bytes: int  # objects of more are read in pieces
    piece_bytes: int
    window: int  # requests in flight at once


@dataclass(frozen=True, slots=True)
class Tariff:
    """What objects of one storage class are billed."""

    prices: Prices
    cost: ComposeCost


@dataclass(frozen=True, slots=True)
class Division:
    """How some objects are read: in composites, alone, or in pieces."""

    composites: int = 0
    composed: int = 0  # objects in them
    composed_bytes: int = 0
    alone: int = 0
    in_pieces: int = 0
    pieces: int = 0
    bytes: int = 0

    @property
    def objects(self) -> int:
        return self.composed + self.alone + self.in_pieces

    @property
    def direct_reads(self) -> int:
        return self.alone + self.pieces


_DIVISION_FIELDS = tuple(each.name for each in fields(Division))


@dataclass(frozen=True, slots=True)
class Bill:
    """What a million objects take, read one way: calls as they are billed, dollars, seconds of either kind.

    Deletes are free, and travel a hundred in a request. `seconds` is at the latencies given, with nothing but requests
    to wait for, whatever the bytes take beside them; `cold_s` is what a bucket that has not scaled allows at best.
    """

    lists: float
    reads: float
    composes: float
    deletes: float
    requests_usd: float
    temporaries_usd: float  # their storage and replication, the retrieval of what is joined
    retrieval_usd: float  # of what is read, the same either way
    seconds: float
    cold_s: float

    @property
    def usd(self) -> float:
        return self.requests_usd + self.temporaries_usd + self.retrieval_usd


def total(divisions: Iterable[Division]) -> Division:
    """Add up how objects are read."""
    rows = [[getattr(each, name) for name in _DIVISION_FIELDS] for each in divisions]
    return Division(*map(sum, zip(*rows, strict=True)))


def divided(
    sizes: Sequence[int], classes: Sequence[str], limits: Limits, composes: Callable[[Group, str], bool]
) -> dict[str, Division]:
    """Divide objects as a download does that composes the groups for which `composes` says so; by storage class.

    A group has the same class throughout or is read object by object: the service joins no others, and a download,
    which does not know the classes, learns of it when it is refused.
    """
    found: defaultdict[str, list[Division]] = defaultdict(list)
    for group in group_for_compose(sizes, max_bytes=limits.max_composite_bytes):
        first, rows = classes[group.start], slice(group.start, group.stop)
        is_pure = classes[rows].count(first) == group.sources
        if group.sources > 1 and is_pure and composes(group, first):
            found[first].append(Division(1, group.sources, group.size, bytes=group.size))
        elif is_pure:
            found[first].append(_alone(sizes[rows], limits))
        else:
            for storage_class in dict.fromkeys(classes[rows]):
                found[storage_class].append(
                    _alone([sizes[row] for row in _rows(group, classes, storage_class)], limits)
                )
    return {storage_class: total(parts) for storage_class, parts in found.items()}


def _rows(group: Group, classes: Sequence[str], storage_class: str) -> list[int]:
    return [row for row in range(group.start, group.stop) if classes[row] == storage_class]


def _alone(sizes: Sequence[int], limits: Limits) -> Division:
    large = [size for size in sizes if size > limits.large_bytes]
    pieces = sum(-(-size // limits.piece_bytes) for size in large)
    return Division(alone=len(sizes) - len(large), in_pieces=len(large), pieces=pieces, bytes=sum(sizes))


def bill_of(divisions: Mapping[str, Division], tariffs: Mapping[str, Tariff], window: int, tempo: Tempo) -> Bill:
    """Reckon what a million objects cost that are divided so, at least one of them; see Bill."""
    division = total(divisions.values())
    scale = MILLION / division.objects
    lists = MILLION / PAGE_OBJECTS
    composites, direct = scale * division.composites, scale * division.direct_reads
    reads, writes = composites + direct, 2 * composites
    parts = [(tariffs[storage_class], each) for storage_class, each in divisions.items()]
    return Bill(
        lists=lists,
        reads=reads,
        composes=composites,
        deletes=composites,
        requests_usd=scale * sum(_requests_usd(each, tariff.prices) for tariff, each in parts),
        temporaries_usd=scale * sum(each.composed_bytes * tariff.cost.per_byte_composed for tariff, each in parts),
        retrieval_usd=scale * sum(each.bytes * tariff.cost.per_byte_read for tariff, each in parts),
        seconds=scale * _seconds(division, window, tempo),
        cold_s=max((lists + reads) / _COLD_READS_PER_S, writes / _COLD_WRITES_PER_S),
    )


def _requests_usd(division: Division, prices: Prices) -> float:
    class_a = division.objects / PAGE_OBJECTS + division.composites
    class_b = division.composites + division.direct_reads
    return (class_a * prices.class_a_usd_per_million + class_b * prices.class_b_usd_per_million) / MILLION


def _seconds(division: Division, window: int, tempo: Tempo) -> float:
    """Wait with a full window, or compute, whichever takes longer."""
    slots_s = division.direct_reads * tempo.read_s + division.composites * (tempo.compose_s + tempo.read_s)
    cpu_s = division.direct_reads * _DIRECT_CPU_S + division.composed * _COMPOSED_CPU_S
    return max(slots_s / window, cpu_s)


@dataclass(frozen=True, slots=True)
class Way:
    """How objects are read one way, what a million of them take."""

    division: Division
    bill: Bill


def ways_of(  # noqa: PLR0913 - what there is, what it costs, how long it takes
    sizes: Sequence[int],
    classes: Sequence[str],
    limits: Limits,
    tariffs: Mapping[str, Tariff],
    tempo: Tempo,
    *,
    may_compose: bool,
) -> dict[str, Way]:
    """Reckon every way that there is, by its name in WAYS; no objects, no ways.

    `classes` are the storage classes of the objects; `tariffs` holds each of them.
    """
    found: dict[str, Way] = {}
    # A long run, in which composites have begun to arrive; at its two ends a download chooses otherwise.
    load = Load(direct=0, composed=0, left=MILLION, window=limits.window, is_flowing=True)
    for name, (strategy, optimize) in WAYS.items():
        if not sizes or (strategy == "compose" and not may_compose):
            continue
        choosers = {storage_class: Chooser(strategy, optimize, tempo) for storage_class in tariffs}
        for storage_class, chooser in choosers.items():
            chooser.cost = tariffs[storage_class].cost
            chooser.is_forbidden |= not may_compose

        def composes(group: Group, storage_class: str, choosers: dict[str, Chooser] = choosers) -> bool:
            return choosers[storage_class].choose(group, load) == "compose"

        divisions = divided(sizes, classes, limits, composes)
        found[name] = Way(total(divisions.values()), bill_of(divisions, tariffs, limits.window, tempo))
    return found


@dataclass(frozen=True, slots=True)
class SizeClass:
    """The objects of at least one size, below another."""

    from_bytes: int
    below_bytes: int | None  # None: no end
    objects: int
    bytes: int


def size_classes(sizes: Iterable[int]) -> list[SizeClass]:
    """Count objects by powers of ten of their bytes, from the class of the least to that of the most."""
    counts, sums = [0] * (len(SIZE_STEPS) + 1), [0] * (len(SIZE_STEPS) + 1)
    for size in sizes:
        at = bisect_right(SIZE_STEPS, size)
        counts[at] += 1
        sums[at] += size
    edges = (0, *SIZE_STEPS, None)
    classes = [SizeClass(edges[at] or 0, edges[at + 1], counts[at], sums[at]) for at in range(len(counts))]
    filled = [at for at, each in enumerate(classes) if each.objects]
    return classes[filled[0] : filled[-1] + 1] if filled else []


def quantile(ordered: Sequence[int], share: float) -> int:
    """Give the least size that `share` of the objects do not exceed, of sizes in order, at least one."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
