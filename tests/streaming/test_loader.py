"""A dataset in torch's DataLoader: every sample once, states told by the process that consumes."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.utils.data import IterableDataset

from dataflux_core.errors import BadSample, StateMismatch
from tests.processes import is_alive, wait_until
from tests.streaming.loaders import loaded
from tests.streaming.streams import MANY_WORKERS, as_plain_rank, batches, filed, flat, numbered, numbers, numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue
    from pathlib import Path

    from dataflux_core.streaming import StreamingDataset

pytestmark = MANY_WORKERS


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
@pytest.mark.parametrize("batch_size", [4, 7, None])
def test_an_epoch_is_every_sample_once_the_next_in_another_order(workers: int, batch_size: int | None) -> None:
    dataset = numbered(40)
    loader = loaded(dataset, batch_size=batch_size, num_workers=workers)
    first, second = flat(batches(loader)), flat(batches(loader))
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second
    assert dataset.state_dict()["epoch"] == 2


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_are_no_forks_do_the_same(method: str, tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 30)
    loader = loaded(dataset, batch_size=4, num_workers=2, multiprocessing_context=method, persistent_workers=True)
    given = [batches(loader), batches(loader)]
    again = filed(tmp_path / "f", 30)
    forked = loaded(again, batch_size=4, num_workers=2)
    assert given == [batches(forked), batches(forked)]
    assert sorted(flat(given[1])) == list(range(30))
    assert dataset.state_dict() == again.state_dict()


def test_batches_are_the_same_however_many_workers_there_are() -> None:
    given = [
        batches(loaded(numbered(50, batch_size=4, rank=1, world=2), batch_size=4, num_workers=workers))
        for workers in (0, 1, 3)
    ]
    assert given[1:] == [given[0]] * 2


@pytest.mark.parametrize("workers", [2, 8])
def test_fewer_samples_than_workers(workers: int) -> None:
    dataset = numbered(3)
    loader = loaded(dataset, batch_size=2, num_workers=workers)
    assert sorted(flat(batches(loader))) == [0, 1, 2]
    assert dataset.state_dict()["epoch"] == 1


def test_workers_that_are_kept_go_from_epoch_to_epoch() -> None:
    expected = [batches(loaded(dataset, 4, num_workers=2)) for dataset in [numbered(30)] for _ in range(4)]
    dataset = numbered(30)
    loader = loaded(dataset, 4, num_workers=2, persistent_workers=True)
    assert batches(loader) == expected[0]
    for number, _ in enumerate(loader):
        if number == 2:
            state = dataset.state_dict()
            break
    assert (state["epoch"], dataset.state_dict()) == (1, state)
    again = numbered(30)
    again.load_state_dict(state)
    assert batches(loaded(again, 4, num_workers=2)) == expected[1][3:]
    assert batches(loader) == expected[2], "an epoch that was left is not gone on with"
    dataset.set_epoch(1)
    assert dataset.state_dict()["epoch"] == 1
    assert batches(loader) == expected[1]
    with pytest.raises(StateMismatch, match="persistent_workers.*DataLoader anew"):
        dataset.load_state_dict(state)


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true:UserWarning")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"pin_memory": True}, id="pinned memory"),
        pytest.param({"prefetch_factor": 8}, id="much read ahead"),
        pytest.param({"drop_last": True}, id="whole batches alone"),
        pytest.param({"batch_size": None}, id="no batches"),
        pytest.param({"timeout": 60}, id="a time limit"),
        pytest.param({"collate_fn": list}, id="samples as they are"),
    ],
)
def test_options_of_the_loader_change_nothing_in_what_is_left(options: dict[str, Any]) -> None:
    def with_options(dataset: StreamingDataset) -> Any:
        return loaded(dataset, **{"batch_size": 4, "num_workers": 2, **options})

    def given(batch: Any) -> list[int]:
        return numbers(batch) if isinstance(batch, list) else numbers_of(batch)

    whole = [given(batch) for batch in with_options(numbered(50))]
    dataset = numbered(50)
    iterator = iter(with_options(dataset))
    seen = [given(next(iterator)) for _ in range(5)]
    again = numbered(50)
    again.load_state_dict(dataset.state_dict())
    assert seen + [given(batch) for batch in with_options(again)] == whole


def test_batches_in_no_order_have_no_state() -> None:
    dataset = numbered(40)
    iterator = iter(loaded(dataset, 4, num_workers=2, in_order=False))
    next(iterator)
    with pytest.raises(StateMismatch, match="in_order=True"):
        dataset.state_dict()


class Wrapped(IterableDataset[Any]):
    def __init__(self, dataset: StreamingDataset) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[Any]:
        return iter(self.dataset)


def test_a_dataset_within_another_is_read_but_its_consumer_is_not_seen() -> None:
    dataset = numbered(40)
    iterator = iter(loaded(Wrapped(dataset), 4, num_workers=2))
    seen = numbers_of(next(iterator))
    with pytest.raises(StateMismatch, match="not one that is wrapped around it"):
        dataset.state_dict()
    assert sorted(seen + flat(batches(iterator))) == list(range(40))
    alone = numbered(40)
    iterator = iter(loaded(Wrapped(alone), 4, num_workers=0))
    seen = numbers_of(next(iterator))
    again = numbered(40)
    again.load_state_dict(alone.state_dict())
    assert sorted(seen + numbers(again)) == list(range(40)), "in one process it is"


def test_loaders_of_one_seed_are_told_apart() -> None:
    """As in a program that sets torch's seed before each epoch."""
    dataset = numbered(40)
    loader = loaded(dataset, 4, num_workers=2)
    torch.manual_seed(0)
    first = batches(loader)
    torch.manual_seed(0)
    second = batches(loader)
    assert first != second
    state = numbered(40).state_dict()
    dataset.load_state_dict({**state, "epoch": 7})
    torch.manual_seed(0)
    iterator = iter(loader)
    next(iterator)
    assert dataset.state_dict()["epoch"] == 7


