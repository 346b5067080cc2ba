"""Deal the samples of an epoch to ranks, each rank's to its loader workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tail = Literal["pad", "drop", "uneven"]


@dataclass(frozen=True, slots=True)
class Deal:
    """How indexes from 0 on are dealt in rounds: in each, every rank gets one chunk, in the order of ranks.

    Round i is worker i % workers's. With chunks as long as batches, batches are the same however many workers there
    are. The last round, where less is left than every rank's chunk, is shared as `tail` says: "pad" gives each rank as
    many, the last of them repeats; "drop" as many, the rest to nobody; "uneven" gives some ranks fewer. It is cut into
    equal widths, or dealt in chunks like the others where chunks are to stay whole.
    """

    world: int = 1
    workers: int = 1  # loader workers of each rank
    chunk: int = 1
    tail: Tail = "pad"
    keeps_chunks: bool = False  # in the last round too

    def rounds(self, count: int) -> int:
        """Return how many whole rounds `count` indexes make."""
        return count // (self.world * self.chunk)

    def rank_rows(self, count: int, rank: int) -> int:
        """Return how many of `count` indexes a rank is dealt, repeats included."""
        return self.rounds(count) * self.chunk + self._last_chunk(count, rank)

    def lane_rows(self, count: int, rank: int, worker: int) -> int:
        """Return how many of them one worker of a rank is dealt."""
        rounds = self.rounds(count)
        whole = (rounds - worker + self.workers - 1) // self.workers if rounds > worker else 0
        is_last = rounds % self.workers == worker
        return whole * self.chunk + (self._last_chunk(count, rank) if is_last else 0)

    def indexes(self, count: int, rank: int, worker: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the indexes at these rows of a worker's share, (n,) in and out; from `count` on they are repeats."""
        rounds = (rows // self.chunk) * self.workers + worker
        starts = rounds * (self.world * self.chunk)
        widths = np.where(rounds == self.rounds(count), self._last_width(count), self.chunk)
        indexes: NDArray[np.int64] = starts + rank * widths + rows % self.chunk
        return indexes

    def _last_width(self, count: int) -> int:
        left = count % (self.world * self.chunk)
        if self.keeps_chunks:
            return min(self.chunk, left) if self.tail != "drop" or self.world == 1 else 0
        return left // self.world if self.tail == "drop" else -(-left // self.world)

    def _last_chunk(self, count: int, rank: int) -> int:
        width = self._last_width(count)
        if self.tail != "uneven":
            return width
        left = count % (self.world * self.chunk)
        return max(0, min(width, left - rank * width))
