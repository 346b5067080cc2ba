"""Say which sample stands at each position of an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dataflux_core._plan.order.blocks import Arrangements, Unmoved, arrangements_of
from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.permutation import MAX_COUNT, check_range, key_of, keys_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Order(Protocol):
    """The order of one epoch."""

    @property
    def count(self) -> int:
        """Tell how many positions the epoch has."""

    def sample_ids(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the sample at each position: (n,) positions, in any order, -> (n,) ids.

        Raises IndexError unless every position lies in [0, count).
        """


@dataclass(frozen=True, slots=True)
class OrderOptions:
    """What an epoch's order depends on, besides its number."""

    count: int  # samples
    seed: int = 0
    shuffle: bool = True
    block_samples: int = 0  # neighbours that stay together; 0: none do
    ranks_per_node: int = 0  # a node's ranks see the same samples in every epoch; 0: they see any
    deal: Deal = field(default_factory=Deal)  # who is dealt which positions; matters with ranks_per_node alone

    def __post_init__(self) -> None:
        for name, most in ("count", MAX_COUNT), ("block_samples", MAX_COUNT), ("ranks_per_node", self.deal.world):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise InvalidArgument(name, str(value), f"0 to {most}")
        if self.ranks_per_node and self.deal.world % self.ranks_per_node:
            expected = f"a divisor of the world of {self.deal.world} ranks: every node has as many"
            raise InvalidArgument("ranks_per_node", str(self.ranks_per_node), expected)


@dataclass(frozen=True, slots=True)
class Arranged:
    """All samples, arranged by one key."""

    arrangements: Arrangements
    key: int = 0

    @property
    def count(self) -> int:
        return self.arrangements.count

    def sample_ids(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.arrangements.at(positions, np.uint64(self.key))


@dataclass(frozen=True, slots=True)
class NodeAffine:
    """All samples, of which each node has a share for good, arranged anew in each epoch.

    In each round of the deal the nodes get a run of positions each, all as long; those that the last round deals to
    nobody are taken for the last node's. So a node's positions are known: as many samples, side by side in an order
    that no epoch changes, are its share.
    """

    options: OrderOptions
    epoch: int
    _fixed: Arranged = field(init=False, repr=False, compare=False)
    _run: int = field(init=False, repr=False, compare=False)  # positions of a node in each whole round
    _last_run: int = field(init=False, repr=False, compare=False)  # in the last round

    def __post_init__(self) -> None:
        options = self.options
        if not options.ranks_per_node:
            raise InvalidArgument("ranks_per_node", "0", "the ranks of a node")
        deal = options.deal
        last_chunk = deal.rank_rows(options.count, 0) - deal.rounds(options.count) * deal.chunk
        object.__setattr__(self, "_fixed", Arranged(self._arrangements(options.count), self._key(0, "shares")))
        object.__setattr__(self, "_run", options.ranks_per_node * deal.chunk)
        object.__setattr__(self, "_last_run", options.ranks_per_node * last_chunk)

    @property
    def count(self) -> int:
        return self.options.count

    def sample_ids(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        check_range(positions, self.count)
        nodes, offsets = self._owned(positions)
        begins, lengths = self._shares(nodes)
        keys = keys_of(np.uint64(self._key(self.epoch, "within shares")), nodes)
        for length in np.unique(lengths):  # four at most
            these = lengths == length
            offsets[these] = self._arrangements(int(length)).at(offsets[these], keys[these])
        return self._fixed.sample_ids(begins + offsets)

    def _owned(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tell whose each position is, how many positions of that node come before."""
        rounds, places = np.divmod(positions, self._nodes * self._run)
        runs = np.where(rounds == self._rounds, self._last_run, self._run)
        nodes = np.minimum(places // np.maximum(runs, 1), self._nodes - 1)
        # Where the last round deals nothing (its runs are 0), all of it is the last node's.
        nodes[runs == 0] = self._nodes - 1
        return nodes, rounds * self._run + places - nodes * runs

    def _shares(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tell where the share of each node begins in the fixed order, how long it is."""
        left = self.count - self._rounds * self._nodes * self._run

        def end_before(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
            return nodes * (self._run * self._rounds) + np.minimum(nodes * self._last_run, left)

        begins = end_before(nodes)
        ends = np.where(nodes == self._nodes - 1, self.count, end_before(nodes + 1))
        return begins, ends - begins

    @property
    def _nodes(self) -> int:
        return self.options.deal.world // self.options.ranks_per_node

    @property
    def _rounds(self) -> int:
        return self.options.deal.rounds(self.count)

    def _arrangements(self, count: int) -> Arrangements:
        return arrangements_of(count, shuffle=True, block_samples=self.options.block_samples)

    def _key(self, epoch: int, salt: str) -> int:
        return int(key_of(self.options.seed, epoch, salt))


def order_of(options: OrderOptions, epoch: int) -> Order:
    """Make the order of an epoch.

    Unshuffled it is the samples' own, in which the ranks of a node see the same samples in every epoch anyway.
    """
    if not options.count or not options.shuffle:
        return Arranged(Unmoved(options.count))
    if options.ranks_per_node and options.ranks_per_node < options.deal.world:
        return NodeAffine(options, epoch)
    arrangements = arrangements_of(options.count, shuffle=True, block_samples=options.block_samples)
    return Arranged(arrangements, int(key_of(options.seed, epoch, "samples")))
