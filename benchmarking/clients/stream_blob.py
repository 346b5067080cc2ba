"""Read files with google-cloud-storage in a map-style dataset of torch: one after the other, or a batch on threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from benchmarking.clients._google import keep_connections
from benchmarking.clients._loader import loader_of
from benchmarking.clients._stream import read_names, read_task, tell_epoch, transform_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarking.clients._stream import StreamTask

THREADS = 32  # a worker


class Blobs:
    """Files of a bucket; each worker process makes a client of its own."""

    def __init__(self, task: StreamTask, names: Sequence[str]) -> None:
        self._task, self._names = task, names
        self._transform = transform_of(task)

    @cached_property
    def _bucket(self) -> storage.Bucket:
        client = storage.Client("benchmark", AnonymousCredentials())
        keep_connections(client, THREADS)
        return client.bucket(self._task["bucket"])

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, at: int) -> Any:  # noqa: ANN401 - bytes or a picture
        return self._transform(self._bucket.blob(self._names[at]).download_as_bytes())


class BlobsOnThreads(Blobs):
    """The same, a batch at once."""

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS)

    def __getitems__(self, places: Sequence[int]) -> list[Any]:
        _ = self._bucket  # made by one thread
        return list(self._threads.map(self.__getitem__, places))


def main() -> None:
    """Time an epoch."""
    task = read_task()
    names = [name for name, _ in read_names(task)]
    kind = BlobsOnThreads if task["variant"] == "threads" else Blobs
    tell_epoch(task, lambda: loader_of(task, kind(task, names), shuffle=True), ("torch", "google-cloud-storage"))


if __name__ == "__main__":
    main()
