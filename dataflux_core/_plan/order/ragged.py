"""Permute blocks of any lengths, then the places within each block."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core._plan.order.permutation import Permutations, check_range, keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WITHIN = np.uint64(0xD1B54A32D192ED03)  # tells the keys within blocks from the key of their order


@dataclass(frozen=True, slots=True, eq=False)
class RaggedBlocks:
    """The order of one epoch in which neighbours of one block stay together; O(blocks) in memory.

    Blocks that begin and end where chunks do let each chunk be read once.
    """

    ends: Sequence[int]  # of each block, rising; the last is the number of samples
    key: int
    _bounds: NDArray[np.int64] = field(init=False, repr=False)  # of each, in their own order: 0, then `ends`
    _blocks: NDArray[np.int64] = field(init=False, repr=False)  # in the order of the epoch
    _ends: NDArray[np.int64] = field(init=False, repr=False)  # in the order of the epoch, as positions

    def __post_init__(self) -> None:
        bounds = np.array([0, *self.ends], np.int64)
        lengths = np.diff(bounds)
        count = len(lengths)
        blocks = Permutations(count).at(np.arange(count, dtype=np.int64), np.uint64(self.key))
        object.__setattr__(self, "_bounds", bounds)
        object.__setattr__(self, "_blocks", blocks)
        object.__setattr__(self, "_ends", np.cumsum(lengths[blocks]))

    @property
    def count(self) -> int:
        return self.ends[-1] if self.ends else 0

    def sample_ids(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the sample at each position, (n,) in and out; raises IndexError out of range."""
        check_range(positions, self.count)
        places = np.searchsorted(self._ends, positions, side="right")
        blocks = self._blocks[places]
        found = self._bounds[blocks]  # a copy
        lengths = self._bounds[blocks + 1] - found
        offsets = positions - (self._ends[places] - lengths)
        within = keys_of(np.uint64(self.key) ^ _WITHIN, blocks)
        for length in np.unique(lengths).tolist():
            these = lengths == length
            found[these] += Permutations(length).at(offsets[these], within[these])
        return found
