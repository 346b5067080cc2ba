"""Tell what is left of an epoch that was interrupted, maybe more than once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core._plan.order.deal import Deal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Done:
    """What was handed out of indexes from `start` on, as they were dealt: so many rows of each worker of each rank.

    All indexes below `start` were handed out before.
    """

    start: int = 0
    deal: Deal = field(default_factory=Deal)
    rows: tuple[int, ...] = ()  # of worker w of rank r at w * world + r; empty: none
    runs: tuple[
        int, ...
    ] = ()  # in the place of these: lengths from `start` on of what is left, was handed out, is left…


_STACKED = 2  # interruptions that are kept as they were: what was dealt in step takes little room
MOST_RUNS = 128  # of several interruptions told as one
MOST_HOLES = 2**22


@dataclass(frozen=True, slots=True)
class _Left:
    """One interruption: indexes among what was left map to indexes among what there was."""

    holes: NDArray[np.int64]  # what others that were further ahead had left out, in order
    after: int  # everything from here on

    def before(self, indexes: NDArray[np.int64]) -> NDArray[np.int64]:
        beyond = indexes - len(self.holes) + self.after
        if not len(self.holes):
            return beyond
        return np.where(indexes < len(self.holes), self.holes[np.minimum(indexes, len(self.holes) - 1)], beyond)

    def behind(self, index: int) -> int | None:
        """Return which of what is left an index of what there was is; None: it is none."""
        if index >= self.after:
            return index - self.after + len(self.holes)
        at = int(np.searchsorted(self.holes, index))
        return at if at < len(self.holes) and self.holes[at] == index else None


class Remainder:
    """What is left of the positions [0, count) of an epoch, as a sequence: index 0 is the first that is left.

    Raises ValueError for interruptions that handed out more than there was.
    """

    def __init__(self, count: int, interruptions: Sequence[Done] = ()) -> None:
        self.count = count  # positions of the whole epoch
        self.interruptions = tuple(interruptions)
        self._left: list[_Left] = []
        self._lengths = [count]
        for done in self.interruptions:
            _check_within(done, self._lengths[-1])
            left = _left_by(done, self._lengths[-1])
            self._left.append(left)
            self._lengths.append(len(left.holes) + max(0, self._lengths[-1] - left.after))

    def __len__(self) -> int:
        return self._lengths[-1]

    def positions(self, indexes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return positions of the epoch, (n,) in and out; indexes beyond the end repeat the epoch from its front."""
        positions = indexes
        for left in reversed(self._left):
            positions = left.before(positions)
        is_beyond = indexes >= len(self)
        if is_beyond.any():
            positions = np.where(is_beyond, (indexes - len(self)) % max(self.count, 1), positions)
        return positions

    def holds(self, position: int) -> bool:
        """Tell whether a position of the epoch is among what is left."""
        index: int | None = position if position < self.count else None
        for left in self._left:
            if index is not None:
                index = left.behind(index)
        return index is not None

    def without(self, done: Done) -> Remainder:
        """Return what is left when `done` of this was handed out too.

        Interruptions that have been caught up with are forgotten, so that a state stays small.
        """
        interruptions = list(self.interruptions)
        start = done.start + _first_round(done, len(self))
        while interruptions and start >= len(self._left[len(interruptions) - 1].holes):
            left = self._left[len(interruptions) - 1]
            shift = left.after - len(left.holes)
            interruptions.pop()
            start += shift
            done = Done(done.start + shift, done.deal, done.rows)
        length = self._lengths[len(interruptions)]
        left = _left_by(done, length)
        if not len(left.holes):
            done = Done(left.after)
        if done != Done():
            interruptions.append(done)
        remainder = Remainder(self.count, interruptions)
        return remainder if len(interruptions) <= _STACKED else remainder._as_one()

    def _as_one(self) -> Remainder:
        """Tell several interruptions as one, or else those that hand out little would make the state ever longer."""
        holes, after = np.empty(0, np.int64), 0
        for left in reversed(self._left):
            holes = np.concatenate([left.before(holes), left.holes[after:]])
            after = max(0, after - len(left.holes)) + left.after
        if not len(holes):
            return Remainder(self.count, (Done(after),))
        last = np.flatnonzero(np.diff(holes, append=after) != 1)  # of each run of holes that something follows
        ends = holes[last] + 1
        starts = holes[np.concatenate([[0], last[:-1] + 1])]
        lengths = np.stack([ends - starts, np.append(starts[1:], after) - ends], axis=1).ravel()
        if len(lengths) > MOST_RUNS or len(holes) > MOST_HOLES:
            return self
        return Remainder(self.count, (Done(int(holes[0]), runs=tuple(lengths.tolist())),))


