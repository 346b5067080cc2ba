"""What would a listing cost: calls, round trips, idle time?

The plan runs against a namespace that is computed, on a clock that is simulated, so a billion objects take seconds.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from dataclasses import asdict, dataclass

from dataflux_core._plan.listing import ListingPlan, PageFacts, Span
from dataflux_core.emulator import Synthetic
from dataflux_core.emulator._synthetic import SHAPE_NAMES

SAMPLED_NAMES = 24  # as the lister sends


@dataclass(frozen=True, slots=True)
class Service:
    """How long a page takes, how much is on it."""

    page_objects: int = 5000
    list_s: float = 0.06
    object_s: float = 50e-6


@dataclass(slots=True)
class Outcome:
    """What a simulated listing took."""

    objects: int
    calls: int = 0
    least_calls: int = 0
    empty_calls: int = 0
    ramp_half_s: float = 0.0  # until half of the ranges allowed were at work
    ramp_full_s: float = 0.0
    idle_lister_s: float = 0.0  # all listers together
    wall_s: float = 0.0
    least_wall_s: float = 0.0

    @property
    def calls_ratio(self) -> float:
        return self.calls / self.least_calls


@dataclass(slots=True)
class _Clock:
    now_s: float = 0.0
    busy_lister_s: float = 0.0


def simulate(names: Synthetic, parallelism: int, service: Service) -> Outcome:
    """List `names` with `parallelism` ranges at once; raises AssertionError where the plan loses count."""
    plan = ListingPlan(parallelism)
    outcome = Outcome(len(names), least_calls=max(1, -(-len(names) // service.page_objects)))
    waves = max(1.0, outcome.least_calls / parallelism)
    full_page_s = service.list_s + service.object_s * min(service.page_objects, len(names))
    outcome.least_wall_s = waves * full_page_s
    clock = _Clock()
    pages: list[tuple[float, int, Span, int, int, bool]] = []
    listed = 0
    while not plan.done:
        for span in plan.next_spans(parallelism - len(pages)):
            start, stop, more = _page(names, span, span.most_objects or service.page_objects)
            duration_s = service.list_s + service.object_s * (stop - start)
            outcome.calls += 1
            outcome.empty_calls += start == stop
            clock.busy_lister_s += duration_s
            heapq.heappush(pages, (clock.now_s + duration_s, outcome.calls, span, start, stop, more))
        _note_ramp(outcome, clock.now_s, len(pages), parallelism)
        clock.now_s, _, span, start, stop, more = heapq.heappop(pages)
        kept = plan.receive(span, _facts(names, start, stop, more=more))
        first = start if kept.after is None else names.rank(kept.after) + 1
        last = stop if kept.end is None else min(stop, names.rank(kept.end))
        listed += max(0, last - first)
    if listed != len(names):
        raise AssertionError(f"the plan listed {listed} of {len(names)} names")
    outcome.wall_s = clock.now_s
    outcome.idle_lister_s = parallelism * clock.now_s - clock.busy_lister_s
    return outcome


def _page(names: Synthetic, span: Span, page_objects: int) -> tuple[int, int, bool]:
    start = int(span.token) if span.token else names.rank(span.start)
    end = len(names) if span.end is None else max(start, names.rank(span.end))
    stop = min(end, start + page_objects)
    return start, stop, stop < end


def _facts(names: Synthetic, start: int, stop: int, *, more: bool) -> PageFacts:
    token = str(stop) if more else ""
    if start == stop:
        return PageFacts(0, "", "", (), token)
    step = max(1, (stop - start) // SAMPLED_NAMES)
    sample = tuple(names.name_at(position) for position in range(start, stop, step))
    return PageFacts(stop - start, sample[0], names.name_at(stop - 1), sample, token)


def _note_ramp(outcome: Outcome, now_s: float, busy: int, parallelism: int) -> None:
    if not outcome.ramp_half_s and busy * 2 >= parallelism:
        outcome.ramp_half_s = now_s
    if not outcome.ramp_full_s and busy >= parallelism:
        outcome.ramp_full_s = now_s


def main() -> int:
    """Print a line of JSON for each shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--shapes", default=",".join(SHAPE_NAMES))
    parser.add_argument("--parallelism", type=int, default=32)
    parser.add_argument("--page-objects", type=int, default=5000)
    parser.add_argument("--list-ms", type=float, default=60.0)
    parser.add_argument("--object-us", type=float, default=50.0)
    options = parser.parse_args()
    service = Service(options.page_objects, options.list_ms / 1e3, options.object_us / 1e6)
    for shape in options.shapes.split(","):
        outcome = simulate(Synthetic(shape, options.count), options.parallelism, service)
        line = {"question": "what would a listing cost", "shape": shape, "parallelism": options.parallelism}
        numbers = {key: round(value, 3) for key, value in asdict(outcome).items()}
        print(json.dumps({**line, **numbers, "calls_ratio": round(outcome.calls_ratio, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
