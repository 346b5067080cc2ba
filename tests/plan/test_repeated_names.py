"""A listing plan where names repeat, as generations of an object do: each row once, wherever a page ends."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.listing import Kept, KeyRange, ListingPlan, PageFacts, Span

Row = tuple[str, int]  # a name, one of its generations

NAMES = st.one_of(
    st.text(st.sampled_from("ab0/é😀"), min_size=1, max_size=6),
    st.integers(0, 400).map(lambda number: f"object-{number:04d}"),
)
OBJECTS = st.dictionaries(NAMES, st.integers(1, 30), max_size=60)


@dataclass
class Service:
    """objects.list with versions as a pure function: a token goes on amid a name, a start never does."""

    rows: list[Row]
    page_rows: int
    luck: random.Random
    answers: int = 0

    def answer(self, span: Span) -> tuple[list[Row], str]:
        self.answers += 1
        start = int(span.token.partition(":")[0]) if span.token else bisect_left(self.rows, (span.start, 0))
        end = len(self.rows) if span.end is None else max(start, bisect_left(self.rows, (span.end, 0)))
        stop = start if self.luck.random() < 0.1 and start < end else min(end, start + self.page_rows)
        return self.rows[start:stop], f"{stop}:{self.answers}" if stop < end else ""


def drive(plan: ListingPlan, service: Service) -> list[tuple[list[Row], Kept]]:
    """Bring a plan to its end with answers in any order; one page in ten is lost on the way."""
    asked: list[Span] = []
    received: list[tuple[list[Row], Kept]] = []
    while not plan.done:
        asked += plan.next_spans(plan.parallelism - len(asked))
        span = asked.pop(service.luck.randrange(len(asked)))
        if service.luck.random() < 0.1:
            plan.give_back(span)
            continue
        rows, token = service.answer(span)
        names = [name for name, _ in rows]
        first, last = (names[0], names[-1]) if names else ("", "")
        sample = tuple(names[:: max(1, len(names) // 8)])
        kept = plan.receive(span, PageFacts(len(rows), first, last, sample, token))
        assert kept.after is None
        received.append(([row for row in rows if kept.end is None or row[0] < kept.end], kept))
    return received


def service_of(objects: dict[str, int], page_rows: int, seed: int) -> Service:
    rows = sorted((name, generation) for name, count in objects.items() for generation in range(count))
    return Service(rows, page_rows, random.Random(seed))


@given(OBJECTS, st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_every_generation_is_listed_exactly_once(
    objects: dict[str, int], parallelism: int, page_rows: int, seed: int
) -> None:
    service = service_of(objects, page_rows, seed)
    received = drive(ListingPlan(parallelism, names_repeat=True), service)
    assert sorted(row for rows, _ in received for row in rows) == service.rows


@given(OBJECTS, st.integers(1, 40), st.integers(1, 40), st.lists(NAMES, unique=True, max_size=4), st.integers(0, 99))
def test_what_a_page_covers_will_not_come_again(
    objects: dict[str, int], parallelism: int, page_rows: int, bounds: list[str], seed: int
) -> None:
    service = service_of(objects, page_rows, seed)
    edges: list[str | None] = ["", *sorted(bounds), None]
    ranges = [KeyRange(str(start), end) for start, end in pairwise(edges)][::2]
    received = drive(ListingPlan(parallelism, ranges, names_repeat=True), service)
    covered = sorted((kept.covered for _, kept in received), key=lambda part: part.start)
    assert sum_of(covered, service.rows) == sum_of(ranges, service.rows)
    for place, (_, kept) in enumerate(received):
        later = [row for rows, _ in received[place + 1 :] for row in rows]
        assert not sum_of([kept.covered], later)


@given(OBJECTS, st.integers(1, 40), st.integers(1, 10), st.integers(1, 40), st.integers(0, 99))
def test_what_is_not_covered_completes_the_rows_of_names_that_are(
    objects: dict[str, int], parallelism: int, page_rows: int, pages: int, seed: int
) -> None:
    """A listing that was interrupted: covered names are kept, all others are listed anew."""
    service = service_of(objects, page_rows, seed)
    received = drive(ListingPlan(parallelism, names_repeat=True), service)[:pages]
    covered = [kept.covered for _, kept in received]
    stored = [row for rows, _ in received for row in rows]
    anew = [row for row in service.rows if not sum_of(covered, [row])]
    assert sorted(sum_of(covered, stored) + anew) == service.rows


def sum_of(ranges: list[KeyRange], rows: list[Row]) -> list[Row]:
    """Return the rows in the ranges, once for each range that has them."""
    return sorted(
        row for part in ranges for row in rows if row[0] >= part.start and (part.end is None or row[0] < part.end)
    )


@given(OBJECTS, st.integers(1, 40))
def test_one_range_at_a_time_takes_no_call_more_than_pages(objects: dict[str, int], page_rows: int) -> None:
    service = service_of(objects, page_rows, 0)
    service.luck.random = lambda: 1.0  # type: ignore[method-assign] # nothing is lost, nothing empty
    drive(ListingPlan(1, names_repeat=True), service)
    assert service.answers == max(1, -(-len(service.rows) // page_rows))
