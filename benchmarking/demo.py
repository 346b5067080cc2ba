"""Show what dataflux_core does, on this machine alone, in two minutes.

An embedded server stands in for Cloud Storage: with its latency, without its network. Ends with 1 where a name or a
byte is not what it should be.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarking import _demo_million, _demo_small, _demo_tree
from benchmarking._measure import QUIET, ClientFailed
from benchmarking._story import Difference, Row, say, table_of
from dataflux_core.emulator import Directory, Emulator, EmulatorError, Latency, Synthetic
from dataflux_core.errors import DatafluxError

INTRODUCTION = """\
dataflux_core lists a bucket and downloads it. Nothing leaves this machine: an embedded server stands in for Google
Cloud Storage, as slow as the real one: 60 ms a page and 50 µs for each object on it, 60 ms a read, 350 ms a compose,
60 ms a delete. google-cloud-storage, the official client, does the same work for comparison.
"""


def main() -> int:
    """Run the three parts, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the picture")
    parser.add_argument("--tree", type=Path, default=_demo_tree.TREE, help="directory to serve in the first part")
    parser.add_argument("--smoke", action="store_true", help="small numbers: shows that it works in a few seconds")
    options = parser.parse_args()
    began_s = time.perf_counter()
    try:
        rows = show(options.tree.resolve(), options.output, smoke=options.smoke)
    except (Difference, ClientFailed, DatafluxError, EmulatorError) as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    say(table_of(rows))
    say(f"\nAll names and bytes were compared. {time.perf_counter() - began_s:.0f} s altogether.")
    say("Next: the tutorial in docs/tutorial, or `dataflux emulator --help` for a server of your own.")
    return 0


def show(tree: Path, output: Path, *, smoke: bool) -> list[Row]:
    """Serve the three buckets, go through them; raises Difference."""
    names, objects = (20_000, 300) if smoke else (1_000_000, 10_000)
    million, small = Synthetic("imagenet", names), Synthetic("imagenet", objects, object_bytes=10_000)
    output.mkdir(parents=True, exist_ok=True)
    # The tree may be where Python keeps what it imports: it must not grow while it is compared.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    say(INTRODUCTION)
    buckets: dict[str, Directory | Synthetic] = {
        _demo_tree.BUCKET: Directory(tree),
        _demo_million.BUCKET: million,
        _demo_small.BUCKET: small,
    }
    with Emulator(buckets=buckets, latency=Latency.gcs()) as gcs:
        os.environ.update(gcs.environ | QUIET)
        return [
            *_demo_tree.show(gcs, tree),
            *_demo_million.show(gcs, million, output / "listing.png"),
            *_demo_small.show(gcs, small),
        ]


if __name__ == "__main__":
    sys.exit(main())
