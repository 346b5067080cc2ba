"""Where a chunk is read from: decisions, without a network."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.mirrors import Fault, HostBook

HOSTS = ["a", "b", "c"]
SIZE = 1_000_000


def serve(book: HostBook, host: str, elapsed_s: float, now_s: float = 0.0) -> None:
    book.served(host, SIZE, elapsed_s, book.began(host), now_s)


def fail(book: HostBook, host: str, fault: Fault, now_s: float = 0.0, **more: float) -> None:
    book.began(host)
    book.failed(host, fault, now_s, **{"draw": 1.0, **more})


def chosen(book: HostBook, reads: int, now_s: float = 0.0, hosts: list[str] = HOSTS) -> Counter[str]:
    """Tell where so many reads at once go."""
    places: Counter[str] = Counter()
    for turn in range(reads):
        host = hosts[book.choose(hosts, now_s, turn=turn)]
        book.began(host)
        places[host] += 1
    return places


def test_hosts_of_which_nothing_is_known_get_equal_parts() -> None:
    assert chosen(HostBook(), 30) == {"a": 10, "b": 10, "c": 10}


def test_a_host_that_takes_more_than_twice_as_long_gets_half_as_many() -> None:
    book = HostBook()
    for host, elapsed_s in (("a", 1.0), ("b", 1.0), ("c", 3.0)):
        serve(book, host, elapsed_s)
    assert chosen(book, 25) == {"a": 10, "b": 10, "c": 5}


def test_a_single_read_goes_to_the_quickest() -> None:
    book = HostBook()
    for host, elapsed_s in (("a", 1.0), ("b", 0.1), ("c", 2.0)):
        serve(book, host, elapsed_s)
    assert [HOSTS[book.choose(HOSTS, 0.0, turn=turn)] for turn in range(3)] == ["b"] * 3


def test_hosts_that_differ_by_less_than_two_are_equal() -> None:
    book = HostBook()
    for host, elapsed_s in (("a", 1.0), ("b", 1.9), ("c", 1.5)):
        serve(book, host, elapsed_s)
    assert chosen(book, 30) == {"a": 10, "b": 10, "c": 10}


def test_what_was_slow_once_is_asked_again_after_some_reads_elsewhere() -> None:
    book = HostBook()
    serve(book, "a", 0.1)
    serve(book, "b", 1.0)
    reads = 0
    while book.choose(["a", "b"], 0.0, turn=1) == 0:
        serve(book, "a", 0.1)
        reads += 1
    assert 50 < reads < 200


def test_what_was_slow_is_asked_again_some_time() -> None:
    book = HostBook()
    serve(book, "a", 0.1)
    serve(book, "b", 10.0)
    assert book.choose(["a", "b"], 0.0) == 0
    serve(book, "a", 0.1, now_s=300.0)
    assert book.choose(["a", "b"], 300.0) == 1


@pytest.mark.parametrize(
    ("faults", "pause_s"),
    [
        pytest.param(["down"], 1.0, id="a host that is down has a pause of a second"),
        pytest.param(["wrong"], 1.0, id="so has one that sends something else"),
        pytest.param(["missing"], 0.0, id="one chunk that is missing says nothing of others"),
        pytest.param(["missing", "missing"], 0.0, id="nor do two"),
        pytest.param(["missing"] * 3, 1.0, id="three in a row do"),
    ],
)
def test_the_pause_after_a_failure(faults: list[Fault], pause_s: float) -> None:
    book = HostBook()
    for fault in faults:
        fail(book, "a", fault)
    assert book.is_well("a", pause_s)
    if pause_s:
        assert not book.is_well("a", pause_s - 0.01)
        assert chosen(book, 10) == {"b": 5, "c": 5}


def test_pauses_double_up_to_a_minute_and_end_with_what_is_served() -> None:
    book, now_s, pauses_s = HostBook(), 0.0, []
    for _ in range(8):
        fail(book, "a", "down", now_s)
        began_s = now_s
        while not book.is_well("a", now_s):
            now_s += 0.5
        pauses_s.append(now_s - began_s)
    assert pauses_s == [1, 2, 4, 8, 16, 32, 60, 60]
    serve(book, "a", 1.0, now_s)
    fail(book, "a", "down", now_s)
    assert book.is_well("a", now_s + 1.0)


def test_reads_that_fail_together_are_one_mishap() -> None:
    book = HostBook()
    for _ in range(50):
        book.began("a")
    for _ in range(50):
        book.failed("a", "down", 0.0, draw=1.0)
    assert book.is_well("a", 1.0)


def test_a_host_says_itself_how_long_it_wants_to_be_left_alone() -> None:
    book = HostBook()
    fail(book, "a", "down", retry_after_s=30.0)
    assert not book.is_well("a", 29.0)
    assert book.is_well("a", 30.0)


@pytest.mark.parametrize(
    ("elapsed_s", "is_well"),
    [
        pytest.param(9.5, False, id="what was asked for before a pause does not end it"),
        pytest.param(4.0, True, id="what was asked for after it began does"),
    ],
)
def test_what_a_read_that_ends_well_says_of_a_pause(elapsed_s: float, is_well: bool) -> None:
    book = HostBook()
    beside = book.began("a")
    fail(book, "a", "down", 1.0, retry_after_s=30.0)
    book.served("a", SIZE, elapsed_s, beside, 10.0)
    assert book.is_well("a", 10.0) is is_well
    assert book.has_served("a")
    assert book.is_well("a", 31.0)


def test_behind_a_pause_one_read_alone_goes_there() -> None:
    book = HostBook()
    fail(book, "a", "down")
    assert chosen(book, 9, now_s=1.0, hosts=["a", "b"]) == {"a": 1, "b": 8}


def test_where_none_is_well_the_one_is_asked_whose_pause_ends_first() -> None:
    book = HostBook()
    for now_s, host in enumerate("bca"):
        fail(book, host, "down", float(now_s))
    assert HOSTS[book.choose(HOSTS, 2.0)] == "b"


def test_a_read_is_hedged_after_three_times_what_it_usually_takes() -> None:
    book = HostBook()
    assert book.hedge_after_s("a", SIZE, 1) == 1.0
    serve(book, "a", 2.0)
    assert book.hedge_after_s("a", SIZE, 1) == pytest.approx(6.0)
    assert book.hedge_after_s("a", SIZE, 4) == pytest.approx(24.0)
    serve(book, "b", 0.001)
    assert book.hedge_after_s("b", SIZE, 1) == 0.05


_EVENTS = st.tuples(
    st.sampled_from(HOSTS), st.sampled_from(["served", "dropped", "down", "missing", "wrong"]), st.floats(0, 10)
)


@given(st.lists(_EVENTS, max_size=60), st.integers(0, 5))
def test_whatever_happened_a_host_is_chosen_that_is_well_if_one_is(
    events: list[tuple[str, str, float]], turn: int
) -> None:
    book, now_s = HostBook(), 0.0
    for host, event, elapsed_s in events:
        beside = book.began(host)
        now_s += elapsed_s
        if event == "served":
            book.served(host, SIZE, elapsed_s, beside, now_s)
        elif event == "dropped":
            book.dropped(host)
        else:
            book.failed(host, event, now_s, draw=0.5)  # type: ignore[arg-type] # one of the three
    well = [host for host in HOSTS if book.is_well(host, now_s)]
    assert HOSTS[book.choose(HOSTS, now_s, turn=turn)] in (well or HOSTS)
    assert all(book.is_well(host, now_s + 60.0) for host in HOSTS)


@given(st.integers(1, 3), st.lists(st.floats(0.01, 10), min_size=3, max_size=3), st.integers(1, 60))
def test_reads_are_spread_so_that_none_waits_much_longer_than_need_be(
    count: int, paces: list[float], reads: int
) -> None:
    book, hosts = HostBook(), HOSTS[:count]
    for host, pace in zip(hosts, paces, strict=False):
        serve(book, host, pace)
    places = chosen(book, reads, hosts=hosts)
    ends = {host: places[host] * pace for host, pace in zip(hosts, paces, strict=False)}
    later = {host: (places[host] + 1) * pace for host, pace in zip(hosts, paces, strict=False)}
    passed = 0.98**reads  # so much may be forgotten meanwhile
    assert max(ends.values()) <= min(later.values()) * 2 / passed * (1 + 1e-9)
