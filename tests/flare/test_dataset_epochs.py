"""Exactly once over a playlist: any ranks, workers, start methods, any moment, gone on with in any others."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from benchmarking._nginx import Nginx
from dataflux_core.errors import InvalidArgument
from dataflux_core.flare import Playlist
from dataflux_core.flare.torch import FlareDataset
from tests.flare.datasets import COUNT, CUTS, numbered, numbered_spec, served_numbers
from tests.streaming.loaders import Cell, loaded_in, step
from tests.streaming.streams import MANY_WORKERS, flat, in_turn, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [MANY_WORKERS, pytest.mark.timeout(300)]

MANY = (40,) * 25  # chunks in runs and blocks


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("served")
    with Nginx(served_numbers(folder / "www", CUTS), folder / "nginx") as server:
        yield f"{server.url}/d"


@pytest.fixture(scope="module")
def many_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("many")
    with Nginx(served_numbers(folder / "www", MANY), folder / "nginx") as server:
        yield f"{server.url}/d"


def piece(url: str, cell: Cell, state: object, steps: int | None, **keywords: Any) -> tuple[list[int], Any]:
    """Go on for so many steps of all ranks; return what came, with the states that they have then."""
    ranks = [numbered(url, rank=rank, world=cell.world, tail="uneven", **keywords) for rank in range(cell.world)]
    for dataset in ranks:
        if state is not None:
            dataset.load_state_dict(json.loads(json.dumps(state)))
    if steps is None:
        return flat(numbers_of(batch) for dataset in ranks for batch in loaded_in(cell, dataset)), None
    iterators: list[Iterator[Any]] = [iter(loaded_in(cell, dataset)) for dataset in ranks]
    seen = flat(step(iterators) for _ in range(steps))
    return seen, [dataset.state_dict() for dataset in ranks]


PAIRS = [
    (Cell(1, 0), Cell(2, 2)),
    (Cell(2, 2), Cell(1, 0)),
    (Cell(4, 0), Cell(1, 2)),
    (Cell(1, 2), Cell(4, 2)),
]


STARTED = [(Cell(1, 2, "spawn"), Cell(2, 0)), (Cell(2, 0), Cell(1, 2, "forkserver"))]


@pytest.mark.parametrize("pair", [*PAIRS, *STARTED], ids=str)
def test_each_record_comes_once_when_another_cell_goes_on(url: str, pair: tuple[Cell, Cell]) -> None:
    first, second = pair
    seen, states = piece(url, first, None, random.Random(str(pair)).randrange(1, 5))
    seen += piece(url, second, states, None)[0]
    assert sorted(seen) == list(range(COUNT)), states


@pytest.mark.parametrize("pair", [*PAIRS, (Cell(1, 2, "forkserver"), Cell(1, 2))], ids=str)
def test_where_rows_are_chunks_one_may_be_left_midway(many_url: str, pair: tuple[Cell, Cell]) -> None:
    first, second = pair
    unknown: dict[str, Any] = {"counts": MANY, "has_records": False}
    seen, states = piece(many_url, first, None, random.Random(str(pair)).randrange(1, 5), **unknown)
    seen += piece(many_url, second, states, None, **unknown)[0]
    assert sorted(seen) == list(range(1000)), states


def test_a_rank_may_be_at_the_end_where_others_are_not(url: str) -> None:
    seen, states = piece(url, Cell(4, 0), None, 2, has_records=False)
    assert {state["epoch"] for state in states} == {0, 1}, "one had but a chunk without records, or one with three"
    for cell in (Cell(4, 0), Cell(1, 2)):
        rest = piece(url, cell, states, None, has_records=False)[0]
        assert sorted(seen + rest) == list(range(COUNT))


@pytest.mark.parametrize("block_samples", [0, 7, 80])
def test_runs_and_blocks_lose_nothing(many_url: str, block_samples: int) -> None:
    seen: list[int] = []
    states = None
    for cell, steps in ((Cell(2, 0), 30), (Cell(1, 2), 25), (Cell(4, 0), None)):
        came, states = piece(many_url, cell, states, steps, counts=MANY, block_samples=block_samples)
        seen += came
        if states is not None:
            assert len(json.dumps(states[0])) < 1000
            assert states[0] == states[-1]
    assert sorted(seen) == list(range(1000))


def test_the_order_is_one_for_any_world(many_url: str) -> None:
    """Dealt sample by sample, ranks that take turns give what one rank gives."""

    def order(world: int, epoch: int) -> list[int]:
        ranks = [numbered(many_url, MANY, rank=rank, world=world, batch_size=1, seed=3) for rank in range(world)]
        for dataset in ranks:
            dataset.set_epoch(epoch)
        return in_turn([iter(dataset) for dataset in ranks], 1000 // world)

    assert order(1, 0) == order(2, 0) == order(4, 0)
    assert order(1, 1) == order(4, 1) != order(1, 0)


def test_batches_are_the_same_for_any_number_of_workers(many_url: str) -> None:
    told = [
        [numbers_of(batch) for batch in loaded_in(Cell(1, workers), numbered(many_url, MANY, batch_size=4))]
        for workers in (0, 2, 3)
    ]
    assert told[0] == told[1] == told[2]


def test_the_same_cell_gives_the_rest_of_an_unbroken_run(many_url: str) -> None:
    whole = [sample["n"] for sample in numbered(many_url, MANY)]
    dataset = numbered(many_url, MANY)
    iterator = iter(dataset)
    seen = [next(iterator)["n"] for _ in range(333)]
    again = numbered(many_url, MANY)
    again.load_state_dict(dataset.state_dict())
    assert seen + [sample["n"] for sample in again] == whole


def test_the_short_way_gives_a_dataset_for_a_loader(url: str) -> None:
    dataset = FlareDataset(Playlist([numbered_spec(url), numbered_spec(url, name="y")]).dump(), "x", shuffle=True)
    next(iter(dataset))  # so that a fork inherits a reader at work
    for _ in range(2):
        told = flat(numbers_of(batch) for batch in loaded_in(Cell(1, 2), dataset))
        assert sorted(told) == list(range(COUNT))
    assert dataset.stats().samples == 2 * COUNT + 1
    with pytest.raises(InvalidArgument, match="behind the playlist"):
        FlareDataset(Playlist([numbered_spec(url)]), columns_to_load=["x"])
