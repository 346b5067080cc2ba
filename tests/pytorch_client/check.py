"""Run the existing PyTorch client, unchanged, on this package: `make test-pytorch-client`.

Not collected by pytest: it needs torch and the client's wheel, which brings its own package of our name, so this
checkout must come first on the path.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

OBJECTS = 3000


def main() -> None:
    """Compare every byte that the client's two datasets yield, with and without forked loader workers."""
    os.environ["NO_GCE_CHECK"] = "true"
    ours = importlib.import_module("dataflux_core")
    if Path(ours.__file__ or "").parents[1] != Path(__file__).parents[2]:
        raise SystemExit(f"{ours.__file__} is not this checkout; run `make test-pytorch-client`")
    from google.cloud import storage  # noqa: PLC0415 - after the path was looked at

    from dataflux_core.emulator import Emulator, Synthetic  # noqa: PLC0415 - as above

    made = Synthetic("imagenet", OBJECTS, object_bytes=1000)
    wanted = [made.content(name) for name in made.names(0, OBJECTS)]
    with Emulator(buckets={"b": made}) as gcs:
        os.environ.update(gcs.environ)
        for client in (None, storage.Client(project="p")):
            for prefix in (None, "train/"):
                check_datasets(client, prefix, wanted)
        sys.stdout.write(f"requests {dict(gcs.requests().counts)}\n")


def check_datasets(client: Any, prefix: str | None, wanted: list[bytes]) -> None:
    map_style = importlib.import_module("dataflux_pytorch.dataflux_mapstyle_dataset")
    iterable = importlib.import_module("dataflux_pytorch.dataflux_iterable_dataset")
    given = {"project_name": "p", "bucket_name": "b", "storage_client": client}
    config = {"num_processes": 4, "prefix": prefix}
    indexed = map_style.DataFluxMapStyleDataset(config=map_style.Config(**config), **given)
    streamed = iterable.DataFluxIterableDataset(config=iterable.Config(**config), **given)
    same(len(indexed), OBJECTS, "length of the map-style dataset")
    same(indexed[7], wanted[7], "a single object")
    for loader_workers in (0, 2):
        said = f"client={client and 'given'} prefix={prefix} loader_workers={loader_workers}"
        same(loaded(indexed, loader_workers), wanted, f"map-style {said}")
        same(sorted(loaded(streamed, loader_workers)), sorted(wanted), f"iterable {said}")


def loaded(dataset: Any, loader_workers: int) -> list[bytes]:
    data = importlib.import_module("torch.utils.data")
    loader = data.DataLoader(dataset, batch_size=100, num_workers=loader_workers, collate_fn=list)
    return [content for batch in loader for content in batch]


def same(got: object, wanted: object, what: str) -> None:
    if got != wanted:
        raise SystemExit(f"differs: {what}")
    sys.stdout.write(f"same: {what}\n")


if __name__ == "__main__":
    main()
