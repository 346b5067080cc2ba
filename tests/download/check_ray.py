"""Download in tasks and actors of Ray: `make test-ray`.

Not collected by pytest: it needs ray, which the development environment does without.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from dataflux_core.emulator import Emulator
from tests.download.buckets import DRIVERS, stock
from tests.download.datasets import MapStyle, Streamed

SIZES = [1000 + number for number in range(600)]
WORKERS = 2


class Reader:
    """An actor's state: a client of its own, used from call to call."""

    def __init__(self, bucket: str, objects: list[tuple[str, int]]) -> None:
        from google.cloud import storage  # noqa: PLC0415 - where the actor lives

        self._dataset = MapStyle(bucket, objects, storage.Client(project="p"))

    def read(self, indices: list[int]) -> list[bytes]:
        return self._dataset.__getitems__(indices)


def read_with(number: int, bucket: str, objects: list[tuple[str, int]]) -> list[bytes]:
    return DRIVERS[number](None, bucket, objects)


def read_share(worker: int, bucket: str, objects: list[tuple[str, int]]) -> list[bytes]:
    return list(Streamed(bucket, objects).share(worker, WORKERS))


def main() -> None:
    """Compare every byte that tasks and actors read."""
    ray: Any = importlib.import_module("ray")
    with Emulator() as gcs:
        bucket = stock(gcs, "b", SIZES)
        env_vars = {**gcs.environ, "PYTHONPATH": str(Path.cwd())}
        ray.init(num_cpus=WORKERS, include_dashboard=False, runtime_env={"env_vars": env_vars}, log_to_driver=True)
        try:
            given = (bucket.name, bucket.pairs)
            task, share = ray.remote(read_with), ray.remote(read_share)
            for number, found in enumerate(ray.get([task.remote(number, *given) for number in range(len(DRIVERS))])):
                same(found, bucket.expected, f"a task with {DRIVERS[number].__name__}")
            for worker, found in enumerate(ray.get([share.remote(worker, *given) for worker in range(WORKERS)])):
                same(found, bucket.expected[worker::WORKERS], f"share {worker}, lazily")
            reader = ray.remote(Reader).remote(*given)
            indices = list(range(0, len(SIZES), 7))
            calls = [reader.read.remote(indices) for _ in range(5)]
            same(ray.get(calls), [[bucket.expected[index] for index in indices]] * 5, "an actor, five times")
        finally:
            ray.shutdown()
        same(bucket.temporaries(), [], "no temporaries")


def same(got: object, wanted: object, what: str) -> None:
    if got != wanted:
        raise SystemExit(f"differs: {what}")
    sys.stdout.write(f"same: {what}\n")


if __name__ == "__main__":
    main()
