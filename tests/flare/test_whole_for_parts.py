"""Parts of chunks on hosts that send the whole of them, or that did so once."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dataflux_core._run.flare.errands import ChunkAsk
from dataflux_core._run.flare.reader import ChunkReader
from dataflux_core._wire.web import Span
from tests.fetching.hostile import Hostile, gives, never_answers, ranges
from tests.flare.read_streams import QUICK, stream_of
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fetching.hostile import Ask

WHOLE = bytes(range(256)) * 8192


@pytest.fixture
def reader() -> Iterator[ChunkReader]:
    running = ChunkReader(replace(QUICK, stall_timeout_s=30))
    yield running
    running.stop()


def begins_but_never_ends(ask: Ask) -> None:
    ask.handler.send_response(200)
    ask.handler.send_header("Content-Length", str(len(WHOLE)))
    ask.handler.end_headers()
    ask.handler.wfile.write(b"x")
    ask.handler.wfile.flush()
    never_answers(ask)


def part_of(*servers: Hostile) -> ChunkAsk:
    return ChunkAsk(tuple(f"{server.url}/d/0" for server in servers), span=Span(5, 99))


def test_a_host_that_sends_the_whole_slowly_holds_up_no_other_such_host(
    server: Hostile, other: Hostile, reader: ChunkReader
) -> None:
    server.behaviours["/d/0"], other.behaviours["/d/0"] = begins_but_never_ends, gives(WHOLE)
    reader.submit(part_of(server))
    assert wait_until(lambda: len(server.seen) == 2)
    for _ in range(3):
        assert reader.submit(part_of(other)).result(60).content == WHOLE[5:99]
    assert len(server.seen) == 2


def test_what_waits_for_one_host_is_had_from_a_mirror_that_has_its_hands_free(
    server: Hostile, other: Hostile, reader: ChunkReader
) -> None:
    server.behaviours["/d/0"], other.behaviours["/d/0"] = begins_but_never_ends, gives(WHOLE)
    reader.submit(part_of(server))
    assert wait_until(lambda: len(server.seen) == 2)
    parts = [reader.submit(part_of(server, other)) for _ in range(5)]
    assert [part.result(60).content for part in parts] == [WHOLE[5:99]] * 5


def test_what_waits_is_given_up_by_whoever_wants_it_no_more(server: Hostile, reader: ChunkReader) -> None:
    server.behaviours["/d/0"] = begins_but_never_ends
    first = reader.submit(part_of(server))
    assert wait_until(lambda: len(server.seen) == 2)
    second = reader.submit(part_of(server))
    server.behaviours["/d/0"] = gives(WHOLE)
    reader.cancel([first])
    assert second.result(60).content == WHOLE[5:99]
    assert not reader._loop._alone


def test_a_host_that_sends_parts_after_all_is_asked_for_many_at_once(server: Hostile) -> None:
    """A cache ignores ranges until it has the whole."""
    together = threading.Barrier(4)

    def behave(ask: Ask) -> None:
        if ask.count == 1:
            ask.reply(200, WHOLE)
            return
        if ask.count > 2:
            together.wait(60)
        ranges(WHOLE)(ask)

    server.behaviours["/d/0"] = behave
    stream = stream_of([f"{server.url}/d/0"], options=replace(QUICK, max_requests=52))
    assert stream.read(0, 5, 99) == WHOLE[5:99]
    assert list(stream.read_many((0, start, start + 9) for start in range(4))) == [
        WHOLE[start : start + 9] for start in range(4)
    ]
    assert stream.stats.failures == 0


def test_a_host_that_sends_parts_of_some_chunks_alone_is_asked_twice_at_most_for_each(server: Hostile) -> None:
    server.behaviours |= {"/d/0": gives(WHOLE), "/d/1": ranges(WHOLE)}
    stream = stream_of([f"{server.url}/d/{number}" for number in range(2)], options=replace(QUICK, max_requests=51))
    parts = [(number % 2, number, number + 9) for number in range(8)]
    assert list(stream.read_many(parts)) == [WHOLE[start:stop] for _, start, stop in parts]
    assert stream.stats.failures == 0
    assert server.paths.count("/d/0") <= 8
    assert server.paths.count("/d/1") == 4
