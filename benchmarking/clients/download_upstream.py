"""Download objects with the package of the same name in the wheel gcs-torch-dataflux."""

from __future__ import annotations

from google.cloud import storage

from benchmarking.clients._timing import read_task, tell_contents, time_call
from benchmarking.clients._upstream import demand_upstream
from dataflux_core.download import (
    DataFluxDownloadOptimizationParams,
    dataflux_download_parallel,
    dataflux_download_threaded,
)

MAX_COMPOSITE_BYTES = 100_000_000  # as in its own published benchmark


def main() -> None:
    """Time it on threads, or on processes."""
    demand_upstream()
    task = read_task()
    params = DataFluxDownloadOptimizationParams(MAX_COMPOSITE_BYTES)
    client = storage.Client("benchmark")

    def call() -> list[bytes]:
        where = ("benchmark", task["bucket"], task["objects"])
        if task["variant"] == "processes":
            # A client of the caller's cannot be pickled, so each process makes its own.
            return dataflux_download_parallel(
                *where, dataflux_download_optimization_params=params, parallelization=task["parallelism"]
            )
        return dataflux_download_threaded(*where, client, params, threads=task["parallelism"])

    timed = time_call(call)
    tell_contents(timed, timed.value)


if __name__ == "__main__":
    main()
