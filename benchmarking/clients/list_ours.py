"""List a bucket with dataflux_core: as a list of tuples, or as columns."""

from __future__ import annotations

from google.cloud import storage

from benchmarking.clients._timing import read_task, tell_names, time_call
from dataflux_core.fast_list import ListingController


def main() -> None:
    """Time `run()` or `listing()`."""
    task = read_task()
    controller = ListingController(task["parallelism"], "benchmark", task["bucket"])
    controller.client = storage.Client("benchmark")
    if task["variant"] == "columns":
        columns = time_call(controller.listing)
        tell_names(columns, columns.value)
    else:
        pairs = time_call(controller.run)
        tell_names(pairs, pairs.value)


if __name__ == "__main__":
    main()
