"""Exactly once: any ranks, workers, start methods, any moment, gone on with in any others."""

from __future__ import annotations

import json
import multiprocessing
import random
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import stop_forkserver
from tests.streaming.loaders import Cell, loaded_in, step
from tests.streaming.streams import MANY_WORKERS, flat, numbered, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [MANY_WORKERS, pytest.mark.timeout(600)]

COUNT = 103
WORLDS, WORKERS, METHODS = (1, 2, 4), (0, 2, 8), ("fork", "spawn", "forkserver")
BESIDE = (Cell(1, 0), Cell(2, 2))
CELLS = [
    Cell(world, workers, method)
    for world, workers, method in product(WORLDS, WORKERS, METHODS)
    if workers or method == "fork"  # without workers there is nothing to be started
]
FORKED = [cell for cell in CELLS if cell.method == "fork"]
# Workers that are no forks import torch anew, so each cell of them goes on after one of two others, then before the
# other one.
CHAINS = [
    *product(FORKED, FORKED),
    *((before, cell, after) for cell in CELLS if cell not in FORKED for before, after in permutations(BESIDE)),
]
_FEW = [
    (Cell(1, 0), Cell(2, 2)),
    (Cell(2, 2), Cell(1, 0)),
    (Cell(2, 2), Cell(4, 0)),
    (Cell(4, 0), Cell(1, 8)),
    (Cell(1, 8), Cell(2, 0)),
    (Cell(1, 2), Cell(1, 3)),
]


@pytest.fixture(scope="module")
def ready_forkserver() -> Iterator[None]:
    """Let a forkserver import once what each of its workers would import for itself."""
    stop_forkserver()
    multiprocessing.set_forkserver_preload(["__main__", "torch", "dataflux_core.streaming"])
    yield
    stop_forkserver()
    multiprocessing.set_forkserver_preload(["__main__"])


def ranks_of(world: int, state: object, tail: str = "uneven") -> list[Any]:
    ranks = [numbered(COUNT, rank=rank, world=world, tail=tail) for rank in range(world)]
    for dataset in ranks:
        if state is not None:
            dataset.load_state_dict(json.loads(json.dumps(state)))
    return ranks


def piece(cell: Cell, state: object, steps: int | None) -> tuple[list[int], Any]:
    """Go on for so many steps of all ranks; return what came with the state that rank 0 has then."""
    ranks = ranks_of(cell.world, state)
    if steps is None:
        return flat(numbers_of(batch) for dataset in ranks for batch in loaded_in(cell, dataset)), None
    iterators: list[Iterator[Any]] = [iter(loaded_in(cell, dataset)) for dataset in ranks]
    seen = flat(step(iterators) for _ in range(steps))
    return seen, ranks[0].state_dict()


def check(cells: list[Cell], luck: random.Random) -> None:
    """Stop after some batches in each cell; the last goes on to the end."""
    seen: list[int] = []
    state = None
    for cell in cells[:-1]:
        left = COUNT - len(seen)
        came, state = piece(
            cell, state, luck.randrange(max(1, left // (4 * cell.world * max(1, cell.workers)) + 1) + 1)
        )
        seen += came
        if state["epoch"]:
            break
        assert len(json.dumps(state)) < 1000
    else:
        seen += piece(cells[-1], state, None)[0]
    assert sorted(seen) == list(range(COUNT)), (cells, state)


@pytest.mark.parametrize("pair", _FEW, ids=str)
@pytest.mark.parametrize("seed", range(2))
def test_each_sample_comes_once_when_another_cell_goes_on(pair: tuple[Cell, Cell], seed: int) -> None:
    check(list(pair), random.Random(seed))


@pytest.mark.parametrize("seed", range(3))
def test_each_sample_comes_once_over_several_cells(seed: int) -> None:
    luck = random.Random(seed)
    check(luck.choices([cell for cell in FORKED if cell.world * cell.workers <= 4], k=4), luck)


@pytest.mark.matrix
@pytest.mark.usefixtures("ready_forkserver")
@pytest.mark.parametrize("cells", CHAINS, ids=str)
def test_each_sample_comes_once_over_any_two_cells(cells: tuple[Cell, ...]) -> None:
    check(list(cells), random.Random(" ".join(map(str, cells))))


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("stop", [1, 5, *(pytest.param(stop, marks=pytest.mark.matrix) for stop in (0, 2, 12))])
def test_the_same_cell_gives_the_batches_of_an_unbroken_run(workers: int, stop: int) -> None:
    cell = Cell(2, workers)

    def begun(ranks: list[Any]) -> list[Iterator[Any]]:
        return [iter(loaded_in(cell, dataset)) for dataset in ranks]

    def whole() -> list[list[int]]:
        iterators = begun(ranks_of(2, None, "pad"))
        return [step(iterators) for _ in range(15)]

    ranks = ranks_of(2, None, "pad")
    iterators = begun(ranks)
    seen = [step(iterators) for _ in range(stop)]
    states = [dataset.state_dict() for dataset in ranks]
    assert states[0] == states[1]
    del iterators
    assert [dataset.state_dict() for dataset in ranks] == states, "though the loaders are gone"
    iterators = begun(ranks_of(2, states[0], "pad"))
    seen += [step(iterators) for _ in range(15 - stop)]
    assert seen == whole()