def test_what_the_workers_did_is_counted_once(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 24, bad=[3], on_bad_sample="skip", tail="uneven")
    assert len(numbers(dataset)) == 23
    for _ in dataset.watch(loaded(dataset, 4, num_workers=2)):
        pass
    stats = dataset.stats()
    assert (stats.samples, stats.rows, stats.bad_samples) == (46, 48, 2)
    assert 0 < stats.waiting_s <= stats.elapsed_s


def several(sample: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in range(sample["n"] % 4):
        yield {"n": 10 * sample["n"] + part}


@pytest.mark.parametrize("then", [0, 2, 3])
@pytest.mark.parametrize("stop", [1, 4])
def test_rows_of_several_samples_are_gone_on_with_midway(stop: int, then: int) -> None:
    def with_several(state: object = None) -> StreamingDataset:
        dataset = numbered(30, transforms=several)
        if state is not None:
            dataset.load_state_dict(state)
        return dataset

    whole = batches(loaded(with_several(), 4, num_workers=2))
    dataset = with_several()
    iterator = iter(loaded(dataset, 4, num_workers=2))
    seen = [numbers_of(next(iterator)) for _ in range(stop)]
    rest = batches(loaded(with_several(dataset.state_dict()), 4, num_workers=then))
    assert sorted(flat(seen + rest)) == sorted(flat(whole))
    if then == 2:
        assert seen + rest == whole


@pytest.mark.parametrize("stop", [2, 5])
def test_bad_samples_are_made_up_for_by_the_worker_that_has_them(tmp_path: Path, stop: int) -> None:
    """Each of two ranks gives what it would have given, though it was interrupted and its workers have bad rows."""

    def ranks() -> list[StreamingDataset]:
        bad = [*range(0, 40, 5), 1, 2, 3]
        return [filed(tmp_path / "f", 40, bad, rank=rank, world=2, on_bad_sample="skip") for rank in range(2)]

    before, after = ranks(), ranks()
    given: list[list[int]] = []
    for dataset, again in zip(before, after, strict=True):
        iterator = iter(loaded(dataset, 2, num_workers=2))
        seen = flat(numbers_of(next(iterator)) for _ in range(stop))
        again.load_state_dict(dataset.state_dict())
        given.append(seen + flat(batches(loaded(again, 2, num_workers=2))))
    assert [len(own) for own in given] == [20, 20]
    assert len(set(flat(given))) == 29


def test_rows_go_through_samplers_of_torch(tmp_path: Path) -> None:
    rows = filed(tmp_path / "f", 24).by_row()
    loader = loaded(rows, 5, shuffle=True, num_workers=2)
    assert sorted(flat(batches(loader))) == list(range(24))


def test_a_bad_sample_is_an_error_of_the_loop(tmp_path: Path) -> None:
    loader = loaded(filed(tmp_path / "f", 24, bad=[3]), 4, num_workers=2)
    with pytest.raises(RuntimeError, match=r"dataflux_core.errors.BadSample: row 3 \(id '3'\), column 'url'"):
        batches(loader)  # torch makes another error of one that takes more than a text
    with pytest.raises(BadSample, match="row 3"):
        batches(loaded(filed(tmp_path / "f", 24, bad=[3]), 4))


def test_a_worker_that_is_killed_is_an_error_and_the_state_stands() -> None:
    dataset = numbered(4000)
    iterator = iter(loaded(dataset, 4, num_workers=2))
    killed = iterator._workers[0]  # type: ignore[attr-defined] # one: torch raises again at the signal of another
    stands = (numbers_of(next(iterator)), dataset.state_dict())  # one value: torch's error may come between any two

    def go_on() -> None:
        nonlocal stands
        os.kill(killed.pid, signal.SIGKILL)
        assert wait_until(lambda: not is_alive(killed.pid))  # or its signal could come when a loop has failed already
        for batch in iterator:
            stands = (stands[0] + numbers_of(batch), dataset.state_dict())

    # torch is told by a signal, or finds that a batch can no longer be fetched from whoever made it.
    with pytest.raises((RuntimeError, OSError, EOFError)) as told:
        go_on()
    killed.join()  # torch would raise again at the next signal, of the other worker's end
    if isinstance(told.value, RuntimeError):
        assert re.search(r"DataLoader worker .*(killed by signal|exited unexpectedly)", str(told.value))
    again = numbered(4000)
    again.load_state_dict(json.loads(json.dumps(stands[1])))
    assert sorted(stands[0] + numbers(again)) == list(range(4000))


def as_rank(dataset: StreamingDataset, rank: int, told: Queue[Any]) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE="2")
    loader = loaded(dataset, 4, num_workers=1)
    given = [flat(batches(loader)), flat(batches(loader)), numbers(dataset)]
    told.put((rank, given, dataset.state_dict()))


@pytest.mark.parametrize(
    ("method", "work"),
    [("fork", as_rank), ("spawn", as_plain_rank), pytest.param("spawn", as_rank, marks=pytest.mark.matrix)],
)
def test_ranks_that_were_given_one_dataset_have_a_share_each(method: str, work: Any) -> None:
    """Made before there were ranks, as by torch.multiprocessing.spawn: none may read what is rank 0's."""
    context: Any = multiprocessing.get_context(method)
    told: Queue[Any] = context.Queue()
    dataset = numbered(40)
    processes = [context.Process(target=work, args=(dataset, rank, told)) for rank in range(2)]
    for process in processes:
        process.start()
    answers = sorted(told.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    for first, second in zip(answers[0][1], answers[1][1], strict=True):
        assert sorted(first + second) == list(range(40))
    assert answers[0][2] == answers[1][2]
    assert answers[0][2]["epoch"] == len(answers[0][1])
    assert dataset.state_dict()["epoch"] == 0
