"""torchdata's StatefulDataLoader: its own state, loaded by itself or by a dataset."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from torchdata.stateful_dataloader import StatefulDataLoader

from dataflux_core.errors import StateMismatch
from tests.streaming.loaders import loaded
from tests.streaming.streams import MANY_WORKERS, batches, flat, numbered, numbers, numbers_of

pytestmark = [MANY_WORKERS, pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")]

COUNT = 50


def stateful(dataset: Any, workers: int, **options: Any) -> Any:
    return StatefulDataLoader(dataset, batch_size=4, num_workers=workers, **options)


def stopped(workers: int, stop: int, **options: Any) -> tuple[list[list[int]], Any]:
    """Return the first batches with the loader's state after them."""
    loader = stateful(numbered(COUNT), workers, **options)
    iterator = iter(loader)
    seen = [numbers_of(next(iterator)) for _ in range(stop)]
    return seen, copy.deepcopy(loader.state_dict())


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("stop", [1, 5, *(pytest.param(stop, marks=pytest.mark.matrix) for stop in (2, 11))])
def test_another_loader_goes_on_with_its_state(workers: int, stop: int) -> None:
    whole = batches(stateful(numbered(COUNT), workers))
    seen, state = stopped(workers, stop)
    loader = stateful(numbered(COUNT), workers)
    loader.load_state_dict(state)
    assert seen + batches(loader) == whole
    following = flat(batches(loader))
    assert sorted(following) == list(range(COUNT))
    assert following != flat(whole), "the next epoch"


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("stop", [1, 5])
@pytest.mark.parametrize("then", [0, 2])
def test_a_dataset_goes_on_with_its_state_in_any_number_of_workers(workers: int, stop: int, then: int) -> None:
    seen, state = stopped(workers, stop)
    dataset = numbered(COUNT)
    dataset.load_state_dict(state)
    assert sorted(flat(seen) + flat(batches(loaded(dataset, 4, num_workers=then)))) == list(range(COUNT))


def test_a_loader_that_keeps_its_state_tells_the_dataset_as_a_plain_one_does() -> None:
    dataset = numbered(COUNT)
    iterator = iter(stateful(dataset, 2))
    seen = flat(numbers_of(next(iterator)) for _ in range(3))
    again = numbered(COUNT)
    again.load_state_dict(dataset.state_dict())
    assert sorted(seen + numbers(again)) == list(range(COUNT))


def test_workers_that_are_kept_tell_of_their_next_epoch() -> None:
    loader = stateful(numbered(COUNT), 3, persistent_workers=True)
    batches(loader)
    expected = batches(loader)
    loader = stateful(numbered(COUNT), 3, persistent_workers=True)
    batches(loader)
    iterator = iter(loader)
    seen = [numbers_of(next(iterator)) for _ in range(4)]
    state = copy.deepcopy(loader.state_dict())
    loader = stateful(numbered(COUNT), 3, persistent_workers=True)
    loader.load_state_dict(state)
    assert seen + batches(loader) == expected
    dataset = numbered(COUNT)
    dataset.load_state_dict(state)
    assert sorted(flat(seen) + numbers(dataset)) == list(range(COUNT))


def test_a_state_behind_what_was_handed_out_is_refused() -> None:
    _, state = stopped(2, 3, snapshot_every_n_steps=5)
    with pytest.raises(StateMismatch, match="snapshot_every_n_steps=1"):
        numbered(COUNT).load_state_dict(state)
