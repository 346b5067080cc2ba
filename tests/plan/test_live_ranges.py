"""The ranges of a listing: who waits, who ends where, however many there are."""

from __future__ import annotations

from dataflux_core._plan.coverage import between_cuts
from dataflux_core._plan.listing import KeyRange, ListingPlan, PageFacts
from dataflux_core._plan.live_ranges import LiveRanges
from tests.steps import steps_of


def test_what_was_begun_is_finished_before_another_range_is_begun() -> None:
    ranges = LiveRanges()
    for start in "abcd":
        ranges.put_back(ranges.add(start, start + "z"))
    first, second = ranges.take(2)
    ranges.put_back(second)
    ranges.put_back(first)
    assert [live.start for live in ranges.take(3)] == ["a", "b", "c"]
    assert [live.start for live in ranges.take(3)] == ["d"]
    assert ranges.take(3) == []


def test_the_left_neighbour_is_the_one_that_ends_where_a_range_starts() -> None:
    ranges = LiveRanges()
    whole = ranges.add("a", None)
    ranges.move_end(whole, "m")
    middle, last = ranges.add("m", "x", whole.id), ranges.add("x", None, whole.id)
    assert (ranges.left_of(whole), ranges.left_of(middle), ranges.left_of(last)) == (None, whole, middle)
    ranges.remove(middle)
    assert ranges.left_of(last) is None
    assert [live.start for live in ranges] == ["a", "x"]


def page_steps(count: int) -> int:
    """Return how many steps a page takes where so many ranges were given to begin with."""
    plan = ListingPlan(8, between_cuts(f"{number:08d}" for number in range(count)))

    def a_hundred_pages() -> None:
        for _ in range(100):
            (span,) = plan.next_spans(1)
            name = span.start + "x"
            plan.receive(span, PageFacts(1, name, name, (name,), ""))

    return steps_of(a_hundred_pages)


def test_a_page_costs_no_look_at_every_range() -> None:
    assert page_steps(24_000) < 1.5 * page_steps(1000)


def test_a_range_that_goes_on_behind_a_name_is_asked_for_from_that_name() -> None:
    r"""The next string above a name ends in "\0", which is no character to send to a service that need not know it."""
    plan = ListingPlan(1, [KeyRange("b\0", "x")])
    (span,) = plan.next_spans(1)
    assert (span.start, span.end) == ("b", "x")
    kept = plan.receive(span, PageFacts(3, "b", "d", ("b", "c", "d"), "token"))
    assert (kept.after, kept.covered) == ("b", KeyRange("b\0", "d\0"))
    (span,) = plan.next_spans(1)
    assert span.token
    assert plan.hand_over() == []
    plan.give_back(span)
    assert plan.hand_over() == [KeyRange("d\0", "x")]


def test_a_range_that_goes_on_behind_a_name_that_is_gone_loses_nothing() -> None:
    plan = ListingPlan(1, [KeyRange("b\0", None)])
    (span,) = plan.next_spans(1)
    kept = plan.receive(span, PageFacts(1, "b\0", "b\0", ("b\0",), ""))
    assert (kept.after, kept.end, kept.covered) == (None, None, KeyRange("b\0", None))


def test_where_names_repeat_a_range_begins_exactly_where_it_is_said_to() -> None:
    plan = ListingPlan(1, [KeyRange("b\0", None)], names_repeat=True)
    assert plan.next_spans(1)[0].start == "b\0"
