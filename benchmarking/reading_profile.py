"""How much CPU does reading one object take of our own engine?

In this process, without peers. Each case has a server of its own, so that its first run opens its connections; the
others find them open. What is read is dropped at once.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from tqdm import tqdm

from benchmarking._authority import Certificates, make_certificates
from benchmarking._measure import BUCKET, QUIET
from benchmarking._report import host
from dataflux_core._plan.columns import ObjectColumns
from dataflux_core._run.access import access_of
from dataflux_core._run.reading.options import ReadOptions
from dataflux_core._run.reading.reader import read_groups
from dataflux_core.emulator import Emulator, Synthetic

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._run.access import Access

OBJECTS = 5000
SMOKE_OBJECTS = 100
SIZES_BYTES = (1_000, 10_000, 100_000)
IN_FLIGHT = (32, 512)
PROFILED_LINES = 40


@dataclass(frozen=True, slots=True)
class Case:
    """One way to read objects of one size."""

    way: str  # direct or composed
    scheme: str
    in_flight: int
    object_bytes: int

    def __str__(self) -> str:
        return f"{self.way}, {self.scheme}, {self.in_flight} in flight, {self.object_bytes} bytes"

    @property
    def words(self) -> set[str]:
        """What a caller may choose the case by."""
        return {self.way, self.scheme, str(self.in_flight), str(self.object_bytes)}

    @property
    def options(self) -> ReadOptions:
        """How the engine is told to read so."""
        return ReadOptions(strategy="compose" if self.way == "composed" else "direct", max_requests=self.in_flight)


@dataclass(frozen=True, slots=True)
class Took:
    """One run."""

    seconds: float
    cpu_s: float  # of this process, all threads
    server_cpu_s: float


def main() -> int:
    """Measure every case, then print one line."""
    options = read_options()
    os.environ.update(QUIET)
    cases = [case for case in all_cases() if case.words.issuperset(options.only)]
    answers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        certificates = make_certificates(Path(folder))
        os.environ["REQUESTS_CA_BUNDLE"] = str(certificates.authority)
        for case in tqdm(cases, unit=" cases", disable=None):
            answers[str(case)] = measure(case, certificates, options)
    line = {
        "question": "client CPU to read one object, in microseconds",
        "command": " ".join(["python -m benchmarking.reading_profile", *sys.argv[1:]]),
        "objects": options.count,
        "cases": answers,
        "host": host(),
    }
    print(json.dumps(line))
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=OBJECTS, help="objects that a run reads")
    parser.add_argument("--repetitions", type=int, default=5, help="runs that find their connections open")
    parser.add_argument("--only", nargs="+", default=[], help="of the cases wanted, such as: direct https 512 10000")
    parser.add_argument("--profile", action="store_true", help="profile one run more of each case, on stderr")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.repetitions = SMOKE_OBJECTS, 1
    return options


def all_cases() -> list[Case]:
    """Name every case; composites are few, so a lower limit of requests would change nothing."""
    direct = [Case("direct", *rest) for rest in product(("http", "https"), IN_FLIGHT, SIZES_BYTES)]
    composed = [Case("composed", *rest) for rest in product(("http", "https"), IN_FLIGHT[-1:], SIZES_BYTES)]
    return direct + composed


def measure(case: Case, certificates: Certificates, options: argparse.Namespace) -> dict[str, Any]:
    """Run a case some times over."""
    synthetic = Synthetic("imagenet", options.count, case.object_bytes)
    objects = ObjectColumns(synthetic.names(), synthetic.sizes())
    with server_of(case, synthetic, certificates) as gcs:
        where = {"api_endpoint": gcs.endpoint}
        access = access_of(storage.Client("benchmark", AnonymousCredentials(), client_options=where))

        def read() -> None:
            read_once(access, objects, case.options)

        # The server makes tables of what it is asked for first; that is nobody's time.
        read_once(access, ObjectColumns(objects.names[:1], objects.sizes[:1]), case.options)
        first = clocked(gcs, read)
        runs = [clocked(gcs, read) for _ in range(options.repetitions)]
        if options.profile:
            profile(case, read)
    return summary(first, runs, options.count)


def server_of(case: Case, synthetic: Synthetic, certificates: Certificates) -> Emulator:
    """Set up a server that speaks what the case asks for."""
    if case.scheme == "http":
        return Emulator(buckets={BUCKET: synthetic})
    return Emulator(buckets={BUCKET: synthetic}, certfile=certificates.certfile, keyfile=certificates.keyfile)


def read_once(access: Access, objects: ObjectColumns, options: ReadOptions) -> None:
    """Read everything, keep nothing; raises ValueError unless all has come."""
    count = total_bytes = 0
    with closing(read_groups(access, BUCKET, objects, options)) as groups:
        for _, parts in groups:
            count += len(parts)
            total_bytes += sum(len(part) for part in parts if isinstance(part, bytes))
    if (count, total_bytes) != (len(objects), sum(objects.sizes)):
        raise ValueError(f"{count} objects of {total_bytes} bytes came, not {len(objects)} of {sum(objects.sizes)}")


def clocked(gcs: Emulator, read: Callable[[], None]) -> Took:
    """Read once, with the clocks running."""
    gcs.reset_requests()
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    read()
    cpu_s, seconds = time.process_time() - began_cpu_s, time.perf_counter() - began_s
    return Took(seconds, cpu_s, gcs.requests().cpu_s)


def summary(first: Took, runs: list[Took], count: int) -> dict[str, float]:
    """Sum up the runs of one case."""
    cpu_us = [run.cpu_s / count * 1e6 for run in runs]
    return {
        "least_us": round(min(cpu_us), 1),
        "median_us": round(statistics.median(cpu_us), 1),
        "first_us": round(first.cpu_s / count * 1e6, 1),  # with the opening of its connections
        "server_us": round(min(run.server_cpu_s for run in runs) / count * 1e6, 1),
        "least_s": round(min(run.seconds for run in runs), 3),
    }


def profile(case: Case, read: Callable[[], None]) -> None:
    """Print where the time of one run goes, as Python's profiler sees it: small functions look dearer than they are."""
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(read)
    print(case, file=sys.stderr)
    pstats.Stats(profiler, stream=sys.stderr).strip_dirs().sort_stats("tottime").print_stats(PROFILED_LINES)


if __name__ == "__main__":
    sys.exit(main())
