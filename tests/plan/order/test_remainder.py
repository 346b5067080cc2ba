"""The remainder: whatever interrupts an epoch, each position is handed out once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.remainder import Done, Remainder

DEALS = st.builds(
    Deal,
    st.sampled_from([1, 2, 3, 4]),
    st.sampled_from([1, 2, 3, 8]),
    st.sampled_from([1, 1, 4, 5]),
    st.just("uneven"),
    st.booleans(),
)


def left_of(remainder: Remainder) -> list[int]:
    return [int(position) for position in remainder.positions(np.arange(len(remainder), dtype=np.int64))]


@dataclass
class Run:
    """An epoch in pieces, with what has been handed out of it so far."""

    count: int
    remainder: Remainder = field(init=False)
    seen: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.remainder = Remainder(self.count)

    def go_on(self, deal: Deal, rows_of_lanes: list[int] | None) -> None:
        """Hand out so many rows of each lane, all without a number; then be interrupted."""
        count = len(self.remainder)
        rows = []
        for lane in range(deal.world * deal.workers):
            worker, rank = divmod(lane, deal.world)
            whole = deal.lane_rows(count, rank, worker)
            rows.append(whole if rows_of_lanes is None else min(whole, rows_of_lanes[lane % len(rows_of_lanes)]))
            indexes = deal.indexes(count, rank, worker, np.arange(rows[-1], dtype=np.int64))
            self.seen += [int(position) for position in self.remainder.positions(indexes)]
        self.remainder = self.remainder.without(Done(0, deal, tuple(rows)))


@settings(max_examples=150)
@given(
    st.integers(0, 200),
    st.lists(st.tuples(DEALS, st.lists(st.integers(0, 7), min_size=1, max_size=8)), max_size=9),
    DEALS,
)
def test_each_position_is_handed_out_once_over_any_interruptions(
    count: int, pieces: list[tuple[Deal, list[int]]], last: Deal
) -> None:
    run = Run(count)
    for deal, rows in pieces:
        run.go_on(deal, rows)
        assert sorted(run.seen + left_of(run.remainder)) == list(range(count))
        told = Remainder(count, run.remainder.interruptions)
        assert left_of(told) == left_of(run.remainder), "what a state tells is what it was"
        assert list(filter(told.holds, range(count + 3))) == left_of(told)
    run.go_on(last, None)
    assert sorted(run.seen) == list(range(count))
    assert len(run.remainder) == 0


@given(st.integers(1, 200), st.lists(st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(0, 9)), max_size=8))
def test_ranks_that_step_together_leave_at_most_what_was_in_their_hands(
    count: int, pieces: list[tuple[int, int, int]]
) -> None:
    """With ranks in step and rows taken in turn, what is left has no holes but those of one round."""
    run = Run(count)
    for world, workers, rounds in pieces:
        run.go_on(Deal(world, workers, 1, "uneven"), [rounds])
        assert left_of(run.remainder) == list(range(count))[len(run.seen) :]
        assert len(run.remainder.interruptions) <= 1


def test_what_was_caught_up_with_is_forgotten() -> None:
    run = Run(10_000)
    luck = random.Random(3)
    for _ in range(200):
        run.go_on(Deal(2, 4, 1, "uneven"), [luck.randrange(8, 16) for _ in range(8)])
    assert len(run.remainder.interruptions) < 16
    assert sorted(run.seen + left_of(run.remainder)) == list(range(10_000))


@pytest.mark.parametrize("tail", ["pad", "drop"])
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_repeats_at_the_end_are_not_taken_for_samples(tail: str, steps: int) -> None:
    """10 samples, 4 ranks: with "pad" the last round has 2 repeats, with "drop" 2 samples are nobody's."""
    deal = Deal(4, 1, 1, tail)  # type: ignore[arg-type] # one of a table
    run = Run(10)
    run.go_on(deal, [steps])
    is_over = tail == "drop" and steps == 2
    assert left_of(run.remainder) == ([] if is_over else list(range(4 * steps, 10)))
    run.go_on(deal, None)
    assert set(run.seen) == set(range(10 if tail == "pad" else 8))
    assert len(run.seen) == (12 if tail == "pad" else 8)


def test_repeats_come_from_the_front_of_the_epoch() -> None:
    remainder = Remainder(10).without(Done(0, Deal(), (7,)))
    assert remainder.positions(np.arange(6, dtype=np.int64)).tolist() == [7, 8, 9, 0, 1, 2]


def test_what_is_left_of_a_hundred_million_is_found_at_once() -> None:
    """Nothing is as long as the epoch: the test would not end."""
    done = Done(0, Deal(64, 8, 32), tuple([90_000_000 // 512] * 512))
    remainder = Remainder(100_000_000).without(done)
    assert len(remainder) == 100_000_000 - sum(done.rows)
    assert all(len(left.holes) < 64 * 8 * 32 * 2 for left in remainder._left)
