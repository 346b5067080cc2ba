"""A dataset without torch: iteration, batches of numpy arrays, rows, several at once."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.streaming.streams import filed, flat, numbered, numbers, taken

if TYPE_CHECKING:
    from pathlib import Path


def test_an_epoch_is_every_sample_once_the_next_in_another_order() -> None:
    dataset = numbered(50)
    first, second = numbers(dataset), numbers(dataset)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    again = numbered(50)
    assert [numbers(again), numbers(again)] == [first, second], "as the seed says"
    assert numbers(numbered(50, seed=1)) != first


def test_unshuffled_every_epoch_is_the_index() -> None:
    dataset = numbered(20, shuffle=False)
    assert numbers(dataset) == numbers(dataset) == list(range(20))


def test_an_epoch_can_be_chosen() -> None:
    expected = [numbers(dataset) for dataset in [numbered(30)] for _ in range(3)]
    dataset = numbered(30)
    for epoch in (2, 0, 1):
        dataset.set_epoch(epoch)
        assert dataset.state_dict()["epoch"] == epoch
        assert numbers(dataset) == expected[epoch]
    dataset.set_epoch(2)
    taken(iter(dataset), 4)
    dataset.set_epoch(0)
    assert dataset.state_dict()["epoch"] == 0, "what was left midway is forgotten"
    assert numbers(dataset) == expected[0]


@pytest.mark.parametrize("tail", ["pad", "drop", "uneven"])
@pytest.mark.parametrize(("count", "world"), [(10, 4), (12, 4), (3, 4), (1, 2)])
def test_the_length_is_what_comes(count: int, world: int, tail: str) -> None:
    ranks = [numbered(count, rank=rank, world=world, tail=tail) for rank in range(world)]
    given = [numbers(dataset) for dataset in ranks]
    assert list(map(len, ranks)) == list(map(len, given))
    if tail != "uneven":
        assert len({len(own) for own in given}) == 1
    if tail != "drop":
        assert set(flat(given)) == set(range(count))
    if tail != "pad":
        assert len(set(flat(given))) == len(flat(given))


def test_ranks_of_a_launcher_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = numbered(10, shuffle=False)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert numbers(dataset) == [1, 3, 5, 7, 9]


def test_batches_are_numpy_arrays() -> None:
    dataset = numbered(10, shuffle=False)
    given = list(dataset.batches(4))
    assert all(isinstance(batch["n"], np.ndarray) for batch in given)
    assert [batch["n"].tolist() for batch in given] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [len(batch["n"]) for batch in dataset.batches(4, drop_last=True)] == [4, 4]


def test_rows_are_asked_for_as_of_a_list(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 12)
    rows = range(12)
    third: Any = np.int64(3)
    several: Any = np.array([1, 2])  # a sequence, if not for types
    assert dataset[3] == {"n": 3, "url": [3]}
    assert dataset[third]["n"] == 3
    assert dataset[-1]["n"] == 11
    for cut in (slice(2, 5), slice(None, None, -3), slice(9, 99), slice(5, 2), slice(-3, None)):
        assert numbers(dataset[cut]) == list(rows[cut])
    assert numbers(dataset[[5, 0, -1, 5]]) == [5, 0, 11, 5]
    assert numbers(dataset[several]) == [1, 2]
    assert dataset[[]] == []
    for wrong in (12, -13):
        with pytest.raises(IndexError, match=f"row {wrong} of 12"):
            dataset[wrong]
    with pytest.raises(IndexError):
        dataset[[0, 12]]
    nothings: list[Any] = ["3", 1.5, None, b"3"]
    for nothing in nothings:
        with pytest.raises(TypeError, match="whole numbers, slices or lists"):
            dataset[nothing]


def test_rows_are_a_dataset_of_their_own_for_samplers() -> None:
    rows = numbered(10, rank=1, world=2).by_row()
    assert len(rows) == 10, "whatever the rank"
    assert rows[9] == {"n": 9}
    assert numbers(rows.__getitems__([3, 1])) == [3, 1]


def test_rows_can_be_asked_for_while_an_epoch_goes_on() -> None:
    dataset = numbered(40)
    expected = numbers(numbered(40))
    iterator = iter(dataset)
    seen = taken(iterator, 5)
    assert dataset[7] == {"n": 7}
    assert seen + numbers(iterator) == expected


def test_instances_in_one_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    expected = numbers(filed(tmp_path / "f", 40))
    several = [filed(tmp_path / "f", 40) for _ in range(3)]
    iterators = [iter(dataset) for dataset in several]
    given = [[next(iterator)["n"] for iterator in iterators] for _ in range(40)]
    assert [list(own) for own in zip(*given, strict=True)] == [expected] * 3


def test_threads_that_share_a_dataset_get_an_epoch_each(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 60)
    given: list[list[int]] = []
    threads = [threading.Thread(target=lambda: given.append(numbers(dataset))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = filed(tmp_path / "f", 60)
    assert sorted(given) == sorted(numbers(again) for _ in range(4))


def test_threads_that_ask_for_rows_get_theirs(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 60)
    wrong: list[int] = []

    def look(first: int) -> None:
        wrong.extend(row for row in range(first, 60, 4) if dataset[row]["url"] != [row])

    threads = [threading.Thread(target=look, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_copy_goes_on_from_what_was_loaded_and_counts_for_itself() -> None:
    dataset = numbered(30)
    iterator = iter(dataset)
    seen = taken(iterator, 11)
    dataset.load_state_dict(dataset.state_dict())
    copy = pickle.loads(pickle.dumps(dataset))
    assert isinstance(copy, StreamingDataset)
    assert sorted(seen + numbers(copy)) == list(range(30))
    assert copy.state_dict()["epoch"] == 1
    assert dataset.state_dict()["epoch"] == 0


def test_what_was_done_is_counted(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 10, bad=[4], on_bad_sample="skip", tail="uneven")
    assert len(numbers(dataset)) == 9
    stats = dataset.stats()
    assert (stats.samples, stats.rows, stats.bad_samples, stats.objects) == (9, 10, 1, 10)
    assert stats.waiting_s <= stats.elapsed_s
    assert "samples=9 rows=10" in str(stats)
    for _ in dataset.watch(dataset.batches(3), progress=False):
        pass
    assert dataset.stats().samples == 18


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: numbered(4, shufle=True), id="a dataset"),
        pytest.param(
            lambda: MixedDataset([numbered(4)], shufle=True),  # type: ignore[call-arg] # that is the point
            id="a mix",
        ),
    ],
)
def test_a_keyword_that_there_is_not_is_named_with_those_that_there_are(made: Any) -> None:
    with pytest.raises(TypeError, match=r"no keyword shufle; there are .*batch_size, .*rank, .*seed"):
        made()
