"""What does it cost to list a bucket that was listed before, or to keep the pages of a listing in a file?

One process lists, so that its CPU is all there is. `--list-ms 60 --object-us 50` is the latency of Cloud Storage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from benchmarking._report import commit, host
from dataflux_core._run import processes
from dataflux_core.emulator import Emulator, Latency, ShapeName, Synthetic
from dataflux_core.fast_list import ListingChanges, ListingController

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflux_core.fast_list import Listing

PARALLELISM = 64


@dataclass(frozen=True, slots=True)
class Took:
    """The best of some runs."""

    wall_s: float
    cpu_ns_per_object: float
    calls: int


def main() -> None:
    """Measure, then print one line."""
    arguments = parsed()
    count = 20_000 if arguments.smoke else arguments.count
    latency = Latency(list_s=arguments.list_ms / 1e3, list_object_s=arguments.object_us / 1e6)
    processes._cores = lambda: 1  # noqa: SLF001 - see above
    with Emulator(buckets={"b": Synthetic(arguments.shape, count)}, latency=latency) as gcs:
        os.environ.update(gcs.environ)
        answer = measured(count, 1 if arguments.smoke else arguments.repetitions)
    conditions = {"shape": arguments.shape, "count": count, "floor_calls": -(-count // 5000)}
    command = " ".join(["python -m benchmarking.list_again", *sys.argv[1:]])
    question = "what it costs to list again, or to keep the pages"
    print(json.dumps({"question": question, "command": command, **conditions, **answer, **host(), "commit": commit()}))


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=get_args(ShapeName), default="imagenet")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--list-ms", type=float, default=0.0)
    parser.add_argument("--object-us", type=float, default=0.0)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="a small bucket: shows that it works, measures nothing")
    return parser.parse_args()


def measured(count: int, repetitions: int) -> dict[str, object]:
    """List cold, with a file, again; compare what came."""
    cold = ListingController(PARALLELISM, "p", "b")
    again = ListingController(PARALLELISM, "p", "b")
    previous = cold.listing(fields=("generation",))
    with tempfile.TemporaryDirectory() as directory:
        kept = ListingController(PARALLELISM, "p", "b", resume=Path(directory) / "checkpoint")
        ways: Sequence[tuple[str, ListingController, Callable[[], Listing]]] = (
            ("cold", cold, lambda: cold.listing(fields=("generation",))),
            ("resumable", kept, lambda: kept.listing(fields=("generation",))),
            ("refresh", again, lambda: again.refresh(previous).listing),
        )
        took = {name: best(listing, count, run, repetitions) for name, listing, run in ways}
    listed = again.listing(fields=("generation",))
    began_s = time.process_time()
    changes = ListingChanges.between(previous, listed)
    compared_s = time.process_time() - began_s
    if len(changes.listing) != count or len(changes.added) + len(changes.changed) + len(changes.removed):
        raise SystemExit(f"not exact: {changes}")
    return {
        **{name: asdict(value) for name, value in took.items()},
        "exact": True,
        "compare_cpu_s": round(compared_s, 3),
    }


def best(controller: ListingController, count: int, run: Callable[[], Listing], repetitions: int) -> Took:
    """Run some times; keep the quickest."""
    results: list[Took] = []
    for _ in range(repetitions):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        if len(run()) != count:
            raise SystemExit("not exact")
        cpu_s, wall_s = time.process_time() - began_cpu_s, time.perf_counter() - began_s
        results.append(Took(round(wall_s, 3), round(cpu_s / count * 1e9, 1), controller.stats.calls))
    return min(results, key=lambda took: took.cpu_ns_per_object)


if __name__ == "__main__":
    main()
