"""One state for all ranks where each row is known to give one sample; else one of each."""

from __future__ import annotations

import json
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.errors import BadSample, InvalidArgument, StateMismatch
from dataflux_core.streaming import Translation, one_to_one
from tests.streaming.streams import numbered, numbers, taken

if TYPE_CHECKING:
    from collections.abc import Iterator


@one_to_one
def same(sample: dict[str, Any]) -> dict[str, Any]:
    return sample


def undeclared(sample: dict[str, Any]) -> dict[str, Any] | None:
    return sample if sample["n"] != 7 else None


def by_key(sample: dict[str, Any], key: str) -> dict[str, Any]:
    return {"n": sample[key]}


def states_of(transforms: Any) -> list[Any]:
    ranks = [numbered(40, rank=rank, world=2, transforms=transforms) for rank in range(2)]
    for dataset in ranks:
        taken(iter(dataset), 3)
    return [dataset.state_dict() for dataset in ranks]


@pytest.mark.parametrize(
    "transforms",
    [
        pytest.param(None, id="no transform"),
        pytest.param(same, id="a function that is declared"),
        pytest.param(Translation(dict, dict), id="a translation"),
        pytest.param([one_to_one(partial(by_key, key="n")), same], id="several"),
    ],
)
def test_where_each_row_gives_one_all_ranks_have_one_state(transforms: Any) -> None:
    first, second = states_of(transforms)
    assert first == second


def test_a_rank_that_has_dropped_nothing_yet_speaks_for_itself_alone() -> None:
    first, second = states_of(undeclared)
    assert first != second
    other = numbered(40, rank=1, world=2, transforms=undeclared)
    other.load_state_dict(first)
    with pytest.raises(StateMismatch, match=r"rank 1.*states of all ranks"):
        numbers(other)
    three = [numbered(40, rank=rank, world=3, tail="uneven", transforms=undeclared) for rank in range(3)]
    rest = []
    for dataset in three:
        dataset.load_state_dict([first, second])
        rest += numbers(dataset)
    assert len(rest) == len(set(rest))
    assert len(rest) in (33, 34)


@pytest.mark.parametrize("given", [None, [], [{"n": 1}]])
@pytest.mark.parametrize("kind", ["declared", "translated"])
def test_who_has_declared_one_and_gives_another_has_failed(given: Any, kind: str) -> None:
    def wrong(_: dict[str, Any]) -> Any:
        return given

    transform = one_to_one(wrong) if kind == "declared" else Translation(wrong, dict)
    with pytest.raises(BadSample, match=r"transform .*wrong.*: expected one dict for each"):
        numbers(numbered(4, transforms=transform))


def test_a_declaration_travels_to_processes_that_do_not_see_it() -> None:
    """The function is sent by its name, and was declared only here."""
    dataset = pickle.loads(pickle.dumps(numbered(4, transforms=one_to_one(partial(by_key, key="n")))))
    assert dataset._feed.corpus.streams[0].recipe.pipeline.give_one == (True,)


def test_what_takes_no_mark_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="function"):
        one_to_one([].append)


def several(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from [sample] * 5


@pytest.mark.parametrize("workers", [1, 16, 64])
def test_a_state_of_workers_that_are_unevenly_far_is_as_long_as_is_said(workers: int) -> None:
    lanes = [[0, worker, 1, 1000 + 977 * worker % 500, 3, 0] for worker in range(workers)]
    dataset = numbered(100_000, transforms=several)
    dataset.load_state_dict({**dataset.state_dict(), "deal": [1, workers, 32, "pad"], "turn": 0, "lanes": lanes})
    state = dataset.state_dict()
    assert len(state["lanes"]) == workers
    assert len(json.dumps(state)) < 1000 + 32 * workers
