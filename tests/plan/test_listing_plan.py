"""A listing plan driven by hand: exact whatever the names, the order of answers, the pages' sizes."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.listing import KeyRange, ListingPlan, NoProgress, PageFacts, Span

NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=12)
PATHLIKE = st.text(st.sampled_from("ab0/. ~é漢😀"), min_size=1, max_size=8)
# Nine tenths below one deep prefix, the rest identifiers at the root or names of other scripts.
MIXTURES = st.builds(
    lambda deep, hexadecimal, foreign: {
        *(f"projects/vision/frames/{number:09d}" for number in deep),
        *(f"{number:08x}-{number % 9973:04x}" for number in hexadecimal),
        *(f"数据/{name}" for name in foreign),
    },
    st.sets(st.integers(0, 10**4), max_size=300),
    st.sets(st.integers(0, 2**32 - 1), max_size=20),
    st.sets(st.text(st.sampled_from("数é😀\uffff\U00010000a"), max_size=6), max_size=20),
)
NAMESPACES = st.one_of(
    MIXTURES,
    st.sets(NAME, max_size=120),
    st.sets(PATHLIKE, max_size=300),
    st.sets(st.integers(0, 10**6).map(lambda number: f"deep/{'x' * 200}/{number:09d}"), max_size=300),
    st.sets(st.integers(0, 400).map(str), max_size=300),
)


@dataclass
class Service:
    """objects.list as a pure function, with pages as small or as empty as the service likes to send them."""

    names: list[str]
    page_objects: int
    luck: random.Random
    empty_page_probability: float = 0.0
    calls: int = 0
    spans: list[Span] = field(default_factory=list)

    def answer(self, span: Span) -> tuple[list[str], str]:
        self.calls += 1
        self.spans.append(span)
        start = int(span.token.partition(":")[0]) if span.token else bisect_left(self.names, span.start)
        end = len(self.names) if span.end is None else max(start, bisect_left(self.names, span.end))
        empty = start < end and self.luck.random() < self.empty_page_probability
        stop = start if empty else min(end, start + self.page_objects)
        return self.names[start:stop], f"{stop}:{self.calls}" if stop < end else ""


def facts_of(names: list[str], token: str) -> PageFacts:
    first, last = (names[0], names[-1]) if names else ("", "")
    return PageFacts(len(names), first, last, tuple(names[:: max(1, len(names) // 8)]), token)


def list_all(service: Service, parallelism: int) -> list[str]:
    """Drive a plan to its end with answers in any order; lose one page in ten on the way, as a dying lister does."""
    plan = ListingPlan(parallelism)
    asked: list[Span] = []
    pages: list[list[str]] = []
    while not plan.done:
        asked += plan.next_spans(parallelism - len(asked))
        assert 0 < len(asked) <= parallelism
        span = asked.pop(service.luck.randrange(len(asked)))
        if service.luck.random() < 0.1:
            plan.give_back(span)
            continue
        names, token = service.answer(span)
        kept = plan.receive(span, facts_of(names, token))
        start = 0 if kept.after is None else bisect_right(names, kept.after)
        stop = len(names) if kept.end is None else bisect_left(names, kept.end)
        pages.append(names[start:stop])
    return sorted(name for page in pages for name in page)


@given(NAMESPACES, st.integers(1, 40), st.integers(1, 60), st.sampled_from([0.0, 0.1, 0.5]), st.integers(0, 99))
def test_every_name_is_listed_exactly_once(
    names: set[str], parallelism: int, page_objects: int, empty: float, seed: int
) -> None:
    service = Service(sorted(names), page_objects, random.Random(seed), empty)
    assert list_all(service, parallelism) == sorted(names)


@given(NAMESPACES, st.integers(1, 40), st.integers(1, 60), st.lists(NAME, unique=True, max_size=5), st.integers(0, 99))
def test_what_a_page_covers_is_what_is_left_to_list_less(
    names: set[str], parallelism: int, page_objects: int, bounds: list[str], seed: int
) -> None:
    service = Service(sorted(names), page_objects, random.Random(seed), 0.1)
    edges: list[str | None] = ["", *sorted(bounds), None]
    ranges = [KeyRange(str(start), end) for start, end in pairwise(edges)][::2]
    plan = ListingPlan(parallelism, ranges)
    asked: list[Span] = []
    covered: list[KeyRange] = []
    while not plan.done:
        asked += plan.next_spans(parallelism - len(asked))
        span = asked.pop(service.luck.randrange(len(asked)))
        page, token = service.answer(span)
        kept = plan.receive(span, facts_of(page, token))
        covered.append(kept.covered)
        mine = [
            name for name in page if (kept.after is None or name > kept.after) and (kept.end is None or name < kept.end)
        ]
        start, end = kept.covered.start, kept.covered.end
        assert mine == [name for name in service.names if name >= start and (end is None or name < end)]
    assert joined(covered) == joined(ranges)


def joined(ranges: list[KeyRange]) -> list[KeyRange]:
    """Join neighbours; fail where two overlap."""
    whole: list[KeyRange] = []
    for key_range in sorted(ranges, key=lambda each: each.start):
        if key_range.start == key_range.end:
            continue
        if whole and whole[-1].end == key_range.start:
            whole[-1] = KeyRange(whole[-1].start, key_range.end)
            continue
        assert not whole or (whole[-1].end is not None and whole[-1].end < key_range.start)
        whole.append(key_range)
    return whole


@given(st.sets(PATHLIKE, max_size=200), st.integers(1, 50))
def test_one_range_at_a_time_takes_no_call_more_than_pages(names: set[str], page_objects: int) -> None:
    plan = ListingPlan(1)
    service = Service(sorted(names), page_objects, random.Random(0))
    while not plan.done:
        (span,) = plan.next_spans(1)
        plan.receive(span, facts_of(*service.answer(span)))
    assert service.calls == max(1, -(-len(names) // page_objects))


def test_a_bucket_of_one_page_takes_one_call() -> None:
    service = Service([f"{number:03d}" for number in range(100)], 100, random.Random(0))
    list_all_in_order(service, parallelism=64)
    assert service.calls == 1


def list_all_in_order(service: Service, *, parallelism: int) -> ListingPlan:
    plan = ListingPlan(parallelism)
    asked: list[Span] = []
    while not plan.done:
        asked += plan.next_spans(parallelism - len(asked))
        span = asked.pop(0)
        plan.receive(span, facts_of(*service.answer(span)))
    return plan


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([f"{number:010d}" for number in range(100_000)], id="numbers of fixed width"),
        pytest.param(sorted(str(number) for number in range(100_000)), id="numbers without padding"),
        pytest.param([f"one/long/{'prefix/' * 40}{number:07d}" for number in range(100_000)], id="one long prefix"),
        pytest.param(sorted(f"{number:x>1024d}" for number in range(50_000)), id="names of 1024 characters"),
        pytest.param(
            sorted(f"{random.Random(seed).getrandbits(64):016x}" for seed in range(100_000)), id="hashed names"
        ),
        pytest.param(
            sorted(chr(0x4E00 + first) + chr(0x4E00 + second) for first in range(316) for second in range(316)),
            id="names in an alphabet of hundreds",
        ),
        pytest.param(
            [f"{letter}/{number:05d}" for letter in "abcdefghij" for number in range(10_000)], id="ten directories"
        ),
    ],
)
def test_idle_listers_get_work_within_a_few_round_trips(names: list[str]) -> None:
    service = Service(names, 500, random.Random(0))
    plan = ListingPlan(16)
    rounds = 0
    while not plan.done:
        spans = plan.next_spans(16)
        for span in spans:
            plan.receive(span, facts_of(*service.answer(span)))
        rounds += 1
    pages = -(-len(names) // 500)
    assert rounds < pages / 16 * 2 + 10
    assert service.calls < pages * 1.5


def test_a_cut_moves_the_end_of_a_page_that_is_under_way() -> None:
    names = [f"{number:04d}" for number in range(1000)]
    service = Service(names, 100, random.Random(0))
    plan = ListingPlan(8)
    (first,) = plan.next_spans(1)
    plan.receive(first, facts_of(*service.answer(first)))
    under_way, *thieves = plan.next_spans(8)
    assert under_way.token
    assert under_way.end is None
    assert thieves
    beyond = facts_of([thieves[0].start + "0", thieves[0].start + "1"], "token")
    assert plan.receive(under_way, beyond).end == thieves[0].start


def test_a_range_cut_while_a_page_was_under_way_goes_on_without_its_token() -> None:
    plan = ListingPlan(4)
    (first,) = plan.next_spans(1)
    plan.receive(first, facts_of([f"{number:04d}" for number in range(10)], "t1"))
    under_way, *_ = plan.next_spans(4)
    plan.receive(under_way, facts_of(["0010", "0011"], "t2"))
    again = next(span for span in plan.next_spans(4) if span.range_id == under_way.range_id)
    assert (again.start, again.token) == ("0011", "")
    assert again.end is not None


@pytest.mark.parametrize(
    ("second", "said"),
    [
        pytest.param((["c", "d"], "t1"), "answered with itself", id="a token that brings names but does not advance"),
        pytest.param((["a", "c"], "t2"), "came again", id="a name from before"),
        pytest.param((["z", "c"], "t2"), "out of order", id="names out of order"),
    ],
)
def test_contradictory_answers_are_refused(second: tuple[list[str], str], said: str) -> None:
    plan = ListingPlan(1)
    (span,) = plan.next_spans(1)
    plan.receive(span, facts_of(["a", "b"], "t1"))
    (span,) = plan.next_spans(1)
    with pytest.raises(NoProgress, match=said):
        plan.receive(span, facts_of(*second))


def test_a_token_goes_on_with_the_bounds_that_it_was_given_for() -> None:
    plan = ListingPlan(4)
    (first,) = plan.next_spans(1)
    plan.receive(first, facts_of([f"{number:04d}" for number in range(10)], "t1"))
    under_way, *_ = plan.next_spans(4)
    plan.receive(under_way, facts_of(["0010", "0011"], "t2"))
    again = next(span for span in plan.next_spans(4) if span.range_id == under_way.range_id)
    plan.receive(again, facts_of(["0012"], "t3"))
    onwards = next(span for span in plan.next_spans(4) if span.range_id == under_way.range_id)
    assert (onwards.token, onwards.start, onwards.end) == ("t3", again.start, again.end)


def test_no_page_is_asked_for_where_there_is_no_room() -> None:
    assert ListingPlan(4).next_spans(-2) == []


def test_empty_pages_with_the_same_token_are_borne_for_a_while() -> None:
    plan = ListingPlan(1)
    (span,) = plan.next_spans(1)
    plan.receive(span, facts_of(["a"], "t"))
    for _ in range(20):
        (span,) = plan.next_spans(1)
        plan.receive(span, facts_of([], "t"))
    (span,) = plan.next_spans(1)
    with pytest.raises(NoProgress, match="answered with itself"):
        plan.receive(span, facts_of([], "t"))
