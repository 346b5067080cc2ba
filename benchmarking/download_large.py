"""How near does the download of large objects come to what one curl gets of the same URLs?

The server holds a few contents that the objects share, and sends them as they are: that costs it least, half of what
made-up contents do. curl is asked with several numbers of transfers at once; its best counts.
"""

from __future__ import annotations

import argparse
import os
import ssl
import sys
import tempfile
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarking._authority import Certificates, make_certificates
from benchmarking._measure import BUCKET, Client, Contest, Result
from benchmarking._report import median_s, print_line
from benchmarking.clients._large import digest_of, edges_of
from dataflux_core.emulator import Emulator, Latency, Memory, Synthetic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarking._measure import Run

PEERS = ("ours", "curl", "obstore", "aiohttp")
CONTENTS = 8  # 32 MB of 4 MB each: more than the caches of a core hold
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - folders of our own in it; a disk would be what is measured
SMOKE = {"count": 20, "object_bytes": 200_000, "repetitions": 1}


def main() -> int:
    """Measure, then print one line; 1 where ours did not bring what the objects hold."""
    options = read_options()
    os.environ["TMPDIR"] = options.folder
    # Names that are safe as files, contents that are the same in every run.
    synthetic = Synthetic("sequential", options.count, options.object_bytes)
    names = synthetic.names()
    contents = {name: synthetic.content(name) for name in names[:CONTENTS]}
    with tempfile.TemporaryDirectory() as folder:
        certificates = make_certificates(Path(folder)) if options.tls else None
        authority = "" if certificates is None else str(certificates.authority)
        expected = expected_of(names, contents)
        objects = [(name, options.object_bytes) for name in names]
        clients = [client for client in contestants(options) if client.peer in options.peers.split(",")]
        contest = Contest(clients, expected, objects, repetitions=options.repetitions, authority=authority)
        with server_of(options, certificates) as gcs:
            fill(gcs, names, contents, authority)
            runs = contest.run(gcs)
    named = ("to", "object_bytes", "part_bytes", "read_ms", "tls", "folder")
    conditions = {name: getattr(options, name) for name in named} | rates(contest, runs)
    return 0 if print_line("megabytes a second of large objects", conditions, contest, runs) else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="objects")
    parser.add_argument("--object-bytes", type=int, default=4_000_000)
    parser.add_argument("--part-bytes", type=int, default=0, help="peers read objects in ranges of so many; 0: whole")
    parser.add_argument("--to", choices=("memory", "files"), default="memory", help="memory: dropped as it comes")
    parser.add_argument("--folder", default=default_folder(), help="where files are written")
    parser.add_argument("--read-ms", type=float, default=0.0, help="latency of a read")
    parser.add_argument("--tls", action="store_true", help="TLS, with an authority of this benchmark's own")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="whose clients run, ours first")
    parser.add_argument("--in-flight", default="0", help="requests of ours, 0: as the package finds best")
    parser.add_argument("--curl-parallel", default="4,8,32,64")
    parser.add_argument("--obstore-in-flight", default="8,32")
    parser.add_argument("--aiohttp-in-flight", default="8,32")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        vars(options).update(SMOKE)
    return options


def default_folder() -> str:
    """Choose memory where it can be written as a file system."""
    return str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else tempfile.gettempdir()


def contestants(options: argparse.Namespace) -> list[Client]:
    """Name all ways to download."""
    to, part_bytes = options.to, options.part_bytes
    clients = []
    for peer in PEERS:
        counts = options.in_flight if peer == "ours" else getattr(options, f"{peer}_{HOW_MANY[peer]}")
        # curl cannot write parts into one file.
        parts = 0 if peer == "ours" or (peer == "curl" and to == "files") else part_bytes
        for count in map(int, counts.split(",")):
            label = f"{peer}, {count} at once" if count else peer
            clients.append(Client(label, peer, f"large_{peer}", to, count, part_bytes=parts))
    if part_bytes and to == "memory":
        clients.append(Client("curl, whole objects", "curl", "large_curl", to, 1))
    return clients


HOW_MANY = {"curl": "parallel", "obstore": "in_flight", "aiohttp": "in_flight"}


def server_of(options: argparse.Namespace, certificates: Certificates | None) -> Emulator:
    """Set the server up as the options say."""
    return Emulator(
        buckets={BUCKET: Memory()},
        latency=Latency(read_s=options.read_ms / 1e3),
        certfile=None if certificates is None else certificates.certfile,
        keyfile=None if certificates is None else certificates.keyfile,
    )


def fill(gcs: Emulator, names: Sequence[str], contents: Mapping[str, bytes], authority: str) -> None:
    """Upload the contents, copy them within the server: copies share their bytes."""
    for name, content in contents.items():
        gcs.put(BUCKET, name, content)
    sources = list(contents)
    where = urlsplit(gcs.endpoint)
    with closing(
        HTTPSConnection(where.netloc, context=ssl.create_default_context(cafile=authority))
        if authority
        else HTTPConnection(where.netloc)
    ) as connection:
        for position, name in enumerate(names[len(sources) :], len(sources)):
            source = sources[position % len(sources)]
            connection.request("POST", f"/storage/v1/b/{BUCKET}/o/{source}/copyTo/b/{BUCKET}/o/{name}")
            answer = connection.getresponse()
            if answer.read() and answer.status != 200:  # noqa: PLR2004 - the status code is its own name
                raise RuntimeError(f"{name} was not made: {answer.status}")


def expected_of(names: Sequence[str], contents: Mapping[str, bytes]) -> Result:
    """Compute the digest of the ends of all objects in order."""
    edges = [edges_of(content) for content in contents.values()]
    objects = [edges[position % len(edges)] for position in range(len(names))]
    return Result(len(names), sum(found.length for found in objects), digest_of(objects))


def rates(contest: Contest, runs: Mapping[str, list[Run]]) -> dict[str, Any]:
    """Compute megabytes a second, and each rate as a share of curl's best."""
    good = {label: took for label, took in runs.items() if not any(run.error for run in took)}
    mb_per_s = {label: round(contest.expected.bytes / median_s(took) / 1e6, 1) for label, took in good.items()}
    curls = [mb_per_s[client.label] for client in contest.clients if client.peer == "curl" and client.label in good]
    if not curls:
        return {"mb_per_s": mb_per_s, "share_of_curl": None}
    return {
        "mb_per_s": mb_per_s,
        "share_of_curl": {label: round(rate / max(curls), 3) for label, rate in mb_per_s.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
