"""Rows that give several samples: each once over any interruptions, the state as small after hundreds of them."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.state import (
    EpochState,
    Identity,
    Lane,
    Progress,
    Start,
    from_dict,
    joined,
    start_of,
    to_dict,
)

OUTPUTS = 5  # of each row
DEALS = st.builds(Deal, st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 1, 3]), st.just("uneven"))


@dataclass
class Epoch:
    """An epoch of rows that give five samples each, with what was handed out, and the size of the largest state."""

    count: int
    state: EpochState = field(default_factory=EpochState)
    given: Counter[tuple[int, int]] = field(default_factory=Counter)  # by position, number of the sample
    most_bytes: int = 0

    @property
    def identity(self) -> Identity:
        return Identity("5b93d5f3c0a717b7eeda3e3211734a8d", "seed=0 shuffle=True block_samples=0", self.count)

    def go_on(self, deal: Deal, samples: list[int]) -> None:
        """Hand out so many samples of each lane at most, then be interrupted."""
        lanes = {}
        for lane in range(deal.world * deal.workers):
            worker, rank = divmod(lane, deal.world)
            start = start_of(self.state, self.count, deal, rank)
            lanes[Lane(rank, worker)] = self._handed_out(start, deal, Lane(rank, worker), samples[lane % len(samples)])
        state = EpochState(0, start.remainder.interruptions, tuple(start.begun.items()), deal, 0, lanes)
        told = [json.dumps(to_dict(replace(state, lanes=own), self.identity)) for own in _by_rank(lanes)]
        self.most_bytes = max(self.most_bytes, *map(len, told))
        self.state = joined([from_dict(json.loads(each), self.identity) for each in told])

    def _handed_out(self, start: Start, deal: Deal, lane: Lane, samples: int) -> Progress:
        left = len(start.remainder)
        progress = start.of(lane.worker)
        rows = deal.lane_rows(left, lane.rank, lane.worker)
        while progress.rows < rows:
            index = deal.indexes(left, lane.rank, lane.worker, np.array([progress.rows], np.int64))
            position = int(start.remainder.positions(index)[0])
            done = progress.outputs or start.begun.get(position, 0)
            here = min(samples, OUTPUTS - done)
            self.given.update((position, number) for number in range(done, done + here))
            samples -= here
            if not samples:  # nobody asks whether the row gives more
                return Progress(progress.rows, done + here) if here else progress
            progress = Progress(progress.rows + 1)
        return progress


def _by_rank(lanes: dict[Lane, Progress]) -> list[dict[Lane, Progress]]:
    """Return what each rank says of its own."""
    ranks = range(1 + max(lane.rank for lane in lanes))
    return [{lane: progress for lane, progress in lanes.items() if lane.rank == rank} for rank in ranks]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 60), st.lists(st.tuples(DEALS, st.lists(st.integers(0, 12), min_size=1, max_size=8)), max_size=12)
)
def test_each_sample_of_each_row_comes_once(count: int, pieces: list[tuple[Deal, list[int]]]) -> None:
    epoch = Epoch(count)
    for deal, samples in pieces:
        epoch.go_on(deal, samples)
    epoch.go_on(Deal(1, 1, 1, "uneven"), [10**6])
    assert epoch.given == Counter({(row, number): 1 for row in range(count) for number in range(OUTPUTS)})


@pytest.mark.parametrize(("most", "chunk"), [(3, 1), (40, 1), (3, 8), (40, 8), (400, 8), (400, 32)])
def test_a_state_stays_below_a_kilobyte_after_hundreds_of_interruptions(most: int, chunk: int) -> None:
    luck = random.Random(most)
    epoch = Epoch(10**8)
    for _ in range(200):
        deal = Deal(luck.choice([1, 2, 4]), luck.choice([1, 2, 4]), chunk, "uneven")
        samples = luck.randrange(most)
        epoch.go_on(deal, [max(0, samples + luck.randrange(-3, 3)) for _ in range(16)])
    assert max(epoch.given.values()) == 1
    assert epoch.most_bytes < 1000
