"""How long does it take to list a bucket?

Ours, with several counts of ranges, stands beside google-cloud-storage, obstore, gcsfs, upstream's own package with
several counts of workers, and beside what the simulator predicts.
"""

from __future__ import annotations

import argparse
import hashlib
import sys

from benchmarking._measure import BUCKET, Client, Contest, Result
from benchmarking._report import print_line
from benchmarking.simulate_listing import Service, simulate
from dataflux_core.emulator import Emulator, Latency, Synthetic

PEERS = ("ours", "google", "obstore", "gcsfs", "upstream")
SMOKE_OBJECTS = 12_000


def main() -> int:
    """Measure, then print one line; 1 where ours did not list exactly what there is."""
    options = read_options()
    synthetic = Synthetic(options.shape, options.count)
    clients = [client for client in contestants(options) if client.peer in options.peers.split(",")]
    contest = Contest(clients, expected_of(synthetic), repetitions=options.repetitions)
    latency = Latency(list_s=options.list_ms / 1e3, list_object_s=options.object_us / 1e6)
    with Emulator(buckets={BUCKET: synthetic}, latency=latency, max_page=options.max_page) as gcs:
        runs = contest.run(gcs)
    conditions = {
        "shape": options.shape,
        "list_ms": options.list_ms,
        "object_us": options.object_us,
        "max_page": options.max_page,
        "predicted": predicted_of(synthetic, options),
    }
    return 0 if print_line("seconds to list a bucket", conditions, contest, runs) else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="objects in the bucket")
    parser.add_argument("--shape", default="imagenet", help="shape of the names, as the emulator calls it")
    parser.add_argument("--list-ms", type=float, default=0.0, help="latency of a page")
    parser.add_argument("--object-us", type=float, default=0.0, help="latency of each object of a page")
    parser.add_argument("--max-page", type=int, default=5000, help="most objects on a page")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="whose clients run, ours first")
    parser.add_argument("--parallelism", default="32", help="ranges that ours lists at once: some counts")
    parser.add_argument("--upstream-workers", default="2,4,8,16,32")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.repetitions, options.upstream_workers = SMOKE_OBJECTS, 1, "2"
    return options


def contestants(options: argparse.Namespace) -> list[Client]:
    """Name all ways to list."""
    return [
        *(
            Client(f"ours, {call}, {ranges} ranges", "ours", "list_ours", variant, int(ranges))
            for ranges in options.parallelism.split(",")
            for call, variant in (("run()", "tuples"), ("listing()", "columns"))
        ),
        Client("google, list_blobs", "google", "list_google", "full"),
        Client("google, list_blobs of two fields", "google", "list_google", "narrow"),
        Client("obstore, list", "obstore", "list_obstore"),
        Client("gcsfs, find", "gcsfs", "list_gcsfs"),
        *(
            Client(f"upstream, {workers} workers", "upstream", "list_upstream", parallelism=int(workers))
            for workers in options.upstream_workers.split(",")
        ),
    ]


def predicted_of(synthetic: Synthetic, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Simulate our listing for each count of ranges: its calls, its seconds where the server's latency rules them."""
    service = Service(options.max_page, options.list_ms / 1e3, options.object_us / 1e6)
    outcomes = {ranges: simulate(synthetic, int(ranges), service) for ranges in options.parallelism.split(",")}
    return {
        ranges: {"calls": outcome.calls, "seconds": round(outcome.wall_s, 2), "least_seconds": outcome.least_wall_s}
        for ranges, outcome in outcomes.items()
    }


def expected_of(synthetic: Synthetic) -> Result:
    """Compute what a listing must hold."""
    names = sorted(name.encode() for name in synthetic.names())
    return Result(len(names), sum(synthetic.sizes()), hashlib.sha256(b"\n".join(names)).hexdigest())


if __name__ == "__main__":
    sys.exit(main())
