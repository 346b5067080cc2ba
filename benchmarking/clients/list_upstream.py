"""List a bucket with the package of the same name in the wheel gcs-torch-dataflux."""

from __future__ import annotations

from benchmarking.clients._timing import read_task, tell_names, time_call
from benchmarking.clients._upstream import demand_upstream
from dataflux_core.fast_list import ListingController


def main() -> None:
    """Time `run()`."""
    demand_upstream()
    task = read_task()
    controller = ListingController(task["parallelism"], "benchmark", task["bucket"])
    timed = time_call(controller.run)
    tell_names(timed, timed.value)


if __name__ == "__main__":
    main()
