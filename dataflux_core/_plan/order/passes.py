"""Say which samples of one stream an epoch draws, which at each draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core._plan.order.blocks import arrangements_of
from dataflux_core._plan.order.permutation import key_of, keys_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dataflux_core._plan.order.blocks import Arrangements


@dataclass(frozen=True, slots=True)
class Stream:
    """One of the datasets of a mix."""

    count: int  # samples
    shuffle: bool = True
    block_samples: int = 0  # neighbours that stay together; 0: none do

    def __post_init__(self) -> None:
        for name in ("count", "block_samples"):
            if getattr(self, name) < 0:
                raise InvalidArgument(name, str(getattr(self, name)), "at least 0")

    def arrangements(self, count: int) -> Arrangements:
        """Give the ways to arrange so many of its samples."""
        return arrangements_of(count, shuffle=self.shuffle, block_samples=self.block_samples)


@dataclass(frozen=True, slots=True)
class Passes:
    """The draws of one epoch from one stream: whole passes, then a part of one.

    The parts of all epochs follow each other around a circle of the samples that stays as it is. So within an epoch no
    sample is drawn twice more than another, an epoch draws others than the one before while there are any, and over
    many epochs all are drawn equally often. An unshuffled stream goes round its circle in its own order.
    """

    stream: Stream
    draws: int  # of every epoch
    epoch: int
    seed: int
    salt: str  # the stream's own, so that no two draw alike

    def sample_ids(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the sample of each draw: (n,) numbers in [0, draws) -> (n,) ids within the stream."""
        count = self.stream.count
        begin = self.epoch * self.draws % count
        if not self.stream.shuffle:
            return (numbers + begin) % count
        passes, places = np.divmod(numbers, count)
        keys = keys_of(key_of(self.seed, self.epoch, self.salt), passes)
        of_part = passes == self.draws // count
        found = np.empty(len(numbers), np.int64)
        found[~of_part] = self.stream.arrangements(count).at(places[~of_part], keys[~of_part])
        if of_part.any():
            part = self.stream.arrangements(self.draws % count).at(places[of_part], keys[of_part])
            circle = key_of(self.seed, 0, f"{self.salt}, circle")
            found[of_part] = self.stream.arrangements(count).at((part + begin) % count, circle)
        return found
