"""Where a chunk is asked for whose body breaks off again and again."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.lone_reads import LoneReads
from dataflux_core._plan.mirrors import HostBook
from dataflux_core._run.flare.errands import Beginning, ChunkAsk, Errand
from dataflux_core._run.flare.places import Places
from dataflux_core._run.flare.reader import ChunkReader
from dataflux_core.errors import ConnectionBroken
from tests.fetching.hostile import Hostile
from tests.flare.read_streams import QUICK

if TYPE_CHECKING:
    from tests.fetching.hostile import Ask, Behaviour

PIECE = 300 * 1024
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(12 * PIECE // 4))
_BROKEN = ConnectionBroken("chunk", "it broke off")


def errand_of(hosts: int = 2) -> Errand:
    return Errand(ChunkAsk(()), Future(), hosts=tuple(f"http://{name}" for name in "abc"[:hosts]))


def begun(place: int, size: int) -> Beginning:
    return Beginning(place, bytes(size), '"1"', 1000)


@pytest.mark.parametrize(
    ("kept", "failed", "came", "is_on", "then"),
    [
        pytest.param(None, (), (0, 5), True, (0, 5), id="what has come first is kept"),
        pytest.param((0, 5), (), (0, 9), True, (0, 9), id="more of it takes its place"),
        pytest.param((0, 5), (), (1, 9), True, (1, 9), id="so does more of it from elsewhere"),
        pytest.param((0, 5), (), (1, 5), False, (0, 5), id="no more of it than there was costs a host its turn"),
        pytest.param((0, 5), (0,), (1, 3), True, (1, 3), id="less does where the other host has failed since"),
        pytest.param((0, 5), (), (1, None), False, (0, 5), id="nothing from elsewhere takes nothing away"),
        pytest.param((0, 5), (), (0, None), False, None, id="what a host no longer has is not gone on with"),
    ],
)
def test_what_is_kept_of_what_breaks_off(
    kept: tuple[int, int] | None,
    failed: tuple[int, ...],
    came: tuple[int, int | None],
    is_on: bool,
    then: tuple[int, int] | None,
) -> None:
    errand = errand_of()
    errand.beginning = begun(*kept) if kept else None
    errand.tried.update(failed)
    place, size = came
    assert errand.gets_on(place, None if size is None else begun(place, size)) is is_on
    found = errand.beginning
    assert (found and (found.place, len(found.content))) == then


def test_a_host_that_cannot_be_reached_still_has_what_it_had() -> None:
    errand = errand_of()
    errand.beginning = begun(0, 5)
    assert not errand.gets_on(0, None, is_reached=False)
    assert errand.beginning is not None


@pytest.mark.parametrize(
    ("is_paused", "asked", "place"),
    [
        pytest.param(False, {0}, 0, id="the rest is asked for where its beginning was"),
        pytest.param(True, {0}, 1, id="behind a pause of that host the other one has its turn"),
        pytest.param(True, {0, 1}, 0, id="once that has had it, a pause is no reason to begin anew"),
    ],
)
def test_where_the_rest_is_asked_for(is_paused: bool, asked: set[int], place: int) -> None:
    errand, book = errand_of(), HostBook()
    errand.beginning = begun(0, 5)
    for other in asked:
        errand.note(other, _BROKEN)
    if is_paused:
        book.began("http://a")
        book.failed("http://a", "down", 0.0, draw=0.5)
    assert Places(book, LoneReads(1)).place_for(errand, 0.1) == place


@given(st.integers(1, 3), st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_between_two_pauses_hosts_are_asked_only_so_often_whatever_breaks_off_where(
    count: int, gains: list[int]
) -> None:
    errand, book = errand_of(count), HostBook()
    places, total, requests = Places(book, LoneReads(1)), 20, 0
    while errand.untried():
        place = places.place_for(errand, 0.0)
        assert place is not None
        gain, kept = gains[requests % len(gains)], errand.beginning
        size = gain + (len(kept.content) if kept is not None and kept.place == place else 0)
        requests += 1
        if size >= total:
            break
        book.began(errand.hosts[place])
        book.failed(errand.hosts[place], "missing", 0.0, draw=0.5)
        errand.note(place, _BROKEN)
        if not errand.gets_on(place, begun(place, size) if gain else None):
            errand.tried.add(place)
    assert requests <= count * (total + 1)


def breaks_off_each_time(content: bytes) -> Behaviour:
    """Serve ranges, but send no more than a piece of any answer."""

    def behave(ask: Ask) -> None:
        wanted, last = ask.headers.get("Range"), len(content) - 1
        first = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        said = {"Content_Range": f"bytes {first}-{last}/{len(content)}"} if wanted else {}
        rest = content[first:]
        ask.reply(206 if wanted else 200, rest[:PIECE], len(rest), ETag='"1"', **said)

    return behave


@pytest.mark.parametrize("mirrors", [0, 1, 2])
def test_a_chunk_comes_piece_by_piece_where_no_host_sends_more_at_once(mirrors: int) -> None:
    hosts = [Hostile({"/d/0": breaks_off_each_time(CONTENT)}) for _ in range(mirrors + 1)]
    reader = ChunkReader(QUICK)
    for host in hosts:
        host.__enter__()
    try:
        future = reader.submit(ChunkAsk(tuple(f"{host.url}/d/0" for host in hosts)))
        assert future.result(60).content == CONTENT
    finally:
        reader.stop()
        for host in hosts:
            host.__exit__(None, None, None)
    seen = [headers for host in hosts for _, headers in host.seen]
    assert sum("Range" not in headers for headers in seen) <= mirrors + 1
    assert len(seen) <= 12 + mirrors
