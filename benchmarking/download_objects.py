"""How long does it take to download many small objects?

Ours, composing or directly, stands beside upstream's own package, obstore, a pool of threads with google-cloud-storage.
"""

from __future__ import annotations

import argparse
import hashlib
import sys

from benchmarking._measure import BUCKET, Client, Contest, Result
from benchmarking._report import print_line
from dataflux_core.emulator import Emulator, Latency, Synthetic

PEERS = ("ours", "upstream", "obstore", "google")
SMOKE_OBJECTS = 200


def main() -> int:
    """Measure, then print one line; 1 where ours did not bring the exact bytes."""
    options = read_options()
    synthetic = Synthetic(options.shape, options.count, options.object_bytes)
    clients = [client for client in contestants(options) if client.peer in options.peers.split(",")]
    objects = list(zip(synthetic.names(), synthetic.sizes(), strict=True))
    contest = Contest(clients, expected_of(synthetic), objects, repetitions=options.repetitions)
    latency = Latency(
        read_s=options.read_ms / 1e3, compose_s=options.compose_ms / 1e3, delete_s=options.delete_ms / 1e3
    )
    with Emulator(buckets={BUCKET: synthetic}, latency=latency) as gcs:
        runs = contest.run(gcs)
    named = ("shape", "object_bytes", "read_ms", "compose_ms", "delete_ms")
    conditions = {name: getattr(options, name) for name in named}
    return 0 if print_line("seconds to download small objects", conditions, contest, runs) else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=11_098, help="objects, as in upstream's own benchmark")
    parser.add_argument("--object-bytes", type=int, default=10_000)
    parser.add_argument("--shape", default="imagenet", help="shape of the names, as the emulator calls it")
    parser.add_argument("--read-ms", type=float, default=60.0, help="latency of a read")
    parser.add_argument("--compose-ms", type=float, default=350.0, help="latency of a compose")
    parser.add_argument("--delete-ms", type=float, default=60.0, help="latency of a delete")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="whose clients run, ours first")
    parser.add_argument("--upstream-threads", type=int, default=48)
    parser.add_argument("--upstream-processes", type=int, default=48, help="0 leaves its processes out")
    parser.add_argument("--obstore-in-flight", type=int, default=512)
    parser.add_argument("--google-threads", type=int, default=64)
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.repetitions, options.upstream_processes = SMOKE_OBJECTS, 1, 0
    return options


def contestants(options: argparse.Namespace) -> list[Client]:
    """Name all ways to download."""
    threads, processes = options.upstream_threads, options.upstream_processes
    clients = [
        Client("ours", "ours", "download_ours", "default"),
        Client("ours, never composing", "ours", "download_ours", "direct"),
        Client("ours, 2 processes", "ours", "download_ours", "processes", 2),
        Client(f"upstream, {threads} threads", "upstream", "download_upstream", "threads", threads),
        Client(f"upstream, {processes} processes", "upstream", "download_upstream", "processes", processes),
        Client(
            f"obstore, {options.obstore_in_flight} in flight",
            "obstore",
            "download_obstore",
            "",
            options.obstore_in_flight,
        ),
        Client(f"google, {options.google_threads} threads", "google", "download_google", "", options.google_threads),
    ]
    return [client for client in clients if client.parallelism]


def expected_of(synthetic: Synthetic) -> Result:
    """Compute the digest of all contents in order."""
    digest = hashlib.sha256()
    for name in synthetic.names():
        content = synthetic.content(name)
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return Result(len(synthetic), sum(synthetic.sizes()), digest.hexdigest())


if __name__ == "__main__":
    sys.exit(main())
