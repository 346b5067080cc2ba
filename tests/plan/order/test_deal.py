"""The deal: every index to one worker of one rank, batches the same however many workers there are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.order.deal import Deal

if TYPE_CHECKING:
    from dataflux_core._plan.order.deal import Tail

COUNTS = st.integers(0, 300)
TAILS: st.SearchStrategy[Tail] = st.sampled_from(["pad", "drop", "uneven"])
DEALS = st.builds(Deal, st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), TAILS, st.booleans())


def lane(deal: Deal, count: int, rank: int, worker: int) -> list[int]:
    rows = np.arange(deal.lane_rows(count, rank, worker), dtype=np.int64)
    return [int(index) for index in deal.indexes(count, rank, worker, rows)]


def by_rank(deal: Deal, count: int) -> list[list[int]]:
    """Give what each rank gets, worker after worker."""
    ranks = range(deal.world)
    return [[index for worker in range(deal.workers) for index in lane(deal, count, rank, worker)] for rank in ranks]


def most_over(deal: Deal) -> int:
    """Say below what there are repeats, or samples that nobody gets."""
    return deal.world * deal.chunk if deal.keeps_chunks and deal.world > 1 else deal.world


def batches(deal: Deal, count: int, rank: int) -> list[list[int]]:
    """Give a rank's batches of one chunk each as a loader does: one of each worker in turn, until none has any."""
    lanes = [lane(deal, count, rank, worker) for worker in range(deal.workers)]
    cut = [[own[at : at + deal.chunk] for at in range(0, len(own), deal.chunk)] for own in lanes]
    turns = max(map(len, cut))
    return [own[turn] for turn in range(turns) for own in cut if turn < len(own)]


@pytest.mark.parametrize(
    ("deal", "count", "dealt"),
    [
        pytest.param(Deal(2), 5, [[0, 2, 4], [1, 3, 5]], id="one each in turn, the last rank's last is a repeat"),
        pytest.param(Deal(2, tail="drop"), 5, [[0, 2], [1, 3]], id="what not all get is dropped"),
        pytest.param(Deal(2, tail="uneven"), 5, [[0, 2, 4], [1, 3]], id="or some get fewer"),
        pytest.param(Deal(2, chunk=3), 8, [[0, 1, 2, 6], [3, 4, 5, 7]], id="the last chunks share what is left"),
        pytest.param(Deal(2, chunk=3), 9, [[0, 1, 2, 6, 7], [3, 4, 5, 8, 9]], id="as evenly as it goes, or repeated"),
        pytest.param(Deal(2, 1, 2, "pad", True), 6, [[0, 1, 4, 5], [2, 3, 6, 7]], id="or by whole chunks, repeated"),
        pytest.param(Deal(2, 1, 2, "drop", True), 6, [[0, 1], [2, 3]], id="a whole chunk is dropped"),
        pytest.param(Deal(2, 1, 2, "uneven", True), 6, [[0, 1, 4, 5], [2, 3]], id="a rank has a chunk fewer"),
        pytest.param(Deal(1, 1, 2, "pad", True), 5, [[0, 1, 2, 3, 4]], id="what is no whole chunk is not made one"),
        pytest.param(Deal(1, 2), 5, [[0, 2, 4, 1, 3]], id="workers take turns"),
        pytest.param(Deal(1, 2, 2), 5, [[0, 1, 4, 2, 3]], id="by chunks"),
        pytest.param(Deal(4), 2, [[0], [1], [2], [3]], id="fewer samples than ranks: the others get repeats"),
        pytest.param(Deal(4, tail="drop"), 2, [[], [], [], []], id="fewer samples than ranks, dropped: nothing at all"),
        pytest.param(Deal(2, 4), 0, [[], []], id="nothing is nothing"),
    ],
)
def test_shares(deal: Deal, count: int, dealt: list[list[int]]) -> None:
    assert by_rank(deal, count) == dealt


@given(DEALS, COUNTS)
def test_every_index_goes_to_exactly_one_worker(deal: Deal, count: int) -> None:
    dealt = sorted(index for own in by_rank(deal, count) for index in own)
    if deal.tail == "drop":
        assert len(set(dealt)) == len(dealt)
        assert set(dealt) <= set(range(count))
        assert count - len(dealt) < most_over(deal)
    elif deal.tail == "pad":
        assert dealt == list(range(len(dealt))), "repeats come after all others"
        assert 0 <= len(dealt) - count < most_over(deal)
    else:
        assert dealt == list(range(count))


@given(DEALS, COUNTS)
def test_ranks_are_as_even_as_was_asked_for(deal: Deal, count: int) -> None:
    lengths = [len(own) for own in by_rank(deal, count)]
    assert lengths == [deal.rank_rows(count, rank) for rank in range(deal.world)]
    assert max(lengths) - min(lengths) <= (deal.chunk if deal.tail == "uneven" else 0)


@given(DEALS, COUNTS)
def test_workers_change_nothing_in_the_batches_of_a_rank(deal: Deal, count: int) -> None:
    alone = replace(deal, workers=1)
    for rank in range(deal.world):
        assert batches(deal, count, rank) == batches(alone, count, rank)


@given(DEALS, st.integers(10**17, 10**18), st.integers(0, 100))
def test_shares_of_a_huge_epoch_are_arithmetic(deal: Deal, count: int, row: int) -> None:
    dealt = [
        int(deal.indexes(count, rank, worker, np.array([row], np.int64))[0])
        for worker in range(deal.workers)
        for rank in range(deal.world)
    ]
    assert len(set(dealt)) == len(dealt)
    rows = [deal.lane_rows(count, rank, worker) for worker in range(deal.workers) for rank in range(deal.world)]
    assert abs(sum(rows) - count) < most_over(deal)


@given(DEALS, st.integers(0, 60))
def test_chunks_that_are_to_stay_whole_stay_so(deal: Deal, chunks: int) -> None:
    """What is dealt are chunks, of which each is as it was, on whichever rank."""
    whole = replace(deal, keeps_chunks=True)
    dealt = [batch for rank in range(deal.world) for batch in batches(whole, chunks * deal.chunk, rank)]
    assert all(len(batch) == deal.chunk and batch[0] % deal.chunk == 0 for batch in dealt)
    assert all(np.diff(batch).tolist() == [1] * (deal.chunk - 1) for batch in dealt)
