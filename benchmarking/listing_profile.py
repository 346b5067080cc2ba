"""Where does each nanosecond that a client spends on a listed object go?"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from itertools import islice
from operator import lt
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarking._measure import BUCKET, Client, run_client
from benchmarking._report import host
from dataflux_core._data.listing import Listing, whole_listing
from dataflux_core._plan.listing import ListingPlan, PageFacts, Span
from dataflux_core._run.transport import Endpoint, Transport
from dataflux_core._wire.listing import FetchedPage, Scope, _decode, keep, list_request, read_page
from dataflux_core._wire.page import page_of
from dataflux_core.emulator import Emulator, Synthetic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dataflux_core._wire.listing import Item

OBJECTS = 1_000_000
SMOKE_OBJECTS = 25_000
MAX_BODIES = 60  # of 5000 objects: 26 MB, so that no cache holds what the next page is made of
REPETITIONS = 7
SCOPE = Scope(BUCKET)


@dataclass(frozen=True, slots=True)
class Work:
    """Real pages in each of the states that they pass through."""

    spans: Sequence[Span]
    bodies: Sequence[bytes]
    items: Sequence[tuple[list[Item], list[str]]]  # with their names
    fetched: Sequence[FetchedPage]
    messages: Sequence[bytes]  # as they cross a process boundary
    objects: int


def main() -> int:
    """Time every stage, then whole runs; print one line."""
    options = read_options()
    with Emulator(buckets={BUCKET: Synthetic(options.shape, options.count)}) as gcs:
        work = work_of(fetch_bodies(gcs))
        stages = {"receive": receive_ns(gcs, work)} | stages_ns(work)
        runs = {form: whole_run(gcs, form, options.count, options.repetitions) for form in ("columns", "tuples")}
    line = {
        "question": "nanoseconds of client CPU an object",
        "command": " ".join(["python -m benchmarking.listing_profile", *sys.argv[1:]]),
        "shape": options.shape,
        "objects": options.count,
        "body_bytes_per_object": round(sum(map(len, work.bodies)) / work.objects, 1),
        "stages": {name: round(spent_ns, 1) for name, spent_ns in stages.items()},
        "runs": runs,
        "host": host(),
    }
    print(json.dumps(line))
    return 0


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=OBJECTS, help="objects in the bucket")
    parser.add_argument("--shape", default="imagenet", help="shape of the names, as the emulator calls it")
    parser.add_argument("--repetitions", type=int, default=5, help="whole runs, of which the median counts")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.repetitions = SMOKE_OBJECTS, 1
    return options


def fetch_bodies(gcs: Emulator) -> list[tuple[Span, bytes]]:
    """Fetch pages one after another, as a listing with one range does."""
    transport = Transport(Endpoint(gcs.endpoint))
    fetched: list[tuple[Span, bytes]] = []
    token = ""
    while len(fetched) < MAX_BODIES and (token or not fetched):
        span = Span(0, "", None, token)
        transport.start(list_request(SCOPE, span), None)
        ((_, answer),) = transport.wait().answers
        fetched.append((span, answer.body))
        token = read_page(SCOPE, answer.body).next_token
    transport.close()
    return fetched


def work_of(fetched: Sequence[tuple[Span, bytes]]) -> Work:
    """Bring the pages into every state."""
    bodies = [body for _, body in fetched]
    items = [_decode(SCOPE, body)[0][1] for body in bodies]
    pages = [read_page(SCOPE, body) for body in bodies]
    return Work(
        [span for span, _ in fetched],
        bodies,
        [(some, [item.name for item in some]) for some in items],
        pages,
        [msgspec.msgpack.encode(page) for page in pages],
        sum(page.count for page in pages),
    )


def stages_ns(work: Work) -> dict[str, float]:
    """Time each stage on all pages, in nanoseconds an object."""
    pages = [page.page for page in work.fetched]
    stages: Mapping[str, Callable[[], Any]] = {
        "decode": lambda: [_decode(SCOPE, body) and None for body in work.bodies],
        "check order": lambda: [in_order(items) for items, _ in work.items],
        "keep": lambda: [keep(SCOPE, items, names, classes_fit=True) and None for items, names in work.items],
        "pack": lambda: [page_of(names, [item.size for item in items]) and None for items, names in work.items],
        "read a page: the four above": lambda: [read_page(SCOPE, body) and None for body in work.bodies],
        "plan": lambda: plan(work),
        "send between processes": lambda: [msgspec.msgpack.encode(page) and None for page in work.fetched],
        "take in from a process": lambda: [
            msgspec.msgpack.decode(message, type=FetchedPage) and None for message in work.messages
        ],
        "merge": lambda: whole_listing(BUCKET, pages, ()),
        "tuples": lambda: list(Listing(pages)),
    }
    return {name: best_ns(stage, work.objects) for name, stage in stages.items()}


def best_ns(stage: Callable[[], Any], objects: int) -> float:
    """Return the CPU time of the quickest of some goes."""
    spent_s = []
    for _ in range(REPETITIONS):
        began_s = time.process_time()
        stage()
        spent_s.append(time.process_time() - began_s)
    return min(spent_s) / objects * 1e9


def in_order(items: Sequence[Item]) -> bool:
    """Do what reading a page does to see that its names ascend."""
    names = [item.name for item in items]
    return all(map(lt, names, islice(names, 1, None)))


def plan(work: Work) -> None:
    """Let a plan of one range learn from all pages."""
    learner = ListingPlan(1)
    for page in work.fetched:
        (span,) = learner.next_spans(1)
        learner.receive(span, PageFacts(page.count, page.first, page.last, page.sample, page.next_token))


def receive_ns(gcs: Emulator, work: Work) -> float:
    """Time the transport: from the request to the body in one piece."""
    transport = Transport(Endpoint(gcs.endpoint))

    def fetch() -> None:
        for span in work.spans:
            transport.start(list_request(SCOPE, span), None)
        answers = 0
        while answers < len(work.spans):
            answers += len(transport.wait().answers)

    spent_ns = best_ns(fetch, work.objects)
    transport.close()
    return spent_ns


def whole_run(gcs: Emulator, form: str, count: int, repetitions: int) -> dict[str, float]:
    """List the whole bucket in a process of its own; return its CPU with its helpers', helpers' imports included."""
    client = Client(form, "ours", "list_ours", form, 32)
    answers = [run_client(client, gcs.endpoint, timeout_s=300) for _ in range(repetitions)]
    return {
        "cpu_ns_per_object": round(statistics.median(answer["cpu_s"] for answer in answers) / count * 1e9, 1),
        "least_cpu_ns_per_object": round(min(answer["cpu_s"] for answer in answers) / count * 1e9, 1),
        "seconds": round(statistics.median(answer["seconds"] for answer in answers), 3),
    }


if __name__ == "__main__":
    sys.exit(main())
