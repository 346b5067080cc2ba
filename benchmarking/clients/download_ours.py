"""Download objects with dataflux_core: through composites by default, directly, or on several processes."""

from __future__ import annotations

from google.cloud import storage

from benchmarking.clients._timing import read_task, tell_contents, time_call
from dataflux_core.download import DataFluxDownloadOptimizationParams, dataflux_download, dataflux_download_parallel

NEVER_COMPOSE = DataFluxDownloadOptimizationParams(0)


def main() -> None:
    """Time one of the drivers."""
    task = read_task()
    client = storage.Client("benchmark")
    params = NEVER_COMPOSE if task["variant"] == "direct" else None

    def call() -> list[bytes]:
        if task["variant"] == "processes":
            return dataflux_download_parallel(
                "benchmark", task["bucket"], task["objects"], client, parallelization=task["parallelism"]
            )
        return dataflux_download("benchmark", task["bucket"], task["objects"], client, params)

    timed = time_call(call)
    tell_contents(timed, timed.value)


if __name__ == "__main__":
    main()
