"""The state: small, what JSON can hold, refused where it does not fit."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.remainder import Done, Remainder
from dataflux_core._plan.order.state import (
    EVERY_RANK,
    EpochState,
    Identity,
    Lane,
    Progress,
    from_dict,
    joined,
    start_of,
    state_of,
    to_dict,
)
from dataflux_core.errors import StateMismatch

OURS = Identity("5b93d5f3c0a717b7eeda3e3211734a8d", "seed=0 shuffle=True block_samples=0", 10**8)
NUMBERS = st.integers(0, 2**62)
DEALS = st.builds(Deal, st.integers(1, 4), st.integers(1, 4), st.integers(1, 64), st.sampled_from(["pad", "drop"]))
LANES = st.builds(Lane, st.integers(EVERY_RANK, 20), st.integers(0, 20))


@st.composite
def dones(draw: st.DrawFn) -> Done:
    deal = draw(DEALS)
    lanes = deal.world * deal.workers
    return Done(draw(NUMBERS), deal, tuple(draw(st.lists(NUMBERS, min_size=lanes, max_size=lanes))))


RUNS = st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=9)
TOLD_AS_ONE = st.builds(lambda start, runs: Done(start, runs=tuple(n for run in runs for n in run)), NUMBERS, RUNS)
STATES = st.builds(
    EpochState,
    NUMBERS,
    st.lists(dones() | st.builds(Done, NUMBERS) | TOLD_AS_ONE, max_size=3).map(tuple),
    st.dictionaries(NUMBERS, NUMBERS, max_size=3).map(lambda begun: tuple(sorted(begun.items()))),
    DEALS,
    st.integers(0, 20),
    st.dictionaries(LANES, st.builds(Progress, NUMBERS, NUMBERS, NUMBERS), max_size=9),
)


@given(STATES)
def test_a_state_survives_json(state: EpochState) -> None:
    assert state_of(json.loads(json.dumps(to_dict(state, OURS)))) == state


def dealt(interruptions: tuple[Done, ...], deal: Deal, luck: random.Random) -> EpochState:
    """Give the state of ranks in step, whose workers' batches came in turn."""
    batches = luck.randrange(1000)
    rows = [
        (batches // deal.workers + (worker < batches % deal.workers)) * deal.chunk for worker in range(deal.workers)
    ]
    lanes = {Lane(EVERY_RANK, worker): Progress(rows[worker]) for worker in range(deal.workers)}
    return EpochState(4, interruptions, (), deal, batches % deal.workers, lanes)


@pytest.mark.parametrize("world", [1, 8, 1024])
@pytest.mark.parametrize("chunk", [1, 256])
def test_a_state_stays_below_a_kilobyte_after_sixteen_interruptions(world: int, chunk: int) -> None:
    luck = random.Random(world)
    state = EpochState()
    for _ in range(16):
        deal = Deal(world, luck.choice([1, 2, 8, 16]), chunk)
        state = dealt(start_of(state, OURS.count, deal, 0).remainder.interruptions, deal, luck)
        assert len(json.dumps(to_dict(state, OURS))) < 1000


@pytest.mark.parametrize("world", [64, pytest.param(1024, marks=pytest.mark.matrix)])
def test_a_state_stays_below_a_kilobyte_after_sixteen_interruptions_that_never_catch_up(world: int) -> None:
    """The worst: each takes a little more than what the one before had begun."""
    remainder = Remainder(10**8)
    for number in range(16):
        deal = Deal(world, 16 - number, 32)
        rows = tuple(32 if lane >= world * (deal.workers - 1) else 0 for lane in range(world * deal.workers))
        remainder = remainder.without(Done(0, deal, rows))
    state = dealt(remainder.interruptions, Deal(world, 16, 32), random.Random(0))
    assert len(remainder) == 10**8 - 16 * world * 32
    assert len(json.dumps(to_dict(state, OURS))) < 1000


GOOD = to_dict(EpochState(3, (), (), Deal(2, 2), 1, {Lane(EVERY_RANK, 0): Progress(5)}), OURS)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        pytest.param(None, "NoneType is no state", id="nothing"),
        pytest.param("{}", "str is no state", id="its text"),
        pytest.param({}, "version None, not 1", id="an empty one"),
        pytest.param({**GOOD, "version": 2}, "version 2, not 1", id="of a later version"),
        pytest.param({**GOOD, "index": "x"}, "fingerprint x", id="of another index"),
        pytest.param({**GOOD, "count": 7}, "an index of 7 positions", id="of an index that has grown"),
        pytest.param({**GOOD, "order": "seed=1"}, "give the same seed", id="of another order"),
        pytest.param({**GOOD, "epoch": -1}, "damaged", id="an epoch before the first"),
        pytest.param({**GOOD, "epoch": "3"}, "damaged", id="an epoch in words"),
        pytest.param({**GOOD, "deal": [0, 1, 1, "pad"]}, "damaged", id="no ranks"),
        pytest.param({**GOOD, "deal": [2, 1, 1, "fair"]}, "damaged", id="another tail"),
        pytest.param({**GOOD, "deal": 4}, "damaged", id="no deal"),
        pytest.param({**GOOD, "done": [[0, [10**12, 1]]]}, "damaged", id="a bomb of what is left"),
        pytest.param({**GOOD, "done": [[0, [1, 2, 3]]]}, "damaged", id="a run without an end"),
        pytest.param({**GOOD, "done": [[0, []]]}, "damaged", id="no run"),
        pytest.param({**GOOD, "lanes": [[0, 0, 10**12, 1, 0, 0]]}, "damaged", id="a bomb of workers"),
        pytest.param({**GOOD, "lanes": [[0, 0, 1]]}, "damaged", id="a lane cut off"),
        pytest.param({**GOOD, "lanes": [[0.5, 0, 1, 1, 0, 0]]}, "damaged", id="half a rank"),
        pytest.param({**GOOD, "done": [[0, [1, 1, 1, "pad"], [[1, 10**15]]], [2]]}, "", id="a bomb of rows is cut"),
        pytest.param({**GOOD, "done": [[10**8 + 1]]}, "damaged", id="more handed out than there is"),
        pytest.param({**GOOD, "done": [[10**8], [1]]}, "damaged", id="more handed out than was left"),
        pytest.param({**GOOD, "done": [[10**8 - 9, [5, 5]]]}, "damaged", id="runs beyond the end"),
        pytest.param({**GOOD, "done": [[0, [1, 1, 1, "pad"], [[10**8 + 1, 1]]]]}, "damaged", id="rows beyond the end"),
        pytest.param({**GOOD, "done": [[10**19]]}, "damaged", id="more handed out than 64 bits can say"),
        pytest.param({**GOOD, "deal": [1, 1, 10**19, "pad"]}, "damaged", id="a chunk of more than 64 bits can say"),
        pytest.param({**GOOD, "turn": 2}, "damaged", id="the turn of a worker that there is not"),
        pytest.param({**GOOD, "begun": [10**8, 3]}, "damaged", id="a row left midway beyond the end"),
        pytest.param({**GOOD, "lanes": []}, "damaged", id="a deal to nobody"),
        pytest.param({**GOOD, "lanes": [[2, 0, 1, 5, 0, 0]]}, "damaged", id="a rank that there is not"),
        pytest.param({**GOOD, "lanes": [[0, 2, 1, 5, 0, 0]]}, "damaged", id="a worker that there is not"),
        pytest.param({**GOOD, "lanes": [[-1, 0, 1, 25_000_001, 0, 0]]}, "damaged", id="more rows than were dealt"),
        pytest.param(
            {**GOOD, "lanes": [[-1, 0, 1, 25_000_000, 1, 0]]}, "damaged", id="samples of a row after the last"
        ),
        pytest.param({**GOOD, "lanes": [[-1, 0, 1, 5, 0, 10**12]]}, "damaged", id="more bad rows than were dealt"),
        pytest.param({**GOOD, "lanes": [[-1, 0, 1, 25_000_000, 0, 0]]}, "", id="a worker that is done is one"),
        pytest.param({**GOOD, "done": [[10**8]], "lanes": [[-1, 0, 2, 0, 0, 0]]}, "", id="so is an epoch that is over"),
        pytest.param({**GOOD, "done": [[0, [2, 1, 1, "pad"], [[1, 1]]]]}, "damaged", id="rows of half the ranks"),
        pytest.param({**GOOD, "done": [[0, [10**9, 10**9, 1, "pad"], [[1, 10**18]]]]}, "damaged", id="a bomb of ranks"),
        pytest.param({**GOOD, "done": 5}, "damaged", id="done is no list"),
        pytest.param({**GOOD, "begun": [[1]]}, "damaged", id="begun cut off"),
        pytest.param({key: value for key, value in GOOD.items() if key != "epoch"}, "damaged", id="no epoch"),
    ],
)
def test_what_is_no_state_of_this_dataset_is_refused(told: Any, said: str) -> None:
    if not said:
        assert from_dict(told, OURS).epoch == 3
        return
    with pytest.raises(StateMismatch, match=said) as caught:
        from_dict(told, OURS)
    assert caught.value.advice


