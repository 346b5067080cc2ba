"""Download large objects with dataflux_core: to memory, one after another dropped, or to files."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from google.cloud import storage

from benchmarking.clients._large import Edges, edges_of, edges_of_files, tell_edges
from benchmarking.clients._timing import Task, read_task, time_call
from dataflux_core.download import DirectoryOptions, dataflux_download_lazy, download_to_directory

if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    """Time it as the task says."""
    task = read_task()
    client = storage.Client("benchmark")
    # 0 leaves it to the package, as a caller does who knows nothing of his bucket.
    limits: dict[str, Any] = {"max_requests": task["parallelism"]} if task["parallelism"] else {}
    if task["variant"] == "memory":
        to_memory(task, client, limits)
    else:
        to_files(task, client, limits)


def to_memory(task: Task, client: storage.Client, limits: dict[str, Any]) -> None:
    """Look at both ends of each object as it comes."""

    def call() -> list[Edges]:
        contents = dataflux_download_lazy("benchmark", task["bucket"], task["objects"], client, **limits)
        return [edges_of(content) for content in contents]

    timed = time_call(call)
    tell_edges(timed, timed.value)


def to_files(task: Task, client: storage.Client, limits: dict[str, Any]) -> None:
    """Write files, then look at them."""
    with tempfile.TemporaryDirectory() as folder:
        timed = time_call(
            lambda: download_to_directory(
                task["bucket"], task["objects"], folder, storage_client=client, options=DirectoryOptions(**limits)
            )
        )
        tell_edges(timed, edges_of_files(task, folder))


if __name__ == "__main__":
    main()
