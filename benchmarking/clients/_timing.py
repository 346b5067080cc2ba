"""Time one call of a client in the process that runs it.

The modules beside this one run in environments that are not this project's too, so this one needs the standard library
alone.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypedDict, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Task(TypedDict):
    """What a client reads from its standard input."""

    bucket: str
    endpoint: str
    variant: str  # how the client does it, where it knows several ways
    parallelism: int  # ranges, threads, processes or requests at once, as the client counts them
    objects: list[tuple[str, int]]  # (name, size in bytes) to download; [] for a listing
    part_bytes: int  # a larger object is read in ranges of so many; 0: in one piece
    authority: str  # the certificate to trust; "" where the server speaks plain HTTP


@dataclass(frozen=True)
class Timed(Generic[T]):
    """What a call gave, with what it took."""

    value: T
    seconds: float
    cpu_s: float  # of this process and its children


def read_task() -> Task:
    """Read the task that the benchmark wrote."""
    task: Task = json.load(sys.stdin)
    task["objects"] = [(name, size) for name, size in task["objects"]]
    return task


def time_call(call: Callable[[], T]) -> Timed[T]:
    """Call once, with the clocks running."""
    began_s, began_cpu_s = time.perf_counter(), cpu_s()
    value = call()
    seconds = time.perf_counter() - began_s
    # The CPU of a child is counted once it has been waited for, which not every client does.
    for child in multiprocessing.active_children():
        child.join()
    return Timed(value, seconds, cpu_s() - began_cpu_s)


def tell_names(timed: Timed[T], listed: Iterable[tuple[str, int]]) -> None:
    """Answer with what was listed, in whatever order."""
    names: list[bytes] = []
    total_bytes = 0
    for name, size in listed:
        names.append(name.encode())
        total_bytes += size
    names.sort()
    tell(timed, len(names), total_bytes, hashlib.sha256(b"\n".join(names)).hexdigest())


def tell_contents(timed: Timed[T], contents: Iterable[bytes]) -> None:
    """Answer with what was downloaded, in the order of the task."""
    digest = hashlib.sha256()
    count = total_bytes = 0
    for content in contents:
        # Every object begins with its length, so that shifted bounds change the digest too.
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
        count += 1
        total_bytes += len(content)
    tell(timed, count, total_bytes, digest.hexdigest())


def tell(timed: Timed[T], count: int, total_bytes: int, digest: str) -> None:
    """Answer; a digest of "" says that only counts can be compared."""
    answer = {"seconds": timed.seconds, "cpu_s": timed.cpu_s, "count": count, "bytes": total_bytes, "digest": digest}
    print(json.dumps(answer))


def cpu_s() -> float:
    """Return the CPU seconds of this process with the children that it has waited for."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
