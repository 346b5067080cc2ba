"""Resume without torch: any ranks, any moment, any policy; each sample exactly once."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core.errors import BadSample, InvalidArgument, StateMismatch
from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.streaming.streams import filed, flat, in_turn, numbered, numbers, taken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def world_of(world: int, count: int, state: object = None, **keywords: Any) -> list[StreamingDataset]:
    ranks = [numbered(count, rank=rank, world=world, **keywords) for rank in range(world)]
    for dataset in ranks:
        if state is not None:
            dataset.load_state_dict(state)
    return ranks


@pytest.mark.parametrize("stop", [0, 1, 7, 29, 30])
def test_what_follows_is_what_would_have_followed(stop: int) -> None:
    unbroken = numbered(30)
    expected = [numbers(unbroken), numbers(unbroken)]
    dataset = numbered(30)
    iterator = iter(dataset)
    seen = taken(iterator, stop)
    state = json.loads(json.dumps(dataset.state_dict()))
    dataset = numbered(30)
    dataset.load_state_dict(state)
    assert dataset.state_dict() == state, "loading changes nothing"
    rest = [numbers(dataset), numbers(dataset)]
    if stop == 30:  # over, whether or not one sample more was asked for
        assert (seen, rest[0]) == (expected[0], expected[1])
    else:
        assert (seen + rest[0], rest[1]) == (expected[0], expected[1])


def test_a_state_is_what_was_handed_out_not_what_was_read_ahead(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 200)
    iterator = iter(dataset)
    seen = taken(iterator, 3)
    state = dataset.state_dict()
    again = filed(tmp_path / "f", 200)
    again.load_state_dict(state)
    assert sorted(seen + numbers(again)) == list(range(200))
    assert dataset.state_dict() == state, "though the other has gone on"


def test_a_loop_that_says_its_epoch_each_time_goes_on_midway() -> None:
    """As loops do that were written for torch's DistributedSampler."""
    dataset = numbered(30)
    seen = taken(iter(dataset), 12)
    state = dataset.state_dict()
    dataset = numbered(30)
    dataset.load_state_dict(state)
    epochs = []
    for epoch in range(state["epoch"], 2):
        dataset.set_epoch(epoch)
        epochs.append(numbers(dataset))
    assert sorted(seen + epochs[0]) == list(range(30))
    assert sorted(epochs[1]) == list(range(30))
    dataset.set_epoch(0)
    assert sorted(numbers(dataset)) == list(range(30)), "asked for again, an epoch begins at its front"


def test_all_ranks_in_step_have_one_state() -> None:
    ranks = world_of(4, 50)
    in_turn([iter(dataset) for dataset in ranks], 5)
    states = [dataset.state_dict() for dataset in ranks]
    assert states == [states[0]] * 4
    assert len(json.dumps(states[0])) < 1000


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60),
    st.lists(st.tuples(st.sampled_from([1, 2, 3, 4]), st.integers(0, 20), st.sampled_from([None, 1, 4])), max_size=5),
    st.sampled_from([1, 2, 4]),
)
def test_each_sample_comes_once_over_any_ranks_at_any_moments(
    count: int, pieces: list[tuple[int, int, int | None]], last_world: int
) -> None:
    state: Any = None
    seen: list[int] = []
    for world, rounds, batch_size in pieces:
        ranks = world_of(world, count, state, batch_size=batch_size, tail="uneven")
        seen += flat(numbers(islice(dataset, rounds)) for dataset in ranks)
        state = ranks[0].state_dict()  # of the rank that has most
        if state["epoch"]:
            break
    else:
        ranks = world_of(last_world, count, state, tail="uneven")
        seen += flat(numbers(dataset) for dataset in ranks)
    assert sorted(seen) == list(range(count))


@pytest.mark.parametrize(
    "keywords",
    [
        pytest.param({"block_samples": 8}, id="blocks"),
        pytest.param({"shuffle": False}, id="unshuffled"),
        pytest.param({"seed": 2**70}, id="a seed of any size"),
        pytest.param({"batch_size": 4}, id="chunks"),
    ],
)
def test_every_order_is_gone_on_with(keywords: dict[str, Any]) -> None:
    ranks = world_of(2, 40, **keywords)
    seen = in_turn([iter(dataset) for dataset in ranks], 7)
    for world in (1, 2, 3):
        rest = flat(
            numbers(dataset) for dataset in world_of(world, 40, ranks[0].state_dict(), tail="uneven", **keywords)
        )
        assert sorted(seen + rest) == list(range(40))


