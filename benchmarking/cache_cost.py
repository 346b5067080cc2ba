"""How much CPU do an object's storing in the cache of a node and its reading take?

In windows of 256 objects of 10 kB, by one process, then by some at once, each with objects of its own in one cache.
Beside it stands what the files alone take: a plain loop that writes them, one that reads them and their checksums.
Nothing is removed before the end: ext4 takes long to make files where others were just removed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c

from benchmarking._report import host
from dataflux_core._data.cache.node import NodeCache
from dataflux_core._data.cache.options import CacheOptions
from dataflux_core._plan.remote import RemoteObjects

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

    from dataflux_core._data.cache.options import Retention

OBJECTS = 5120
SMOKE_OBJECTS = 512
WINDOW = 256
OBJECT_BYTES = 10_000
PROCESSES = 8
DIRECTORIES = 256


@dataclass(frozen=True, slots=True)
class Took:
    """What one pass over all objects took, per object."""

    cpu_us: float
    wall_us: float


def main() -> int:
    """Measure every case, then print one line."""
    options = read_options()
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        cases = {
            "plain files": plain(Path(folder, "plain"), options),
            "keep, 1 process": cached(Path(folder, "keep-1"), options, "keep", 1),
            "lru, 1 process": cached(Path(folder, "lru-1"), options, "lru", 1),
            f"keep, {PROCESSES} processes": cached(Path(folder, "keep"), options, "keep", PROCESSES),
            f"lru, {PROCESSES} processes": cached(Path(folder, "lru"), options, "lru", PROCESSES),
        }
    line = {
        "question": "CPU to store and to read one object of 10 kB in the cache of a node, in microseconds",
        "command": " ".join(["python -m benchmarking.cache_cost", *sys.argv[1:]]),
        "objects": options.count,
        "window": WINDOW,
        "cases": cases,
        "host": host(),
    }
    print(json.dumps(line))
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=OBJECTS, help="objects of a process")
    parser.add_argument("--repetitions", type=int, default=5, help="passes that read")
    parser.add_argument("--directory", help="where to keep the files; the system's temporary directory by default")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.repetitions = SMOKE_OBJECTS, 1
    return options


def clocked(work: Callable[[], None], count: int) -> Took:
    """Work once, with the clocks running."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    work()
    cpu_s, seconds = time.process_time() - began_cpu_s, time.perf_counter() - began_s
    return Took(cpu_s / count * 1e6, seconds / count * 1e6)


def summary(stores: list[Took], reads: list[Took]) -> dict[str, float]:
    """Sum up what processes took; the wall's time is of each for itself, while all work."""
    return {
        "store_cpu_us": round(statistics.median(took.cpu_us for took in stores), 1),
        "store_wall_us": round(statistics.median(took.wall_us for took in stores), 1),
        "read_cpu_us": round(statistics.median(took.cpu_us for took in reads), 1),
        "read_wall_us": round(statistics.median(took.wall_us for took in reads), 1),
        "read_wall_most_us": round(max(took.wall_us for took in reads), 1),
    }


def plain(directory: Path, options: argparse.Namespace) -> dict[str, float]:
    """Write and read files without any cache."""
    content = os.urandom(OBJECT_BYTES)
    names = [f"{directory}/{number % DIRECTORIES:02x}/{number}" for number in range(options.count)]
    for number in range(DIRECTORIES):
        (directory / f"{number:02x}").mkdir(parents=True)

    def store() -> None:
        for name in names:
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(descriptor, content)
            os.close(descriptor)

    def read() -> None:
        for name in names:
            descriptor = os.open(name, os.O_RDONLY)
            google_crc32c.value(os.read(descriptor, OBJECT_BYTES + 1))
            os.close(descriptor)

    stored = clocked(store, options.count)
    return summary([stored], [clocked(read, options.count) for _ in range(options.repetitions)])


def cached(directory: Path, options: argparse.Namespace, retention: Retention, processes: int) -> dict[str, float]:
    """Store and read through one cache by so many processes at once."""
    chosen = CacheOptions(directory, limit_bytes=10**12, retention=retention)
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(processes, timeout=60)
    pipes = []
    for number in range(processes):
        ours, theirs = context.Pipe(duplex=False)
        context.Process(target=work, args=(chosen, number, options, gate, theirs)).start()
        theirs.close()
        pipes.append(ours)
    answers = [pipe.recv() for pipe in pipes]
    return summary([store for store, _ in answers], [read for _, reads in answers for read in reads])


def work(chosen: CacheOptions, number: int, options: argparse.Namespace, gate: Barrier, pipe: Connection) -> None:
    """Store a process's own objects, then read them some times over; raises ValueError unless each is as it was."""
    content = os.urandom(OBJECT_BYTES)
    urls = [f"gs://bucket/train/{number}/{position:08d}.jpg" for position in range(options.count)]
    windows = [urls[start : start + WINDOW] for start in range(0, options.count, WINDOW)]

    def store() -> None:
        for window in windows:
            with cache.claim(RemoteObjects(window, [OBJECT_BYTES] * len(window))) as claim:
                if not all(claim.store(position, content) for position in claim.ours):
                    raise ValueError("an object was not stored")

    def read() -> None:
        for window in windows:
            with cache.claim(RemoteObjects(window, [OBJECT_BYTES] * len(window))) as claim:
                if sum(claim.read(position) == content for position in claim.held) != len(window):
                    raise ValueError("an object was not found as it was stored")

    with NodeCache(chosen) as cache:
        cache.claim(RemoteObjects([])).release()
        gate.wait()
        stored = clocked(store, options.count)
        gate.wait()
        pipe.send((stored, [clocked(read, options.count) for _ in range(options.repetitions)]))


if __name__ == "__main__":
    sys.exit(main())
