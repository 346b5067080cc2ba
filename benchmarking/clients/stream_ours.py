"""Read files with dataflux_core.streaming: in torch's loader, or by itself, where no torch is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarking.clients._stream import decode, read_task, tell_epoch
from dataflux_core.streaming import StreamingDataset, StreamingKeywords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarking.clients._stream import StreamTask

COLUMN = "data_url"


def main() -> None:
    """Time an epoch."""
    task = read_task()
    batches_of = alone if task["variant"] == "by itself" else in_loader()
    tell_epoch(task, lambda: batches_of(task, dataset_of(task)), ("pyarrow", "pycurl"))


def dataset_of(task: StreamTask) -> StreamingDataset:
    """Open the index; nothing is cached."""
    keywords: StreamingKeywords = {"columns_to_load": [COLUMN], "data_type": "bytes", "shuffle": True}
    if task["is_decoding"]:
        keywords["transforms"] = decoded
    return StreamingDataset(task["index"], **keywords)


def decoded(sample: dict[str, Any]) -> dict[str, Any]:
    """Do what all other clients do."""
    return {COLUMN: decode(sample[COLUMN])}


def alone(task: StreamTask, dataset: StreamingDataset) -> Iterable[Any]:
    """Give batches of numpy, or lists of bytes."""
    return (batch[COLUMN] for batch in dataset.batches(task["batch_size"]))


def in_loader() -> Callable[[StreamTask, StreamingDataset], Iterable[Any]]:
    """Import torch, which is nobody's time, then give batches of tensors, or lists of bytes."""
    from torch.utils.data import default_collate  # noqa: PLC0415 - by itself it needs no torch

    from benchmarking.clients._loader import loader_of  # noqa: PLC0415 - as above

    def collated(samples: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - as torch has it
        return default_collate([sample[COLUMN] for sample in samples])

    return lambda task, dataset: loader_of(task, dataset, collate_fn=collated)


if __name__ == "__main__":
    main()
