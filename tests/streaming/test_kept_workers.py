"""Workers that live on from epoch to epoch: they begin where the loop says, the state says so."""

from __future__ import annotations

from typing import Any

import pytest

from dataflux_core.errors import StateMismatch
from tests.streaming.loaders import loaded
from tests.streaming.streams import batches, flat, numbered, taken

KEPT: dict[str, Any] = {"batch_size": 4, "num_workers": 1, "persistent_workers": True}


def midway(samples: int) -> Any:
    dataset = numbered(40)
    taken(iter(dataset), samples)
    return dataset.state_dict()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_state_that_was_gone_on_from_is_used_once(method: str) -> None:
    dataset = numbered(40)
    dataset.load_state_dict(midway(16))
    loader = loaded(dataset, multiprocessing_context=method, **KEPT)
    given = [len(flat(batches(loader))) for _ in range(2)]
    for epoch in (5, 0):
        dataset.set_epoch(epoch)
        given.append(len(flat(batches(loader))))
    assert given == [24, 40, 40, 40]


def test_an_epoch_may_be_asked_for_again_and_again() -> None:
    """As for validation, whose order is to stay as it is."""
    dataset = numbered(40)
    loader = loaded(dataset, **KEPT)
    given = []
    for _ in range(3):
        dataset.set_epoch(0)
        given.append(batches(loader))
    assert given == [given[0]] * 3
    assert sorted(flat(given[0])) == list(range(40))


def test_a_state_of_the_front_of_an_epoch_can_be_loaded_at_any_time() -> None:
    dataset = numbered(40)
    loader = loaded(dataset, **KEPT)
    front = dataset.state_dict()
    first = batches(loader)
    dataset.load_state_dict(front)
    assert batches(loader) == first
    with pytest.raises(StateMismatch, match=r"persistent_workers.*DataLoader anew"):
        dataset.load_state_dict(midway(16))


@pytest.mark.parametrize("taken_before", [None, 3], ids=["a pass that ended", "a pass that was left"])
def test_before_its_first_batch_the_next_epoch_is_at_its_front(taken_before: int | None) -> None:
    """The loader's count is 0 again before a worker has begun."""
    dataset = numbered(40)
    loader = loaded(dataset, **KEPT)
    if taken_before is None:
        batches(loader)
    else:
        iterator = iter(loader)
        for _ in range(taken_before):
            next(iterator)
    iterator = iter(loader)
    states = [dataset.state_dict()]
    next(iterator)
    states.append(dataset.state_dict())
    assert [state["epoch"] for state in states] == [1, 1]
    assert "lanes" not in states[0]
    assert "lanes" in states[1]
    for _ in iterator:
        pass
    assert dataset.state_dict()["epoch"] == 2
