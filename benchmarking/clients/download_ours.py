"""Download objects with dataflux_core: as it finds best, composing, directly, or on several processes."""

from __future__ import annotations

from typing import Literal

from google.cloud import storage

from benchmarking.clients._timing import read_task, tell_contents, time_call
from dataflux_core.download import dataflux_download, dataflux_download_parallel

STRATEGIES: dict[str, Literal["auto", "compose", "direct"]] = {
    "auto": "auto",
    "compose": "compose",
    "direct": "direct",
}


def main() -> None:
    """Time one of the drivers."""
    task = read_task()
    client = storage.Client("benchmark")
    where = ("benchmark", task["bucket"], task["objects"], client)

    def call() -> list[bytes]:
        if task["variant"] == "processes":
            return dataflux_download_parallel(*where, parallelization=task["parallelism"])
        return dataflux_download(*where, strategy=STRATEGIES[task["variant"]], max_requests=task["parallelism"])

    timed = time_call(call)
    tell_contents(timed, timed.value)


if __name__ == "__main__":
    main()
