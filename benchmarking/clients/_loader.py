"""Wrap a dataset in torch's loader as its users do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarking.clients._stream import StreamTask


def loader_of(task: StreamTask, dataset: Any, **options: Any) -> Iterable[Any]:  # noqa: ANN401 - any kind of dataset
    """Give batches; workers are forked, the quickest way to start them."""
    loader: Iterable[Any] = DataLoader(
        dataset,
        batch_size=task["batch_size"],
        num_workers=task["workers"],
        multiprocessing_context="fork" if task["workers"] else None,
        **options,
    )
    return loader
