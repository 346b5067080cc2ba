"""Download objects one by one with google-cloud-storage on a pool of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from google.cloud import storage

from benchmarking.clients._google import keep_connections
from benchmarking.clients._timing import read_task, tell_contents, time_call


def main() -> None:
    """Time `download_as_bytes` of every object."""
    task = read_task()
    client = storage.Client("benchmark")
    keep_connections(client, task["parallelism"])
    bucket = client.bucket(task["bucket"])

    def read(name: str) -> bytes:
        content: bytes = bucket.blob(name).download_as_bytes()
        return content

    def call() -> list[bytes]:
        with ThreadPoolExecutor(task["parallelism"]) as pool:
            return list(pool.map(read, [name for name, _ in task["objects"]]))

    timed = time_call(call)
    tell_contents(timed, timed.value)


if __name__ == "__main__":
    main()
