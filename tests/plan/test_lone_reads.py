"""Which whole chunks may be received where parts were asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.lone_reads import LoneReads


def test_of_each_host_one_is_received_at_a_time() -> None:
    lone = LoneReads(100)
    lone.began("a", 10)
    assert not lone.has_room("a", 10)
    assert lone.has_room("b", 10)
    lone.ended("a")
    assert lone.has_room("a", 10)


def test_of_all_hosts_together_no_more_than_may_be() -> None:
    lone = LoneReads(100)
    lone.began("a", 60)
    assert lone.has_room("b", 40)
    assert not lone.has_room("b", 41)


def test_what_is_larger_than_that_is_received_alone() -> None:
    lone = LoneReads(100)
    assert lone.has_room("a", 101)
    lone.began("a", 101)
    assert not lone.has_room("b", 1)


def test_what_has_ended_may_end_again() -> None:
    lone = LoneReads(100)
    lone.ended("a")
    assert lone.has_room("a", 1)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 120)), max_size=40))
def test_there_is_room_for_each_again_once_all_have_ended(asked: list[tuple[str, int]]) -> None:
    lone, under_way = LoneReads(100), dict[str, int]()
    for host, size in asked:
        if lone.has_room(host, size):
            assert host not in under_way
            lone.began(host, size)
            under_way[host] = size
        assert len(under_way) == 1 or sum(under_way.values()) <= 100
    for host in under_way:
        lone.ended(host)
    assert all(lone.has_room(host, 120) for host in "abcd")
