"""Loaders of torch over datasets, resumed in other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from torch.utils.data import DataLoader

from tests.streaming.streams import numbers_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cell(NamedTuple):
    """How an epoch is dealt."""

    world: int
    workers: int
    method: str = "fork"


def loaded(dataset: Any, batch_size: int | None = 1, **options: Any) -> DataLoader[Any]:
    """Make a loader; types of torch's do not know what is registered as an IterableDataset."""
    loader: DataLoader[Any] = DataLoader(dataset, batch_size, **options)
    return loader


def loaded_in(cell: Cell, dataset: Any, batch_size: int = 4) -> DataLoader[Any]:
    method = cell.method if cell.workers else None
    return loaded(dataset, batch_size, num_workers=cell.workers, multiprocessing_context=method)


def step(iterators: list[Iterator[Any]]) -> list[int]:
    """Let each rank take a batch."""
    return [
        number for iterator in iterators for batch in [next(iterator, None)] if batch for number in numbers_of(batch)
    ]
