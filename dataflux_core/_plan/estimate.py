"""Estimate what reading a million objects takes, one way or another."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
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


def divided(sizes: Sequence[int], limits: Limits, composes: Callable[[Group], bool]) -> Division:
    """Divide objects as a download does that composes those groups of two and more for which `composes` says so."""
    composites = composed = composed_bytes = alone = in_pieces = pieces = 0
    for group in group_for_compose(sizes, max_bytes=limits.max_composite_bytes):
        if group.sources > 1 and composes(group):
            composites += 1
            composed += group.sources
            composed_bytes += group.size
            continue
        for size in sizes[group.start : group.stop]:
            if size > limits.large_bytes:
                in_pieces += 1
                pieces += -(-size // limits.piece_bytes)
            else:
                alone += 1
    return Division(composites, composed, composed_bytes, alone, in_pieces, pieces, sum(sizes))


def bill_of(division: Division, cost: ComposeCost, prices: Prices, window: int, tempo: Tempo) -> Bill:
    """Reckon what a million objects cost that are divided as `division` is, which must hold one; see Bill."""
    scale = MILLION / division.objects
    lists = MILLION / PAGE_OBJECTS
    composites, direct = scale * division.composites, scale * division.direct_reads
    class_a, class_b = prices.class_a_usd_per_million / MILLION, prices.class_b_usd_per_million / MILLION
    reads, writes = composites + direct, 2 * composites
    return Bill(
        lists=lists,
        reads=reads,
        composes=composites,
        deletes=composites,
        requests_usd=(lists + composites) * class_a + reads * class_b,
        temporaries_usd=scale * division.composed_bytes * cost.per_byte_composed,
        retrieval_usd=scale * division.bytes * cost.per_byte_read,
        seconds=scale * _seconds(division, window, tempo),
        cold_s=max((lists + reads) / _COLD_READS_PER_S, writes / _COLD_WRITES_PER_S),
    )


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
    sizes: Sequence[int], limits: Limits, cost: ComposeCost, prices: Prices, tempo: Tempo, *, may_compose: bool
) -> dict[str, Way]:
    """Reckon every way that there is, by its name in WAYS; no objects, no ways."""
    found: dict[str, Way] = {}
    # A long run, in which composites have begun to arrive; at its two ends a download chooses otherwise.
    load = Load(direct=0, composed=0, left=MILLION, window=limits.window, is_flowing=True)
    for name, (strategy, optimize) in WAYS.items():
        if not sizes or (strategy == "compose" and not may_compose):
            continue
        chooser = Chooser(strategy, optimize, tempo)
        chooser.cost = cost
        chooser.is_forbidden |= not may_compose

        def composes(group: Group, chooser: Chooser = chooser) -> bool:
            return chooser.choose(group, load) == "compose"

        division = divided(sizes, limits, composes)
        found[name] = Way(division, bill_of(division, cost, prices, limits.window, tempo))
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
    """Give the size that `share` of the objects do not exceed, of sizes in order, at least one."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
