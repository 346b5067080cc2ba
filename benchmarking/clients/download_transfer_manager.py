"""Download objects with google-cloud-storage's transfer_manager: on threads to memory, on processes to files."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from google.cloud import storage
from google.cloud.storage import transfer_manager

from benchmarking.clients._google import keep_connections
from benchmarking.clients._timing import read_task, tell_contents, time_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarking.clients._timing import Task

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it; on a disk the writing would be timed


def main() -> None:
    """Time it with the workers of the task."""
    task = read_task()
    client = storage.Client("benchmark")
    keep_connections(client, task["parallelism"])
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
        call = on_processes(task, client, folder) if task["variant"] == "processes" else on_threads(task, client)
        timed = time_call(call)
        tell_contents(timed, timed.value)


def on_threads(task: Task, client: storage.Client) -> Callable[[], Iterable[bytes]]:
    """Prepare a download to memory."""
    bucket = client.bucket(task["bucket"])

    def call() -> list[bytes]:
        files = [io.BytesIO() for _ in task["objects"]]
        blobs = [bucket.blob(name) for name, _ in task["objects"]]
        transfer_manager.download_many(
            list(zip(blobs, files, strict=True)),
            worker_type=transfer_manager.THREAD,
            max_workers=task["parallelism"],
            raise_exception=True,
        )
        return [file.getvalue() for file in files]

    return call


def on_processes(task: Task, client: storage.Client, folder: str) -> Callable[[], Iterable[bytes]]:
    """Prepare a download to files, which is all that its processes can do; reading them back is not timed."""
    bucket = client.bucket(task["bucket"])
    names = [name for name, _ in task["objects"]]

    def call() -> Iterable[bytes]:
        transfer_manager.download_many_to_path(
            bucket,
            names,
            destination_directory=folder,
            worker_type=transfer_manager.PROCESS,
            max_workers=task["parallelism"],
            raise_exception=True,
        )
        return (Path(folder, name).read_bytes() for name in names)

    return call


if __name__ == "__main__":
    main()