@given(
    st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4)), st.data()
)
def test_a_damaged_state_is_never_anything_but_a_mismatch(junk: Any, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(["epoch", "done", "begun", "deal", "turn", "lanes"]))
    try:
        state = from_dict({**GOOD, key: junk}, OURS)
        start_of(state, OURS.count, Deal(3, 1), 0)
    except StateMismatch:
        pass


def of_rank(rank: int, rows: int, **more: Any) -> EpochState:
    return EpochState(0, (), (), Deal(2), 0, {Lane(rank, 0): Progress(rows, **more)})


def first_left(state: EpochState, deal: Deal) -> list[int]:
    start = start_of(state, 10, deal, 0)
    return [int(position) for position in start.remainder.positions(np.arange(len(start.remainder), dtype=np.int64))]


class TestStatesOfSeveralRanks:
    def test_they_say_together_what_is_left(self) -> None:
        states = [of_rank(0, 2), of_rank(1, 4)]
        assert first_left(joined(states), Deal(1)) == [4, 6, 8, 9]
        assert first_left(joined(states[::-1]), Deal(1)) == [4, 6, 8, 9]

    def test_one_that_is_at_the_end_of_the_epoch_has_had_all_its_rows(self) -> None:
        for states in ([of_rank(0, 2), EpochState(1)], [EpochState(1), of_rank(0, 2)]):
            assert first_left(joined(states, 10), Deal(1)) == [4, 6, 8]
        for other in (EpochState(2), EpochState(0)):
            with pytest.raises(StateMismatch, match="different epochs"):
                joined([of_rank(0, 2), other], 10)
        with pytest.raises(StateMismatch, match="different epochs"):
            joined([of_rank(0, 2), of_rank(1, 2), EpochState(1)], 10)

    def test_what_a_rank_says_of_itself_counts_more_than_what_another_says_of_all(self) -> None:
        """Rank 0 has met no row that is left out, so it takes all to be as far as itself."""
        states = [of_rank(EVERY_RANK, 1), of_rank(1, 3)]
        assert first_left(joined(states), Deal(1)) == [2, 4, 6, 7, 8, 9]
        assert start_of(joined(states), 10, Deal(2), 1).of(0) == Progress(3)
        assert start_of(joined(states[::-1]), 10, Deal(2), 1).of(0) == Progress(3)

    def test_one_rank_alone_does_not_say_what_the_others_did(self) -> None:
        with pytest.raises(StateMismatch, match="nothing of worker 0 of rank 1.*states of all ranks"):
            start_of(of_rank(0, 2), 10, Deal(1), 0)
        with pytest.raises(StateMismatch, match="nothing of worker 0 of rank 1"):
            start_of(of_rank(0, 2), 10, Deal(2), 1)

    def test_its_own_state_is_enough_for_a_rank_that_goes_on_as_before(self) -> None:
        assert start_of(of_rank(1, 4, missing=2), 10, Deal(2), 1).of(0) == Progress(4, 0, 2)

    def test_ranks_that_were_not_in_step_cannot_speak_for_all(self) -> None:
        with pytest.raises(StateMismatch, match="every rank is at row 2, and at row 3.*as many batches"):
            joined([of_rank(EVERY_RANK, 2), of_rank(EVERY_RANK, 3)])

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(EpochState(2), id="another epoch"),
            pytest.param(EpochState(0, (Done(3),), (), Deal(2), 0, {Lane(1, 0): Progress(2)}), id="another beginning"),
            pytest.param(EpochState(0, (), (), Deal(2, 2), 0, {Lane(1, 0): Progress(2)}), id="other workers"),
        ],
    )
    def test_states_of_different_moments_are_refused(self, other: EpochState) -> None:
        with pytest.raises(StateMismatch, match="taken together"):
            joined([of_rank(0, 2), other])


def test_a_row_left_midway_is_known_by_its_position() -> None:
    start = start_of(of_rank(EVERY_RANK, 2, outputs=3), 10, Deal(1), 0)
    assert start.begun == {4: 3, 5: 3}


def test_dealt_as_before_each_worker_goes_on_with_its_own() -> None:
    start = start_of(of_rank(EVERY_RANK, 2), 10, Deal(2), 1)
    assert (start.of(0), len(start.remainder)) == (Progress(2), 10)
