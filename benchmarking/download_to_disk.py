"""How much CPU does a file on disk take beyond the reading of its object?

In this process, without peers or latency. Each case reads its objects twice: once to drop them, once to files in a new
directory; what the second takes more is the writing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from tqdm import tqdm

from benchmarking._measure import BUCKET, QUIET
from benchmarking._report import host
from dataflux_core._plan.columns import columns_of
from dataflux_core._run.access import access_of
from dataflux_core._run.reading.options import ReadOptions
from dataflux_core._run.reading.reader import read_groups
from dataflux_core.download import DirectoryOptions, download_to_directory
from dataflux_core.emulator import Emulator, Synthetic
from dataflux_core.fast_list import ListingController

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._data.listing import Listing
    from dataflux_core._plan.strategy import Strategy

SMOKE_OBJECTS = 50
FIELDS = ("generation", "crc32c", "updated")  # as the command lists them


@dataclass(frozen=True, slots=True)
class Case:
    """Objects of one size, read in one way."""

    label: str
    count: int
    object_bytes: int
    strategy: Strategy


CASES = (
    Case("small, direct", 20_000, 10_000, "direct"),
    Case("small, composed", 20_000, 10_000, "compose"),
    Case("of 4 MB", 200, 4_000_000, "direct"),
)


@dataclass(frozen=True, slots=True)
class Took:
    """One run."""

    seconds: float
    cpu_s: float  # of this process, all threads


def main() -> int:
    """Measure every case, then print one line."""
    options = read_options()
    os.environ.update(QUIET)
    answers: dict[str, Any] = {}
    # All is removed in the end alone: ext4 passes by, one after the other, what was removed in the last seconds when it
    # looks for a place for a new file, which makes that a hundred times dearer.
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        for case in tqdm(CASES, unit=" cases", disable=None):
            count = min(case.count, options.most)
            with Emulator(buckets={BUCKET: Synthetic("imagenet", count, case.object_bytes)}) as gcs:
                answers[case.label] = measure(case, gcs, Path(folder, case.label), options.repetitions)
    line = {
        "question": "client CPU to write one file, beyond reading, in microseconds",
        "command": " ".join(["python -m benchmarking.download_to_disk", *sys.argv[1:]]),
        "cases": answers,
        "host": host(),
    }
    print(json.dumps(line))
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--directory", type=Path, default=None, help="where files go; a temporary one by default")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="objects of a case at most")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.most, options.repetitions = SMOKE_OBJECTS, 1
    return options


def measure(case: Case, gcs: Emulator, folder: Path, repetitions: int) -> dict[str, Any]:
    """Read and write in turns, so that a noisy minute strikes both."""
    client = storage.Client("benchmark", AnonymousCredentials(), client_options={"api_endpoint": gcs.endpoint})
    controller = ListingController(1, "benchmark", BUCKET)
    controller.client = client
    objects = controller.listing(fields=FIELDS)
    reads, writes = [], []
    read_once(client, objects, case)  # opens the connections; the server makes tables of what it is asked for first
    for turn in range(repetitions):
        reads.append(clocked(partial(read_once, client, objects, case)))
        writes.append(clocked(partial(write_once, client, objects, case, folder / str(turn))))
    return summary(reads, writes, objects)


def read_once(client: Any, objects: Listing, case: Case) -> None:  # noqa: ANN401 - a storage.Client, which has no types
    """Read everything, keep nothing; raises ValueError unless all has come."""
    access = access_of(client)
    options = ReadOptions(strategy=case.strategy)
    count = 0
    with closing(read_groups(access, BUCKET, columns_of(objects), options)) as groups:
        for _, parts in groups:
            count += len(parts)
    if count != len(objects):
        raise ValueError(f"{count} objects came, not {len(objects)}")


def write_once(client: Any, objects: Listing, case: Case, target: Path) -> None:  # noqa: ANN401 - as above
    """Read everything to files; raises ValueError unless all are written."""
    options = DirectoryOptions(strategy=case.strategy)
    done = download_to_directory(BUCKET, objects, target, storage_client=client, options=options)
    if done.written != len(objects):
        raise ValueError(f"{done.written} files were written, not {len(objects)}")


def clocked(work: Callable[[], None]) -> Took:
    """Do it once, with the clocks running."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - began_s, time.process_time() - began_cpu_s)


def summary(reads: list[Took], writes: list[Took], objects: Listing) -> dict[str, Any]:
    """Sum up the runs of one case."""
    count = len(objects)
    read_us, write_us = (min(run.cpu_s for run in runs) / count * 1e6 for runs in (reads, writes))
    return {
        "objects": count,
        "bytes": objects.total_bytes,
        "read_us": round(read_us, 1),  # the least of all runs
        "read_and_write_us": round(write_us, 1),
        "write_us": round(write_us - read_us, 1),
        "read_s": round(statistics.median(run.seconds for run in reads), 3),
        "read_and_write_s": round(statistics.median(run.seconds for run in writes), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
