"""Datasets of numbers, which tell at a glance what came, how often."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.streaming import StreamingDataset
from tests.processes import FEW_CORES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

MANY_WORKERS = pytest.mark.filterwarnings(FEW_CORES)


def numbered(count: int, **keywords: Any) -> StreamingDataset:
    """Make a dataset of {"n": 0}, {"n": 1}, …, shuffled; nothing is read for it but its index."""
    rows = [{"n": number} for number in range(count)]
    return StreamingDataset(rows, columns_to_load=[], **{"shuffle": True, **keywords})


def filed(folder: Path, count: int, bad: Iterable[int] = (), **keywords: Any) -> StreamingDataset:
    """Make a dataset of one JSON file for each number; those of `bad` are damaged."""
    folder.mkdir(exist_ok=True)
    wrong = set(bad)
    for number in range(count):
        (folder / f"{number}.json").write_text("{" if number in wrong else f"[{number}]")
    rows = [{"n": number, "url": f"{folder}/{number}.json"} for number in range(count)]
    return StreamingDataset(rows, columns_to_load=["url"], data_type="json", **{"shuffle": True, **keywords})


def numbers(samples: Iterable[Any]) -> list[int]:
    return [sample["n"] for sample in samples]


def batches(loader: Iterable[Any]) -> list[list[int]]:
    """Give the numbers of each batch."""
    return [numbers_of(batch) for batch in loader]


def numbers_of(batch: Any) -> list[int]:
    told = batch["n"]
    return told.tolist() if hasattr(told, "tolist") else [told] if isinstance(told, int) else list(told)


def flat(lists: Iterable[Iterable[int]]) -> list[int]:
    return [number for numbers in lists for number in numbers]


def taken(iterator: Iterator[Any], count: int) -> list[int]:
    """Take so many samples."""
    return [next(iterator)["n"] for _ in range(count)]


def in_turn(iterators: Sequence[Iterator[Any]], rounds: int) -> list[int]:
    """Take a sample of each rank, round after round, as ranks do that wait for each other."""
    return [next(iterator)["n"] for _ in range(rounds) for iterator in iterators]


def as_plain_rank(dataset: StreamingDataset, rank: int, told: Any) -> None:
    """Be a rank of two, in a process of its own."""
    os.environ.update(RANK=str(rank), WORLD_SIZE="2")
    given = [numbers(dataset), numbers(dataset)]
    told.put((rank, given, dataset.state_dict()))
