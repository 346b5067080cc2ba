"""A chunk is there while a row needs it; a few of the newest stay a little longer."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.epoch.shelf import Shelf
from dataflux_core._data.epoch.window import InChunk
from dataflux_core._data.flare.chunks import Piece
from dataflux_core.errors import ObjectNotFound


class Source:
    """Stands for the chunks of a stream."""


SOURCES = [Source(), Source()]


def place(chunk: int, source: int = 0) -> InChunk:
    return InChunk(cast("Any", SOURCES[source]), Piece(chunk), 0, 9, "")


def test_who_asks_for_what_another_holds_reads_nothing() -> None:
    shelf = Shelf(0)
    first, is_new = shelf.take(place(1), 10)
    assert is_new
    assert shelf.take(place(1), 10) == (first, False)
    assert shelf.take(place(1, source=1), 10)[1], "another stream's chunk of that number is another"
    assert shelf.held_bytes == 20


def test_the_newest_two_of_a_stream_stay_whatever_they_take() -> None:
    shelf = Shelf(0)
    for chunk in range(5):
        shelf.take(place(chunk), 10)
    assert [shelf.has(place(chunk).key) for chunk in range(5)] == [False] * 3 + [True] * 2
    shelf.take(place(3), 10)
    shelf.take(place(5), 10)
    assert shelf.has(place(3).key), "it was asked for again"
    assert not shelf.has(place(4).key)


def test_more_stay_within_the_limit_until_there_is_no_room() -> None:
    shelf = Shelf(40)
    held = [shelf.take(place(chunk), 10)[0] for chunk in range(6)][:1]
    assert shelf.held_bytes == 50, "four of the newest, one that a row has"
    shelf.shrink(0)
    assert shelf.held_bytes == 30
    held.clear()
    assert shelf.held_bytes == 20


def test_what_could_not_be_had_is_read_again_for_those_who_ask_later() -> None:
    shelf = Shelf(40)
    failed, _ = shelf.take(place(1), 10)
    failed.fill(ObjectNotFound("b", "1"))
    assert not shelf.has(place(1).key)
    assert shelf.get(place(1).key) is None
    again, is_new = shelf.take(place(1), 10)
    assert (is_new, again is failed) == (True, False)
    again.fill(b"x" * 10)
    assert shelf.take(place(1), 10) == (again, False)
    del failed, again
    assert shelf.held_bytes == 10, "it is one of the newest"


def test_what_is_opened_counts_as_it_is_then_and_tells_of_others() -> None:
    shelf = Shelf(100)
    held = [shelf.take(place(chunk), 10)[0] for chunk in range(4)]
    for chunk in held:
        chunk.fill(bytes(10))
    held[0].opened = object()
    held[0].resize(90)
    assert shelf.held_bytes == 4 * 90, "the others will unfold to as much"
    held[1].opened = object()
    held[1].resize(90)
    held.clear()
    assert [shelf.has(place(chunk).key) for chunk in range(4)] == [False] * 2 + [True] * 2
    assert shelf.held_bytes == 20


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1), st.integers(0, 30)), max_size=60), st.integers(0, 100))
def test_it_never_keeps_more_than_it_may(takes: list[tuple[int, int, int]], max_bytes: int) -> None:
    shelf = Shelf(max_bytes)
    for chunk, source, size in takes:
        held, _ = shelf.take(place(chunk, source), size)
        assert shelf.has(place(chunk, source).key)
        del held
        assert shelf.held_bytes <= max(max_bytes, 4 * 30)
