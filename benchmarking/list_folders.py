"""How long does it take to list a bucket with a hierarchical namespace, flat or folder by folder?

What a flat page costs there for each folder on it is not published: `--folder-ms` is an assumption, to be varied.
"""

from __future__ import annotations

import argparse
import sys

from benchmarking._measure import BUCKET, Client, Contest
from benchmarking._report import print_line
from benchmarking.list_bucket import expected_of
from dataflux_core.emulator import Emulator, Latency, Synthetic

SMOKE_OBJECTS = 12_000


def main() -> int:
    """Measure, then print one line; 1 where a listing was not exact."""
    options = read_options()
    synthetic = Synthetic(options.shape, options.count, resource={"hierarchicalNamespace": {"enabled": True}})
    clients = [
        Client(f"ours, {variant}", "ours", "list_folders", variant, options.parallelism)
        for variant in ("found out", "by folder", "flat")
    ]
    contest = Contest(clients, expected_of(synthetic), repetitions=options.repetitions)
    with Emulator(buckets={BUCKET: synthetic}, latency=latency_of(options)) as gcs:
        runs = contest.run(gcs)
    conditions = {name: getattr(options, name) for name in ("shape", "list_ms", "object_us", "folder_ms", "get_ms")}
    return 0 if print_line("seconds to list a hierarchical namespace", conditions, contest, runs) else 1


def latency_of(options: argparse.Namespace) -> Latency:
    """Read the latencies off the command line."""
    return Latency(
        list_s=options.list_ms / 1e3,
        list_object_s=options.object_us / 1e6,
        list_folder_s=options.folder_ms / 1e3,
        get_s=options.get_ms / 1e3,
    )


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000, help="objects in the bucket")
    parser.add_argument("--shape", default="hive", help="shape of the names, as the emulator calls it")
    parser.add_argument("--list-ms", type=float, default=60.0, help="latency of a page")
    parser.add_argument("--object-us", type=float, default=50.0, help="latency of each object of a page")
    parser.add_argument("--folder-ms", type=float, default=20.0, help="latency of each folder on a flat page")
    parser.add_argument("--get-ms", type=float, default=30.0, help="latency of asking for the bucket")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--parallelism", type=int, default=64, help="pages that are asked for at once")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.repetitions = SMOKE_OBJECTS, 1
        options.list_ms = options.object_us = options.folder_ms = options.get_ms = 0.0
    return options


if __name__ == "__main__":
    sys.exit(main())
