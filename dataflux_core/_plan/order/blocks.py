"""Permute blocks of neighbours, then the places within each block, every place on its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dataflux_core._plan.order.permutation import Permutations, check_range, keys_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataflux_core._plan.order.permutation import Keys

_WITHIN = np.uint64(0xD1B54A32D192ED03)  # tells the keys within blocks from the key of their order


class Arrangements(Protocol):
    """Ways to arrange [0, count), one for each key."""

    @property
    def count(self) -> int: ...

    def at(self, positions: NDArray[np.int64], keys: Keys) -> NDArray[np.int64]:
        """Give what stands at each position: (n,) in, (n,) out; a key for each or one for all."""


@dataclass(frozen=True, slots=True)
class Unmoved:
    """The range as it is, whatever the key."""

    count: int

    def at(self, positions: NDArray[np.int64], keys: Keys) -> NDArray[np.int64]:  # noqa: ARG002 - as Arrangements asks
        check_range(positions, self.count)
        return positions.astype(np.int64)


@dataclass(frozen=True, slots=True)
class BlockPermutations:
    """Every order of [0, count) in which neighbours of one block stay together.

    The last block may be short. Where it comes is known from the inverse of the blocks' permutation, so that every
    position behind it is found by moving it on by what is missing.
    """

    count: int
    block_samples: int
    _blocks: Permutations = field(init=False, repr=False)
    _whole: Permutations = field(init=False, repr=False)
    _short: Permutations | None = field(init=False, repr=False)  # of the last block, where it is short

    def __post_init__(self) -> None:
        if self.block_samples < 1:
            raise InvalidArgument("block_samples", str(self.block_samples), "at least 1")
        short = self.count % self.block_samples
        object.__setattr__(self, "_blocks", Permutations(-(-self.count // self.block_samples)))
        object.__setattr__(self, "_whole", Permutations(self.block_samples))
        object.__setattr__(self, "_short", Permutations(short) if short else None)

    def at(self, positions: NDArray[np.int64], keys: Keys) -> NDArray[np.int64]:
        """Give what stands at each position: (n,) in, (n,) out. Raises IndexError where one is out of range."""
        check_range(positions, self.count)
        places, offsets = np.divmod(self._as_if_whole(positions, keys), self.block_samples)
        blocks = self._blocks.at(places, keys)
        within = keys_of(keys ^ _WITHIN, blocks)
        if self._short is None:
            return blocks * self.block_samples + self._whole.at(offsets, within)
        found = np.empty(len(positions), np.int64)
        short = blocks == self._blocks.count - 1
        found[short] = self._short.at(offsets[short], within[short])
        found[~short] = self._whole.at(offsets[~short], within[~short])
        return blocks * self.block_samples + found

    def _as_if_whole(self, positions: NDArray[np.int64], keys: Keys) -> NDArray[np.int64]:
        """Move the positions behind the short block to where they would be if it was whole."""
        if self._short is None:
            return positions
        lasts = np.full(len(positions) if isinstance(keys, np.ndarray) else 1, self._blocks.count - 1)
        ends = self._blocks.position_of(lasts, keys) * self.block_samples + self._short.count
        return positions + np.where(positions >= ends, self.block_samples - self._short.count, 0)


def arrangements_of(count: int, *, shuffle: bool, block_samples: int) -> Arrangements:
    """Choose the way that options ask for; 0 block_samples: no blocks."""
    if not shuffle:
        return Unmoved(count)
    if block_samples:
        return BlockPermutations(count, block_samples)
    return Permutations(count)
