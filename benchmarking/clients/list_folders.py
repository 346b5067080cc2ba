"""List a bucket with dataflux_core: flat, by folder, or as it finds best."""

from __future__ import annotations

from google.cloud import storage

from benchmarking.clients._timing import read_task, tell_names, time_call
from dataflux_core.fast_list import ListingController

HIERARCHICAL = {"flat": False, "by folder": True, "found out": None}


def main() -> None:
    """Time `listing()`."""
    task = read_task()
    hierarchical = HIERARCHICAL[task["variant"]]
    controller = ListingController(task["parallelism"], "benchmark", task["bucket"], hierarchical=hierarchical)
    controller.client = storage.Client("benchmark")
    columns = time_call(controller.listing)
    tell_names(columns, columns.value)


if __name__ == "__main__":
    main()
