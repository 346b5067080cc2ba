"""How long does it take to download many small objects, and how much CPU?

Ours, in each of its ways, stands beside upstream's own package, obstore, aiohttp, google-cloud-storage on a pool of
threads as well as on its transfer_manager's threads and processes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

from benchmarking._authority import Certificates, make_certificates
from benchmarking._measure import BUCKET, Client, Contest, Result
from benchmarking._report import print_line
from dataflux_core._run.reading.options import MAX_REQUESTS
from dataflux_core.emulator import Emulator, Latency, Synthetic

PEERS = ("ours", "upstream", "obstore", "aiohttp", "google")
SMOKE_OBJECTS = 100


def main() -> int:
    """Measure, then print one line; 1 where ours did not bring the exact bytes."""
    options = read_options()
    synthetic = Synthetic(options.shape, options.count, options.object_bytes)
    clients = [client for client in contestants(options) if client.peer in options.peers.split(",")]
    objects = list(zip(synthetic.names(), synthetic.sizes(), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        certificates = make_certificates(Path(folder)) if options.tls else None
        authority = "" if certificates is None else str(certificates.authority)
        contest = Contest(
            clients, expected_of(synthetic), objects, repetitions=options.repetitions, authority=authority
        )
        with server_of(options, synthetic, certificates) as gcs:
            runs = contest.run(gcs)
    named = ("shape", "object_bytes", "read_ms", "compose_ms", "delete_ms", "tls")
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
    parser.add_argument("--tls", action="store_true", help="TLS, with an authority of this benchmark's own")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="whose clients run, ours first")
    parser.add_argument(
        "--in-flight", default="512,32", help="requests of ours, directly; else as the package finds best"
    )
    parser.add_argument("--upstream-threads", type=int, default=48)
    parser.add_argument("--upstream-processes", type=int, default=48, help="0 leaves its processes out")
    parser.add_argument("--obstore-in-flight", default="64,512")
    parser.add_argument("--aiohttp-in-flight", default="512")
    parser.add_argument("--google-threads", type=int, default=64, help="also of transfer_manager")
    parser.add_argument("--google-processes", type=int, default=32, help="of transfer_manager; 0 leaves them out")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.repetitions = SMOKE_OBJECTS, 1
        options.read_ms = options.compose_ms = options.delete_ms = 1.0
        options.upstream_processes, options.google_processes = 0, 2
    return options


def contestants(options: argparse.Namespace) -> list[Client]:
    """Name all ways to download."""
    threads, processes = options.upstream_threads, options.upstream_processes
    clients = [
        *ours(options),
        Client(f"upstream, {threads} threads", "upstream", "download_upstream", "threads", threads),
        Client(f"upstream, {processes} processes", "upstream", "download_upstream", "processes", processes),
        *in_flight("obstore", options.obstore_in_flight),
        *in_flight("aiohttp", options.aiohttp_in_flight),
        *googles(options.google_threads, options.google_processes),
    ]
    return [client for client in clients if client.parallelism]


def ours(options: argparse.Namespace) -> list[Client]:
    """Name our own ways; the first is what a caller gets who asks for nothing."""
    module = "download_ours"
    counts = map(int, options.in_flight.split(","))
    return [
        Client("ours", "ours", module, "auto", MAX_REQUESTS),
        Client("ours, composing", "ours", module, "compose", MAX_REQUESTS),
        Client("ours, directly", "ours", module, "direct", MAX_REQUESTS),
        *(Client(f"ours, directly, {count} in flight", "ours", module, "direct", count) for count in counts),
        Client("ours, 2 processes", "ours", module, "processes", 2),
    ]


def in_flight(peer: str, counts: str) -> list[Client]:
    """Name the same client with several numbers of requests in flight."""
    return [
        Client(f"{peer}, {count} in flight", peer, f"download_{peer}", "", count)
        for count in map(int, counts.split(","))
    ]


def googles(threads: int, processes: int) -> list[Client]:
    """Name what can be done with google-cloud-storage alone."""
    manager = "download_transfer_manager"
    return [
        Client(f"google, {threads} threads", "google", "download_google", "", threads),
        Client(f"google, transfer_manager, {threads} threads", "google", manager, "threads", threads),
        Client(f"google, transfer_manager, {processes} processes", "google", manager, "processes", processes),
    ]


def server_of(options: argparse.Namespace, synthetic: Synthetic, certificates: Certificates | None) -> Emulator:
    """Set the server up as the options say."""
    return Emulator(
        buckets={BUCKET: synthetic},
        latency=Latency(
            read_s=options.read_ms / 1e3, compose_s=options.compose_ms / 1e3, delete_s=options.delete_ms / 1e3
        ),
        certfile=None if certificates is None else certificates.certfile,
        keyfile=None if certificates is None else certificates.keyfile,
    )


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