def _check_within(done: Done, length: int) -> None:
    """Raise ValueError where an interruption is not of so many indexes."""
    if done.start + sum(done.runs) > length:
        raise ValueError(f"{done.start + sum(done.runs)} of {length} handed out")
    world = done.deal.world
    for worker in range(len(done.rows) // world):
        rows = max(done.rows[worker * world : (worker + 1) * world])
        # As many as the first rank's, which is dealt most: those in step say one number, also at an uneven end.
        dealt = done.deal.lane_rows(length - done.start, 0, worker)
        if rows > dealt:
            raise ValueError(f"{rows} rows handed out of {dealt} that a worker was dealt")


def _first_round(done: Done, length: int) -> int:
    """Return how many indexes from `done.start` on were handed out without a gap between rounds."""
    if not done.rows:
        return 0
    deal, count = done.deal, length - done.start
    rounds = min(
        _rounds_of(deal, worker, _rank_of(done, lane), count, rows)[0] for lane, (worker, rows) in _lanes(done)
    )
    return min(count, rounds * deal.world * deal.chunk)


def _left_by(done: Done, length: int) -> _Left:
    """Find what of `length` indexes is left."""
    if done.runs:
        edges = done.start + np.cumsum((0, *done.runs))
        runs = [np.arange(first, end) for first, end in zip(edges[:-1:2], edges[1::2], strict=True)]
        return _Left(np.concatenate(runs), min(int(edges[-1]), length))
    if not done.rows:
        return _Left(np.empty(0, np.int64), min(done.start, length))
    deal, count = done.deal, max(0, length - done.start)
    per_round = deal.world * deal.chunk
    spans = [_rounds_of(deal, worker, _rank_of(done, lane), count, rows) for lane, (worker, rows) in _lanes(done)]
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    low = min(count, first * per_round)
    high = max(
        low, min(count, last * per_round)
    )  # where all is done, what was dropped is too, though nobody touched it
    is_done = np.zeros(high - low, np.bool_)
    for lane, (worker, rows) in _lanes(done):
        rank = _rank_of(done, lane)
        begun = max(0, -(-(first - worker) // deal.workers)) * deal.chunk
        upto = min(rows, deal.lane_rows(count, rank, worker))
        indexes = deal.indexes(count, rank, worker, np.arange(begun, max(begun, upto), dtype=np.int64)) - low
        is_done[indexes[(indexes >= 0) & (indexes < len(is_done))]] = True
    holes = np.flatnonzero(~is_done) + low + done.start
    after = high + done.start
    if len(holes) and holes[-1] + 1 == after:  # what is left at the end needs no table
        gaps = np.flatnonzero(np.diff(holes) != 1)
        cut = int(gaps[-1]) + 1 if len(gaps) else 0
        holes, after = holes[:cut], int(holes[cut])
    return _Left(holes.astype(np.int64), after)


def _lanes(done: Done) -> list[tuple[int, tuple[int, int]]]:
    """Return (lane, (worker, rows))."""
    return [(lane, (lane // done.deal.world, rows)) for lane, rows in enumerate(done.rows)]


def _rank_of(done: Done, lane: int) -> int:
    return lane % done.deal.world


def _rounds_of(deal: Deal, worker: int, rank: int, count: int, rows: int) -> tuple[int, int]:
    """Return (the first round in which a lane has something left, the first that it has not touched)."""
    if rows >= deal.lane_rows(count, rank, worker):
        # All its own: what may be left in later rounds is others'.
        everything = deal.rounds(count) + 1
        touched = worker + (-(-rows // deal.chunk) - 1) * deal.workers + 1 if rows else 0
        return everything, min(touched, everything)
    whole, begun = rows // deal.chunk, -(-rows // deal.chunk)
    return worker + whole * deal.workers, (worker + (begun - 1) * deal.workers + 1 if begun else 0)
