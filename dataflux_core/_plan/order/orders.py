"""Say which sample stands at each position of an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dataflux_core._plan.order.blocks import Arrangements, Unmoved, arrangements_of
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
    world: int = 1  # ranks; matters to an order with ranks_per_node alone
    ranks_per_node: int = 0  # a node's ranks see the same samples in every epoch; 0: they see any

    def __post_init__(self) -> None:
        for name, least, most in (
            ("count", 0, MAX_COUNT),
            ("block_samples", 0, MAX_COUNT),
            ("world", 1, MAX_COUNT),
            ("ranks_per_node", 0, self.world),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise InvalidArgument(name, str(value), f"{least} to {most}")
        if self.ranks_per_node and self.world % self.ranks_per_node:
            expected = f"a divisor of the world of {self.world} ranks: every node has as many"
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

    Position p goes to rank p % world. So the positions of a node are known; of a fixed order of the samples, which no
    epoch changes, its share is a run as long as they are many.
    """

    options: OrderOptions
    epoch: int
    _fixed: Arranged = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        options = self.options
        if not options.ranks_per_node:
            raise InvalidArgument("ranks_per_node", "0", "the ranks of a node")
        object.__setattr__(self, "_fixed", Arranged(self._arrangements(options.count), self._key(0, "shares")))

    @property
    def count(self) -> int:
        return self.options.count

    def sample_ids(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        check_range(positions, self.count)
        ranks_per_node = self.options.ranks_per_node
        steps, ranks = np.divmod(positions, self.options.world)
        nodes, local_ranks = np.divmod(ranks, ranks_per_node)
        begins, lengths = self._shares(nodes)
        offsets = steps * ranks_per_node + local_ranks  # how many positions of the node come before
        keys = keys_of(np.uint64(self._key(self.epoch, "within shares")), nodes)
        for length in np.unique(lengths):  # three at most
            these = lengths == length
            offsets[these] = self._arrangements(int(length)).at(offsets[these], keys[these])
        return self._fixed.sample_ids(begins + offsets)

    def _shares(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tell where the share of each node begins in the fixed order, how long it is."""
        steps, rest = divmod(self.count, self.options.world)
        ranks_per_node = self.options.ranks_per_node

        def end_before(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
            ranks = nodes * ranks_per_node
            return ranks * steps + np.minimum(ranks, rest)

        begins = end_before(nodes)
        return begins, end_before(nodes + 1) - begins

    def _arrangements(self, count: int) -> Arrangements:
        return arrangements_of(count, shuffle=True, block_samples=self.options.block_samples)

    def _key(self, epoch: int, salt: str) -> int:
        return int(key_of(self.options.seed, epoch, salt))


def order_of(options: OrderOptions, epoch: int) -> Order:
    """Make the order of an epoch.

    Without shuffling it is the samples' own; the ranks of a node then see the same samples in every epoch anyway.
    """
    if not options.count or not options.shuffle:
        return Arranged(Unmoved(options.count))
    if options.ranks_per_node and options.ranks_per_node < options.world:
        return NodeAffine(options, epoch)
    arrangements = arrangements_of(options.count, shuffle=True, block_samples=options.block_samples)
    return Arranged(arrangements, int(key_of(options.seed, epoch, "samples")))