def test_shares_of_nodes_are_kept_and_gone_on_with_by_as_many_ranks() -> None:
    def shares(ranks: list[StreamingDataset]) -> list[set[int]]:
        given = [numbers(dataset) for dataset in ranks]
        return [set(given[0] + given[1]), set(given[2] + given[3])]

    ranks = world_of(4, 40, ranks_per_node=2)
    assert shares(ranks) == shares(ranks), "a node's samples are its own in every epoch"
    seen = in_turn([iter(dataset) for dataset in ranks], 3)
    state = ranks[0].state_dict()
    rest = flat(numbers(dataset) for dataset in world_of(4, 40, state, ranks_per_node=2))
    assert sorted(seen + rest) == list(range(40))
    with pytest.raises(StateMismatch, match="ranks_per_node"):
        world_of(2, 40, state, ranks_per_node=2)


class TestRowsThatGiveOtherThanOneSample:
    @staticmethod
    def dropping(sample: dict[str, Any]) -> dict[str, Any] | None:
        return sample if sample["n"] % 3 else None

    @staticmethod
    def doubling(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for part in range(sample["n"] % 4):
            yield {**sample, "part": part}

    def expected(self, transform: Any, count: int = 30) -> list[tuple[int, int]]:
        return sorted(self.parts(numbered(count, transforms=transform)))

    @staticmethod
    def parts(samples: Any) -> list[tuple[int, int]]:
        return [(sample["n"], sample.get("part", 0)) for sample in samples]

    @pytest.mark.parametrize("transform", ["dropping", "doubling"])
    @pytest.mark.parametrize("stop", [1, 2, 3, 4, 5, 11, 19])
    def test_the_rest_follows_midway_in_a_row(self, transform: str, stop: int) -> None:
        steps = getattr(self, transform)
        whole = self.parts(numbered(30, transforms=steps))
        dataset = numbered(30, transforms=steps)
        iterator = iter(dataset)
        seen = self.parts([next(iterator) for _ in range(stop)])
        again = numbered(30, transforms=steps)
        again.load_state_dict(dataset.state_dict())
        assert seen + self.parts(again) == whole

    @pytest.mark.parametrize("transform", ["dropping", "doubling"])
    @pytest.mark.parametrize("rounds", [1, 2, 3, 5, 7])
    @pytest.mark.parametrize("world", [1, 2, 3])
    def test_states_of_all_ranks_go_on_in_any_number_of_ranks(self, transform: str, rounds: int, world: int) -> None:
        steps = getattr(self, transform)
        ranks = world_of(2, 30, transforms=steps)
        iterators = [iter(dataset) for dataset in ranks]
        seen = self.parts([next(iterator) for _ in range(rounds) for iterator in iterators])
        states = [dataset.state_dict() for dataset in ranks]
        for again in world_of(world, 30, states, transforms=steps, tail="uneven"):
            seen += self.parts(again)
        assert sorted(seen) == self.expected(steps)

    def test_one_rank_alone_cannot_say_what_others_did(self) -> None:
        ranks = world_of(2, 30, transforms=self.doubling)
        in_turn([iter(dataset) for dataset in ranks], 3)
        state = ranks[0].state_dict()
        world_of(2, 30, transforms=self.doubling)[0].load_state_dict(state)
        with pytest.raises(StateMismatch, match="states of all ranks"):
            numbers(world_of(1, 30, state, transforms=self.doubling)[0])


class TestBadSamples:
    BAD = (0, 1, 4, 8, 9, 16, 17, 25)

    def ranks(self, folder: Path, world: int, states: Any = None, **keywords: Any) -> list[StreamingDataset]:
        """Make ranks of 24 samples, a third of them bad, rank 0's above all."""
        options: dict[str, Any] = {"shuffle": False, "on_bad_sample": "skip", **keywords}
        made = [filed(folder, 30, self.BAD, rank=rank, world=world, **options) for rank in range(world)]
        for dataset in made:
            if states is not None:
                dataset.load_state_dict(states)
        return made

    @pytest.mark.parametrize("tail", ["pad", "drop"])
    @pytest.mark.parametrize("world", [1, 2, 4])
    @pytest.mark.parametrize("policy", ["skip", "fill", "callable"])
    def test_every_rank_gives_as_many(self, tmp_path: Path, policy: Any, world: int, tail: str) -> None:
        on_bad: dict[str, Any] = {"on_bad_sample": policy}
        if policy == "fill":
            on_bad["fill_value"] = {"url": -1}
        elif policy == "callable":
            on_bad["on_bad_sample"] = lambda _, partial: partial if partial["n"] % 2 else None
        ranks = self.ranks(tmp_path / "f", world, tail=tail, **on_bad)
        given = [numbers(dataset) for dataset in ranks]
        if world > 1 or policy == "fill":
            assert list(map(len, given)) == list(map(len, ranks))
        else:
            assert len(given[0]) == len(set(given[0])), "one rank alone repeats nothing"
        good = set(range(30)) - {number for number in self.BAD if policy != "callable" or number % 2 == 0}
        wanted = set(range(30)) if policy == "fill" else good
        dropped = wanted - set(flat(given))
        assert set(flat(given)) <= wanted
        assert len(dropped) <= (30 % world if tail == "drop" else 0)

    @pytest.mark.parametrize("bad", [range(0, 30, 2), range(29), [*range(0, 30, 2), 1, 3, 5, 7, 9, 11, 13, 15, 17]])
    def test_ranks_of_which_one_has_nothing_good_give_as_many_too(self, tmp_path: Path, bad: Any) -> None:
        ranks = [
            filed(tmp_path / "f", 30, bad, rank=rank, world=2, shuffle=False, on_bad_sample="skip") for rank in range(2)
        ]
        assert [len(numbers(dataset)) for dataset in ranks] == [15, 15]

    @pytest.mark.parametrize("rounds", [1, 2, 5, 10, 13, 14])
    @pytest.mark.parametrize("world", [1, 2, 3])
    def test_ranks_stay_even_when_they_go_on(self, tmp_path: Path, rounds: int, world: int) -> None:
        ranks = self.ranks(tmp_path / "f", 2)
        seen = in_turn([iter(dataset) for dataset in ranks], rounds)
        states = [dataset.state_dict() for dataset in ranks]
        rest = [numbers(dataset) for dataset in self.ranks(tmp_path / "f", world, states)]
        assert len({len(own) for own in rest}) == 1
        assert set(seen + flat(rest)) == set(range(30)) - set(self.BAD)
        if world == 2:
            assert len(rest[0]) == 15 - rounds, "as many as if nothing had happened"

    @pytest.mark.parametrize("tail", ["pad", "drop", "uneven"])
    @pytest.mark.parametrize(("rounds", "world"), [(1, 2), (5, 2), (11, 2), (3, 4), (0, 1), (11, 1), (21, 1)])
    def test_a_rank_alone_leaves_bad_samples_out(self, tmp_path: Path, rounds: int, world: int, tail: str) -> None:
        ranks = self.ranks(tmp_path / "f", world, tail=tail)
        seen = in_turn([iter(dataset) for dataset in ranks], rounds)
        states = [dataset.state_dict() for dataset in ranks]
        rest = numbers(self.ranks(tmp_path / "f", 1, states, tail=tail)[0])
        assert sorted(seen + rest) == sorted(set(range(30)) - set(self.BAD))

    @pytest.mark.parametrize("rounds", [0, 1, 10, 21])
    def test_a_rank_alone_goes_on_as_two(self, tmp_path: Path, rounds: int) -> None:
        (alone,) = self.ranks(tmp_path / "f", 1)
        seen = in_turn([iter(alone)], rounds)
        rest = [numbers(dataset) for dataset in self.ranks(tmp_path / "f", 2, alone.state_dict())]
        assert len(rest[0]) == len(rest[1])
        assert set(seen + flat(rest)) == set(range(30)) - set(self.BAD)
        assert not set(seen) & set(flat(rest))

    def test_uneven_ranks_make_up_for_nothing(self, tmp_path: Path) -> None:
        given = flat(numbers(dataset) for dataset in self.ranks(tmp_path / "f", 4, tail="uneven"))
        assert sorted(given) == sorted(set(range(30)) - set(self.BAD))

    def test_unless_told_otherwise_the_first_bad_sample_is_an_error(self, tmp_path: Path) -> None:
        dataset = self.ranks(tmp_path / "f", 1, on_bad_sample="raise")[0]
        with pytest.raises(BadSample, match=r"row 0 \(id '0'\), column 'url'.*on_bad_sample"):
            numbers(dataset)
        assert dataset.state_dict()["epoch"] == 0


class TestMixed:
    @staticmethod
    def mixed(rank: int = 0, world: int = 1, **keywords: Any) -> MixedDataset:
        datasets = [numbered(20), numbered(31, shuffle=False), numbered(9)]
        options: dict[str, Any] = {"rank": rank, "world": world, **keywords}
        return MixedDataset(datasets, **options)

    @pytest.mark.parametrize(
        "amounts",
        [{"proportion": [0.5, 0.3, 0.2], "epoch_samples": 60}, {"repeat": [1, 0.5, 3]}, {"choose": [5, 40, 7]}, {}],
        ids=["proportion", "repeat", "choose", "each once"],
    )
    @pytest.mark.parametrize("schedule", ["random", "interleaved", "consecutive"])
    @pytest.mark.parametrize("kind", ["mixed", "one"])
    def test_a_mix_is_gone_on_with(self, amounts: dict[str, Any], schedule: str, kind: str) -> None:
        options: dict[str, Any] = {**amounts, "schedule": schedule, "batches": kind, "batch_size": 4}
        whole = numbers(self.mixed(**options))
        dataset = self.mixed(**options)
        seen = taken(iter(dataset), 13)
        state = dataset.state_dict()
        assert len(json.dumps(state)) < 1000
        again = self.mixed(**options)
        again.load_state_dict(state)
        assert seen + numbers(again) == whole
        ranks = [self.mixed(rank, 3, tail="uneven", **options) for rank in range(3)]
        for rank in ranks:
            rank.load_state_dict(state)
        assert sorted(seen + flat(map(numbers, ranks))) == sorted(whole)

    def test_batches_of_one_stream_are_that_over_any_workers(self) -> None:
        def of_stream(name: str, count: int) -> StreamingDataset:
            rows = [{"stream": name, "n": number} for number in range(count)]
            return StreamingDataset(rows, columns_to_load=[], shuffle=True)

        mixed = MixedDataset([of_stream("a", 40), of_stream("b", 20)], batches="one", batch_size=4)
        assert all(len(set(batch["stream"])) == 1 for batch in mixed.batches(4))

    def test_a_state_of_another_mix_is_refused(self) -> None:
        state = self.mixed(repeat=[1, 1, 1]).state_dict()
        with pytest.raises(StateMismatch, match="order"):
            self.mixed(repeat=[1, 2, 1 / 9 * 4.4]).load_state_dict(
                {**state, "count": self.mixed(repeat=[1, 2, 4 / 9]).state_dict()["count"]}
            )

    def test_a_state_of_many_streams_is_as_small(self) -> None:
        dataset = MixedDataset([numbered(100) for _ in range(64)], proportion=[1 / (3 + at) for at in range(64)])
        taken(iter(dataset), 3)
        assert len(json.dumps(dataset.state_dict())) < 1000
        assert len(dataset) > 64

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            pytest.param({"proportion": [1, 1, 1], "choose": [1, 1, 1]}, "one of the three", id="two ways at once"),
            pytest.param({"proportion": [1, 1]}, "one for each of 3 streams", id="an amount is missing"),
            pytest.param({"batches": "one"}, "batch_size=", id="batches of no size"),
            pytest.param({"shuffle": True}, "with each dataset of the mix", id="shuffle of the mix"),
            pytest.param({"schedule": "fair"}, "interleaved", id="no such schedule"),
        ],
    )
    def test_what_cannot_be_mixed_is_refused(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidArgument, match=said):
            self.mixed(**options)
