"""Decide which groups are composed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._plan.cost import ComposeCost
    from dataflux_core._plan.groups import Group

Strategy = Literal["auto", "compose", "direct"]
Optimize = Literal["time", "cost"]
Way = Literal["compose", "direct"]

SMALL_BYTES = 128 * 1024  # mean size of a group's objects; of larger ones the bytes take longer than the requests
RANGED_BYTES = 32 * 1024**2  # an object of more is read in ranges at once
# To save time, composing may cost so many times what reading directly does. More than that (a class with a minimum
# time of storage, soft delete of large objects) nobody would pay unasked.
MAX_DEARER = 2.0
_MAX_DIRECT_PER_S = 15_000.0  # one thread's CPU allows about so many
_COLD_READS_PER_S = 5000.0  # of a bucket that is not used to more: https://cloud.google.com/storage/docs/request-rate
_LEAST_READS = 128
# Objects read directly at once beside composites. More would have to make connections, over TLS at ten times the price
# of a read, while the composites wait for the same processor.
READS_BESIDE = 96
TOGETHER_BYTES = 1024**2  # of small objects that are read directly but handed over together
_WEIGHT = 0.2  # of the newest measurement
_FORGETTING = 0.02
_USUAL_COMPOSE_S = 0.35
_LONGEST_COMPOSE_S = 3.0  # what takes longer was tried again, or is a mishap


@dataclass(slots=True)
class Tempo:
    """How long requests take, as measured on the way; at first what Cloud Storage usually takes.

    Source of the first values: upstream's benchmark table, our own arithmetic on it.
    """

    read_s: float = 0.06
    compose_s: float = _USUAL_COMPOSE_S
    idle_read_s: float = 0.06  # of a read that waits for nothing of ours: about the least measured of late
    is_measured: bool = False

    def useful_reads(self, objects: int, connection_s: float) -> int:
        """Return how many small reads in flight are worth their connections, each of `connection_s` of CPU.

        More than keep one thread busy are of no use. Below that, n connections take n * connection_s to make, then
        objects * read_s / n to wait for: least where both are the same.
        """
        busy = _MAX_DIRECT_PER_S * self.idle_read_s
        return max(_LEAST_READS, int(min(busy, math.sqrt(objects * self.idle_read_s / connection_s))))

    def note_read(self, elapsed_s: float) -> None:
        self.read_s += _WEIGHT * (elapsed_s - self.read_s)
        slowly_s = self.idle_read_s + _FORGETTING * (self.read_s - self.idle_read_s)
        self.idle_read_s = min(elapsed_s, slowly_s) if self.is_measured else elapsed_s
        self.is_measured = True

    def note_compose(self, elapsed_s: float) -> None:
        self.compose_s += _WEIGHT * (min(elapsed_s, _LONGEST_COMPOSE_S) - self.compose_s)

    def drift(self) -> None:
        """Forget a little, at each call: where nothing is composed any more, nothing is measured any more."""
        self.compose_s += _WEIGHT * (_USUAL_COMPOSE_S - self.compose_s)


@dataclass(frozen=True, slots=True)
class Load:
    """What is under way, in objects."""

    direct: int  # waiting to be read directly, or being read
    composed: int  # in composites that have not arrived
    left: int  # not yet given a way
    window: int  # reads that may be in flight at once
    is_flowing: bool = False  # composites have begun to arrive


@dataclass(frozen=True, slots=True)
class Series:
    """Where a call stands among those that read one stream of objects, a part each."""

    following: int = 0  # objects that later calls read
    is_flowing: bool = False  # composites of earlier ones have arrived


ALONE = Series()


class Chooser:
    """Give each group its way, by the time or the money that it takes."""

    def __init__(self, strategy: Strategy, optimize: Optimize, tempo: Tempo) -> None:
        self.is_forbidden = strategy == "direct"
        self.cost: ComposeCost | None = None  # None: the bucket has not been asked yet
        self.saves_time = strategy == "auto" and optimize == "time"
        self._strategy = strategy
        self._optimize = optimize
        self._tempo = tempo

    def choose(self, group: Group, load: Load) -> Way:
        """Choose for one group; "compose" before `cost` is known means that the bucket should be asked now."""
        if group.sources == 1 or self.is_forbidden:
            return "direct"
        if self._strategy == "compose":
            return "compose"
        if self._optimize == "cost":
            return "compose" if self.cost is None or self.cost.pays(group.sources, group.size) else "direct"
        return "compose" if self._is_worthwhile(group) and not self._is_sooner_direct(load) else "direct"

    def _is_worthwhile(self, group: Group) -> bool:
        """Tell whether many such groups would come sooner composed, at a price that is still reasonable.

        A slot of the window gives `sources` objects after a compose with a read, or one after each read.
        """
        tempo = self._tempo
        if group.size > SMALL_BYTES * group.sources:
            return False
        if group.sources * tempo.read_s < tempo.compose_s + tempo.read_s:
            return False
        cost = self.cost
        if cost is None:
            return True
        composed_usd = cost.composed_usd(group.sources, group.size)
        return composed_usd <= MAX_DEARER * cost.direct_usd(group.sources)

    def _is_sooner_direct(self, load: Load) -> bool:
        """Tell whether a group that starts now would be there sooner if it was read directly.

        Before the first composite arrives a few reads at once cost others no time. Then each direct read delays several
        composed objects: only where so few objects are left that all can be read is it worth that.
        """
        tempo = self._tempo
        composed_s = tempo.compose_s + 2 * tempo.read_s  # a delete takes about as long as a read, and is waited for
        alone_per_s = min(_COLD_READS_PER_S, load.window / max(tempo.read_s, 1e-6))
        # Beside composites reads were measured to take twice as long as alone.
        beside_per_s = min(alone_per_s, READS_BESIDE / max(2 * tempo.read_s, 1e-6))
        is_mixed = load.is_flowing or load.composed > 0
        if (load.direct + load.left) / (beside_per_s if is_mixed else alone_per_s) <= composed_s:
            return True
        return not load.is_flowing and load.direct / beside_per_s <= tempo.compose_s


def apart(group: Group, sizes: Sequence[int]) -> Iterator[Group]:
    """Cut a group that is read directly into what is handed over together: small objects, or a larger one alone."""
    if group.size <= TOGETHER_BYTES or group.sources == 1:
        yield group
        return
    start, total = group.start, 0
    for position in range(group.start, group.stop):
        if position > start and total + sizes[position] > TOGETHER_BYTES:
            yield group._replace(start=start, stop=position, size=total)
            start, total = position, 0
        total += sizes[position]
    yield group._replace(start=start, stop=group.stop, size=total)
