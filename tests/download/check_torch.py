"""Load datasets through torch's own DataLoader: `make test-torch`.

Not collected by pytest: it needs torch, which the development environment does without.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

from tests.download.buckets import client_of, stock
from tests.download.datasets import MapStyle, Streamed
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.download.buckets import Stocked

data = importlib.import_module("torch.utils.data")

SIZES = [1000 + number for number in range(600)]
EPOCHS = 2


class Iterable(data.IterableDataset):  # type: ignore[misc, name-defined] # torch is not installed where types are checked
    """The iterable dataset as torch wants it."""

    def __init__(self, streamed: Streamed) -> None:
        self.streamed = streamed

    def __iter__(self) -> Iterator[bytes]:
        worker = data.get_worker_info()
        return self.streamed.share(*((0, 1) if worker is None else (worker.id, worker.num_workers)))


def main() -> None:
    """Compare every byte of each epoch, whichever way the workers are made."""
    from dataflux_core.emulator import Emulator  # noqa: PLC0415 - a spawned worker needs none

    with Emulator() as gcs:
        bucket = stock(gcs, "b", SIZES)
        os.environ.update(gcs.environ)
        kinds: list[tuple[type[Any], Callable[..., Any]]] = [(MapStyle, indexed), (Streamed, streamed)]
        for kind, loader in kinds:
            for client, workers, method in (
                *itertools.product((None, client_of(gcs)), (0, 2), ("fork",)),
                *itertools.product((None,), (2,), ("spawn", "forkserver")),  # a real client cannot be pickled
            ):
                options: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
                options |= {"multiprocessing_context": method} if workers else {}
                dataset = kind(bucket.name, bucket.pairs, client)
                said = f"{kind.__name__} workers={workers} {method} client={'given' if client else None}"
                check(bucket, loader(dataset, options), said)
        closed_early(bucket)
        if not wait_until(lambda: bucket.temporaries() == []):
            raise SystemExit(f"left: {bucket.temporaries()}")


def indexed(dataset: MapStyle, options: dict[str, Any]) -> Any:
    return data.DataLoader(dataset, batch_size=50, shuffle=True, collate_fn=list, **options)


def streamed(dataset: Streamed, options: dict[str, Any]) -> Any:
    return data.DataLoader(Iterable(dataset), batch_size=50, collate_fn=list, **options)


def check(bucket: Stocked, loader: Any, said: str) -> None:
    for epoch in range(EPOCHS):
        found = sorted(content for batch in loader for content in batch)
        if found != sorted(bucket.expected):
            raise SystemExit(f"differs: {said} epoch={epoch}")
    sys.stdout.write(f"same: {said}\n")


def closed_early(bucket: Stocked) -> None:
    """Leave workers in the middle of what they read."""
    loader = streamed(Streamed(bucket.name, bucket.pairs), {"num_workers": 2, "multiprocessing_context": "fork"})
    batches = iter(loader)
    next(batches)
    del batches
    sys.stdout.write("left early\n")


if __name__ == "__main__":
    main()
