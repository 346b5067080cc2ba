"""Tell on a terminal what is being done, how long it took."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarking.clients._timing import cpu_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflux_core.emulator import Emulator, Requests

LOOK_S = 0.2  # between two looks at the server's counters


@dataclass(frozen=True, slots=True)
class Took:
    """What a client took for a piece of work."""

    seconds: float
    cpu_s: float  # with its child processes
    calls: int


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of work, done by ours, then by google-cloud-storage where that was asked too."""

    work: str
    ours: Took
    google: Took | None = None


class Difference(Exception):
    """What was listed or downloaded is not what there is."""


def say(text: str = "") -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def is_terminal() -> bool:
    """Tell whether progress bars have somebody to look at them."""
    return sys.stderr.isatty()


@contextmanager
def watching(gcs: Emulator, what: str, total: int, done: Callable[[Requests], int]) -> Iterator[None]:
    """Show a bar of how far the server's counters say that a client has come, whatever client it is."""
    if not is_terminal():
        yield
        return
    ended = threading.Event()
    with tqdm(desc=f"   {what}", total=total, unit=" objects", unit_scale=True, leave=False) as bar:

        def look() -> None:
            while not ended.wait(LOOK_S):
                bar.update(min(done(gcs.requests()), total) - bar.n)

        looker = threading.Thread(target=look)
        looker.start()
        try:
            yield
        finally:
            ended.set()
            looker.join()


class Stopwatch:
    """Measure pieces of work of this process, with the calls that the server counts."""

    def __init__(self, gcs: Emulator) -> None:
        self._gcs = gcs
        gcs.reset_requests()
        self._began_s, self._began_cpu_s = time.perf_counter(), cpu_s()

    def stop(self) -> Took:
        seconds = time.perf_counter() - self._began_s
        return Took(seconds, cpu_s() - self._began_cpu_s, calls_of(self._gcs.requests()))


def calls_of(requests: Requests) -> int:
    """Count requests; those inside a batch travel as one."""
    return requests.total - (requests["delete"] if requests["batch"] else 0)


def table_of(rows: Sequence[Row]) -> str:
    """Set rows beside each other in columns."""
    heads = ["", "dataflux_core", "google", "faster", "calls", "client CPU"]
    lines = [heads, *([*_cells(row)] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    legend = "google: google-cloud-storage. Pairs are dataflux_core's / google's."
    return "\n".join([texts[0], "-" * max(map(len, texts)), *texts[1:], legend])


def _cells(row: Row) -> Iterator[str]:
    ours, google = row.ours, row.google
    yield row.work
    yield f"{ours.seconds:.2f} s"
    yield f"{google.seconds:.2f} s" if google else "-"
    yield f"{google.seconds / ours.seconds:.1f} x" if google else "-"
    yield f"{ours.calls:,} / {google.calls:,}" if google else f"{ours.calls:,}"
    yield f"{ours.cpu_s:.2f} / {google.cpu_s:.2f} s" if google else f"{ours.cpu_s:.2f} s"
