"""What is counted: bad samples once, time once, workers of all epochs; what is given is given at once."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.errors import BadSample
from tests.streaming.streams import MANY_WORKERS, filed, numbered, numbers, taken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = MANY_WORKERS


def test_repeats_that_make_up_for_bad_samples_count_none(tmp_path: Path) -> None:
    mine = {"on_bad_sample": "skip", "max_bad_samples": 3, "shuffle": False, "rank": 0, "world": 2}
    dataset = filed(tmp_path / "f", 46, bad=[0, 2, 4], **mine)
    given = numbers(dataset)
    assert len(given) == 23
    assert set(given) == set(range(6, 46, 2))
    assert dataset.stats().bad_samples == 3


def test_repeats_of_another_ranks_samples_count_none_of_its_bad_ones(tmp_path: Path) -> None:
    mine = {"on_bad_sample": "skip", "max_bad_samples": 3, "shuffle": False, "rank": 0, "world": 2}
    dataset = filed(tmp_path / "f", 6, bad=[0, 2, 4, 1, 3], **mine)  # this rank's own, and two of the other
    assert numbers(dataset) == [5, 5, 5]
    assert dataset.stats().bad_samples == 3


def test_one_repeat_reads_little(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 1000, bad=[0], on_bad_sample="skip", shuffle=False, rank=0, world=2)
    assert len(numbers(dataset)) == 500
    assert dataset.stats().objects < 510


def test_repeats_after_an_interruption_count_none(tmp_path: Path) -> None:
    kept: dict[str, Any] = {"on_bad_sample": "skip", "max_bad_samples": 2, "shuffle": False, "rank": 0, "world": 2}
    first = filed(tmp_path / "f", 20, bad=[0, 2], **kept)
    given = taken(iter(first), 4)
    second = filed(tmp_path / "f", 20, bad=[0, 2], **kept)
    second.load_state_dict(first.state_dict())
    given += numbers(second)
    assert len(given) == 10
    assert set(given) == set(range(4, 20, 2))
    assert second.stats().bad_samples == 0


def test_bytes_of_local_files_are_counted(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 10)
    list(dataset)
    assert dataset.stats().bytes_read == 10 * len("[0]")
    assert dataset.stats().requests == 0


def test_a_loop_that_is_watched_no_more_counts_for_itself() -> None:
    dataset = numbered(50)
    for _ in dataset.watch(dataset):
        break
    before = dataset.stats()
    assert numbers(dataset)
    after = dataset.stats()
    assert after.samples - before.samples == 50
    assert after.elapsed_s > before.elapsed_s
    assert after.waiting_s > before.waiting_s


def test_a_watch_that_nobody_began_changes_nothing() -> None:
    dataset = numbered(5)
    dataset.watch(dataset)
    assert numbers(dataset)
    assert dataset.stats().elapsed_s > 0


def test_a_watched_loop_is_counted_once() -> None:
    dataset = numbered(20)
    began_s = time.monotonic()
    assert len(list(dataset.watch(dataset))) == 20
    assert dataset.stats().elapsed_s <= time.monotonic() - began_s


@pytest.mark.parametrize("keeps_workers", [False, True], ids=["workers of each epoch", "workers that are kept"])
def test_samples_of_all_epochs_of_a_loader_are_counted(*, keeps_workers: bool) -> None:
    pytest.importorskip("torch")
    from tests.streaming.loaders import loaded  # noqa: PLC0415 - torch is an extra

    dataset = numbered(40)
    loader = loaded(dataset, 4, num_workers=2, persistent_workers=keeps_workers)
    counted = []
    for _ in range(3):
        assert sum(1 for _ in dataset.watch(loader)) == 10
        counted.append(dataset.stats().samples)
    assert counted == [40, 80, 120]
    assert dataset.stats().rows == 120


def endless(sample: Any) -> Iterator[Any]:
    """Give a sample, then never another."""
    yield {**sample, "k": 0}
    raise AssertionError("nobody has asked for it")


def failing(sample: Any) -> Iterator[Any]:
    yield {**sample, "k": 0}
    raise ValueError("later")


def twice(sample: Any) -> Iterator[Any]:
    yield {**sample, "k": 0}
    yield {**sample, "k": 1}


def renamed(sample: Any) -> Any:
    return {**sample, "k": 0}


def test_a_generator_is_not_asked_for_more_than_is_wanted() -> None:
    assert next(iter(numbered(3, transforms=endless)))["k"] == 0


def test_what_a_generator_gave_before_it_failed_is_given() -> None:
    samples = iter(numbered(3, transforms=failing))
    assert next(samples)["k"] == 0
    with pytest.raises(BadSample, match="later"):
        next(samples)


@pytest.mark.parametrize("transforms", [twice, [renamed, twice]], ids=["a generator", "one behind another transform"])
def test_a_loop_goes_on_between_two_samples_of_a_row(transforms: Any) -> None:
    whole = [(sample["n"], sample["k"]) for sample in numbered(6, transforms=transforms)]
    assert len(whole) == 12
    for stop in range(13):
        first = numbered(6, transforms=transforms)
        given = [(sample["n"], sample["k"]) for sample in islice(first, stop)]
        second = numbered(6, transforms=transforms)
        second.load_state_dict(first.state_dict())
        assert given + [(sample["n"], sample["k"]) for sample in second] == whole


@pytest.mark.parametrize(
    ("transforms", "done"),
    [
        pytest.param(None, [1, 0, 0], id="without transforms the row is done"),
        pytest.param(renamed, [1, 0, 0], id="a transform that gave a dict gives no more"),
        pytest.param(twice, [0, 1, 0], id="a generator may give more"),
    ],
)
def test_a_row_is_done_as_soon_as_it_is_known_to_give_no_more(transforms: Any, done: list[int]) -> None:
    dataset = numbered(6, transforms=transforms)
    taken(iter(dataset), 1)
    (lane,) = dataset.state_dict()["lanes"]
    assert lane[-3:] == done  # rows, samples of the next one, samples that are lacking
