"""What would a listing of a hierarchical namespace cost, by how long the service takes to walk a folder?

The plans run against a namespace that is computed, on a clock that is simulated.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from dataflux_core._plan.folders import FolderPlan, beyond, parts_of
from dataflux_core._plan.listing import Kept, KeyRange, ListingPlan, PageFacts, Span
from dataflux_core.emulator import Synthetic
from dataflux_core.emulator._bucket import Slice
from dataflux_core.emulator._listing import Page, Query, page

PAGE_OBJECTS = 5000
FLAT_OBJECTS = 100  # of the first page of a folder, where that is asked for flat
SAMPLED_NAMES = 24  # as the lister sends
WAYS = ("flat", "a call a folder", "first page flat", "by folder")  # the last is what we do


class Plan(Protocol):
    """What decides which page is asked for next."""

    @property
    def done(self) -> bool:
        """Whether nothing is left."""

    def next_spans(self, free: int) -> list[Span]:
        """Give up to `free` pages to ask for."""

    def receive(self, span: Span, facts: PageFacts) -> Kept:
        """Learn from a page."""


@dataclass(frozen=True, slots=True)
class Service:
    """How long a page takes."""

    list_s: float
    object_s: float
    folder_s: float  # for each folder on a page without delimiter


@dataclass(slots=True)
class Simple:
    """A way not taken: each folder by itself, or first a short flat page of it, by folder only where there is more."""

    flat_first: bool
    _waiting: list[Span] = field(default_factory=lambda: [Span(0, "", None, folder="")])
    _in_flight: int = 0

    @property
    def done(self) -> bool:
        return not self._waiting and not self._in_flight

    def next_spans(self, free: int) -> list[Span]:
        spans = [self._waiting.pop() for _ in range(min(free, len(self._waiting)))]
        self._in_flight += len(spans)
        return spans

    def receive(self, span: Span, facts: PageFacts) -> Kept:
        self._in_flight -= 1
        if span.folder is not None and facts.next_token:
            self._waiting.append(Span(0, facts.next_token, span.end, folder=span.folder))
        elif facts.next_token:
            left = parts_of("", KeyRange(facts.last + "\0", span.end))
            self._waiting += [Span(0, part.entries.start, part.entries.end, folder=part.folder) for part in left]
        for folder in reversed(facts.prefixes):
            self._waiting.append(Span(0, folder, beyond(folder), folder=None if self.flat_first else folder))
        return Kept(None, None, KeyRange("", ""))


def simulate(names: Synthetic, plan: Plan, service: Service, parallelism: int) -> tuple[float, int]:
    """List `names`; return the seconds and the calls. Raises AssertionError where the plan loses count."""
    now_s, calls, listed = 0.0, 0, 0
    in_flight: list[tuple[float, int, Span, Page]] = []
    while not plan.done:
        for span in plan.next_spans(parallelism - len(in_flight)):
            answer = page(partial(_take, names), _query(span, is_short=isinstance(plan, Simple)))
            calls += 1
            heapq.heappush(in_flight, (now_s + _duration_s(service, span, answer), calls, span, answer))
        now_s, _, span, answer = heapq.heappop(in_flight)
        kept = plan.receive(span, _facts(answer))
        first = 0 if kept.after is None else bisect_left(answer.names, kept.after + "\0")
        last = len(answer.names) if kept.end is None else bisect_left(answer.names, kept.end)
        listed += max(0, last - first)
    if listed != len(names):
        raise AssertionError(f"the plan listed {listed} of {len(names)} names")
    return now_s, calls


def _take(names: Synthetic, start: str, end: str | None, limit: int) -> Slice:
    first = names.rank(start)
    last = len(names) if end is None else names.rank(end)
    return Slice(names.names(first, min(last, first + limit)), None)


def _query(span: Span, *, is_short: bool) -> Query:
    limit = FLAT_OBJECTS if is_short and span.folder is None else span.most_objects or PAGE_OBJECTS
    delimiter = "" if span.folder is None else "/"
    return Query(limit, span.folder or "", span.token or span.start, span.end, delimiter)


def _duration_s(service: Service, span: Span, answer: Page) -> float:
    walked = 0 if span.folder is not None else len({name[: name.rfind("/") + 1] for name in answer.names})
    return service.list_s + service.object_s * len(answer.names) + service.folder_s * walked


def _facts(answer: Page) -> PageFacts:
    names = answer.names
    first, last = (names[0], names[-1]) if names else ("", "")
    sample = tuple(names[:: max(1, len(names) // SAMPLED_NAMES)])
    return PageFacts(len(names), first, last, sample, answer.resume or "", tuple(answer.prefixes))


def plan_of(way: str, parallelism: int) -> Plan:
    """Make the plan that lists in one of WAYS."""
    if way in {"a call a folder", "first page flat"}:
        return Simple(way == "first page flat")
    flat = ListingPlan(parallelism)
    return flat if way == "flat" else FolderPlan(parallelism, flat)


def main() -> int:
    """Print a line of JSON for each shape with each time that a folder may take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--shapes", default="imagenet,hive,deep")
    parser.add_argument("--parallelism", type=int, default=32)
    parser.add_argument("--list-ms", type=float, default=60.0)
    parser.add_argument("--object-us", type=float, default=50.0)
    parser.add_argument("--folder-ms", default="1,20,60")
    options = parser.parse_args()
    for shape in options.shapes.split(","):
        for folder_ms in map(float, options.folder_ms.split(",")):
            service = Service(options.list_ms / 1e3, options.object_us / 1e6, folder_ms / 1e3)
            names = Synthetic(shape, options.count)
            line = {"question": "what would a hierarchical namespace cost", "shape": shape, "folder_ms": folder_ms}
            for way in WAYS:
                seconds, calls = simulate(names, plan_of(way, options.parallelism), service, options.parallelism)
                line |= {way: {"seconds": round(seconds, 2), "calls": calls}}
            print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
