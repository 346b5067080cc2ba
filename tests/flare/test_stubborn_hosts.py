"""What one host does to one read, however odd: no other read, no other host suffers, no wrong byte comes of it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._plan.mirrors import HostBook
from dataflux_core._run.flare import loop
from dataflux_core._run.flare.errands import ChunkAsk, flight_to
from dataflux_core._run.flare.reader import ChunkReader, reader_of
from dataflux_core._run.reading.reader import Stopped
from dataflux_core.errors import ChunkUnavailable, InvalidArgument
from dataflux_core.flare import StreamOptions
from tests.fetching.hostile import Hostile, fails_first, gives, leads_to, never_answers, ranges
from tests.flare.read_streams import QUICK, contents_of, put, stream_of
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._run.flare.errands import Flight
    from tests.fetching.hostile import Ask, Behaviour

WHOLE = b"".join(number.to_bytes(4, "big") for number in range(512 * 1024))
HALF = 512 * 1024
_BEYOND_ALL_YEARS = "Sat, 22 Nov 99999999999999999999 01:00:00 GMT"


def test_what_a_hedge_has_begun_is_never_put_before_the_rest_from_another_host(
    server: Hostile, other: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflux_core._plan.mirrors._UNKNOWN_HEDGE_S", 0.05)
    hedge_is_back = threading.Event()

    def resumes(ask: Ask) -> None:
        if ask.count == 1:
            ask.reply(200, WHOLE[:HALF], len(WHOLE), ETag='"1"')
        else:
            hedge_is_back.wait(60)
            ranges(WHOLE)(ask)

    def breaks_off(ask: Ask) -> None:
        if ask.count == 1:
            ask.reply(200, WHOLE[: 700 * 1024], len(WHOLE), ETag='"b"')
        else:
            hedge_is_back.set()
            never_answers(ask)

    server.behaviours["/d/0"], other.behaviours["/d/0"] = resumes, breaks_off
    options = replace(QUICK, hedge=True, max_requests=57)
    stream = stream_of([f"{server.url}/d/0"], options=options, mirrors=[f"{other.url}/d/"])
    assert stream[0] == WHOLE
    assert hedge_is_back.is_set()


LIES: dict[str, dict[str, str]] = {
    "it is the beginning again": {"Content_Range": f"bytes 0-{len(WHOLE) - 1}/{len(WHOLE)}"},
    "it is a part further on": {"Content_Range": f"bytes {HALF + 1}-{len(WHOLE)}/{len(WHOLE) + 1}"},
    "it is the rest of less": {"Content_Range": f"bytes {HALF}-{len(WHOLE) - 2}/{len(WHOLE) - 1}"},
    "nothing is said": {},
}


@pytest.mark.parametrize("headers", LIES.values(), ids=LIES)
def test_what_breaks_off_twice_is_gone_on_with_only_where_the_second_part_says_that_it_is_the_rest(
    headers: dict[str, str], server: Hostile
) -> None:
    def behave(ask: Ask) -> None:
        if ask.count == 1:
            ask.reply(200, WHOLE[:HALF], len(WHOLE), ETag='"1"')
        elif ask.count == 2:
            ask.reply(206, WHOLE[:HALF], len(WHOLE), ETag='"1"', **headers)
        else:
            ranges(WHOLE)(ask)

    server.behaviours["/d/0"] = behave
    assert stream_of([f"{server.url}/d/0"], sizes=[len(WHOLE)])[0] == WHOLE
    assert "Range" not in server.seen[-1][1]


def test_a_rest_that_is_not_all_of_it_is_not_taken_for_that(server: Hostile) -> None:
    def behave(ask: Ask) -> None:
        if ask.count == 1:
            ask.reply(200, WHOLE[:HALF], len(WHOLE), ETag='"1"')
        elif ask.count == 2:
            ask.reply(206, WHOLE[HALF : 2 * HALF], Content_Range=f"bytes {HALF}-{2 * HALF - 1}/*", ETag='"1"')
        else:
            ranges(WHOLE)(ask)

    server.behaviours["/d/0"] = behave
    assert stream_of([f"{server.url}/d/0"])[0] == WHOLE


def test_a_date_beyond_all_years_is_one_reads_own_trouble(server: Hostile, other: Hostile) -> None:
    other.behaviours["/d/0"] = gives(b"", 503, Retry_After=_BEYOND_ALL_YEARS)
    released = threading.Event()

    def waits(ask: Ask) -> None:
        released.wait(60)
        ask.reply(200, b"good")

    server.behaviours["/d/0"] = waits
    reader = ChunkReader(replace(QUICK, patience_s=0.3))
    good = reader.submit(ChunkAsk((f"{server.url}/d/0",)))
    bad = reader.submit(ChunkAsk((f"{other.url}/d/0",)))
    with pytest.raises(ChunkUnavailable, match="HTTP 503"):
        bad.result(60)
    released.set()
    assert good.result(60).content == b"good"
    reader.stop()


@pytest.mark.parametrize("place", ["outcome_of", "flight_to", "damage_of"])
def test_an_error_that_nobody_has_thought_of_ends_one_read_alone(
    place: str, server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = getattr(loop, place)

    def raises(*given: Any, **more: Any) -> Any:
        flight = given[0]
        ask = flight if place == "damage_of" else flight.ask if place == "flight_to" else flight.errand.ask
        if ask.urls[0].endswith("/evil"):
            raise OverflowError("nobody has thought of it")
        return ours(*given, **more)

    monkeypatch.setattr(loop, place, raises)
    server.behaviours |= {"/d/good": gives(b"good"), "/d/evil": gives(b"evil")}
    reader = ChunkReader(QUICK)
    reads = [reader.submit(ChunkAsk((f"{server.url}/d/{name}",), crc32c="AAAAAA==" * (name == "evil"))) for name in
             ("evil", "good")]  # fmt: skip
    with pytest.raises(ChunkUnavailable, match="evil: OverflowError: nobody has thought of it") as raised:
        reads[0].result(60)
    assert isinstance(raised.value.errors[0].__cause__, OverflowError)
    assert reads[1].result(60).content == b"good"
    assert wait_until(lambda: reader.stats.in_flight == 0)
    assert {host.in_flight for host in reader._loop._book._hosts.values()} == {0}
    reader.stop()


def raises_there(server: Hostile, place: str, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Raise what nobody has thought of where a request to one host is made, sent, or sent where it leads."""
    has_raised, send = threading.Event(), loop.ChunkLoop._send

    def raises() -> None:
        has_raised.set()
        raise OverflowError("nobody has thought of it")

    def makes(errand: Any, at: int, **more: Any) -> Flight:
        if place == "made" and errand.hosts[at] == server.url:
            raises()
        return flight_to(errand, at, **more)

    def sends(self: loop.ChunkLoop, flight: Flight, share: Any) -> None:
        if flight.host == server.url and place == ("led on" if flight.redirects else "sent"):
            raises()
        send(self, flight, share)

    monkeypatch.setattr(loop, "flight_to", makes)
    monkeypatch.setattr(loop.ChunkLoop, "_send", sends)
    return has_raised


@pytest.mark.parametrize("place", ["made", "sent", "led on"])
def test_what_cannot_be_asked_of_one_host_is_had_from_another(
    place: str, server: Hostile, other: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_raised = raises_there(server, place, monkeypatch)
    server.behaviours["/d/0"], other.behaviours["/d/0"] = leads_to("/elsewhere"), gives(b"good")
    reader = ChunkReader(QUICK)
    assert reader.submit(ChunkAsk((f"{server.url}/d/0", f"{other.url}/d/0"))).result(60).content == b"good"
    assert has_raised.is_set()
    assert reader.stats.in_flight == 0
    assert {host.in_flight for host in reader._loop._book._hosts.values()} == {0}
    reader.stop()


@pytest.mark.parametrize("place", ["made", "sent"])
def test_a_hedge_that_cannot_be_sent_takes_nothing_away(
    place: str, server: Hostile, other: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflux_core._plan.mirrors._UNKNOWN_HEDGE_S", 0.05)
    has_raised = raises_there(other, place, monkeypatch)

    def waits(ask: Ask) -> None:
        has_raised.wait(60)
        ask.reply(200, b"good")

    server.behaviours["/d/0"] = waits
    reader = ChunkReader(replace(QUICK, hedge=True))
    assert reader.submit(ChunkAsk((f"{server.url}/d/0", f"{other.url}/d/0"))).result(60).content == b"good"
    assert has_raised.is_set()
    reader.stop()


def test_how_long_one_host_wants_to_be_left_alone_does_not_hold_up_another_one(server: Hostile, other: Hostile) -> None:
    server.behaviours["/d/0"] = gives(b"", 503, Retry_After="600")
    other.behaviours["/d/0"] = fails_first(1, 503, b"good")
    stream = stream_of([f"{server.url}/d/0"], options=replace(QUICK, max_requests=56), mirrors=[f"{other.url}/d/"])
    assert stream[0] == b"good"
    assert (len(server.seen), len(other.seen)) == (1, 2)


def test_a_host_is_left_alone_for_a_minute_at_most() -> None:
    book = HostBook()
    book.began("a")
    book.failed("a", "down", 0.0, draw=0.5, retry_after_s=86_400.0)
    assert not book.is_well("a", 59.0)
    assert book.is_well("a", 60.0)


def drips(content: bytes, bytes_at_once: int) -> Behaviour:
    """Send some bytes twenty times a second, for ever."""

    def behave(ask: Ask) -> None:
        ask.handler.send_response(200)
        ask.handler.send_header("Content-Length", str(len(content)))
        ask.handler.end_headers()
        while not ask.over.wait(0.05):
            ask.handler.wfile.write(b"x" * bytes_at_once)
            ask.handler.wfile.flush()

    return behave


@pytest.mark.parametrize(
    "bytes_at_once",
    [
        pytest.param(30, id="600 bytes a second, which is above what is a stall"),
        pytest.param(400, id="8 kB a second, while nothing is known of the other"),
    ],
)
def test_a_host_that_drips_is_given_up_for_one_that_does_not(
    bytes_at_once: int, server: Hostile, other: Hostile
) -> None:
    server.behaviours["/d/0"], other.behaviours["/d/0"] = drips(WHOLE, bytes_at_once), gives(WHOLE)
    reader = ChunkReader(replace(QUICK, stall_timeout_s=3))  # for which the other one may well be silent
    assert reader.submit(ChunkAsk((f"{server.url}/d/0", f"{other.url}/d/0"))).result(60).content == WHOLE
    assert (len(server.seen), len(other.seen)) == (1, 1)
    reader.stop()


def test_a_host_that_drips_is_given_up_though_the_other_was_not_well(server: Hostile, other: Hostile) -> None:
    server.behaviours["/d/0"], other.behaviours["/d/0"] = drips(WHOLE, 30), fails_first(1, 503, WHOLE)
    reader = ChunkReader(replace(QUICK, stall_timeout_s=3))
    # The other one's turn: it is asked, and fails, first.
    assert reader.submit(ChunkAsk((f"{server.url}/d/0", f"{other.url}/d/0"), turn=1)).result(30).content == WHOLE
    assert (len(server.seen), len(other.seen)) == (1, 2)
    reader.stop()


@pytest.mark.parametrize(
    ("elapsed_s", "beside", "least"),
    [
        pytest.param(None, 0, 65_536, id="where nothing is known: not much of a line"),
        pytest.param(None, 3, 16_384, id="which reads share that are under way"),
        pytest.param(None, 63, 8192, id="so that a slow line with many of them is not given up"),
        pytest.param(10.0, 0, 3329, id="a thirty-second of what the other host has shown"),
        pytest.param(10.0, 3, 1024, id="which it divides among reads"),
        pytest.param(1e-6, 0, 1024**2, id="never more than a line may have for one of many reads"),
    ],
)
def test_how_slow_a_host_may_be_beside_another_one(elapsed_s: float | None, beside: int, least: int) -> None:
    book = HostBook()
    if elapsed_s is not None:
        book.served("b", 1_000_000, elapsed_s, book.began("b"), 0.0)
    for _ in range(beside):
        book.began("b")
    assert book.least_bytes_per_s(["a", "b"], 0.0) == least


def test_of_a_host_that_is_well_alone_little_is_asked() -> None:
    book = HostBook()
    book.served("a", 100_000_000, 1.0, book.began("a"), 0.0)
    assert book.least_bytes_per_s(["a"], 0.0) == 1024


def test_of_a_server_that_knows_no_ranges_one_whole_chunk_is_received_at_a_time(server: Hostile) -> None:
    spans: list[tuple[float, float]] = []
    whole = WHOLE * 4

    def behave(ask: Ask) -> None:
        began_s = time.monotonic()
        ask.reply(200, whole)
        spans.append((began_s, time.monotonic()))  # only of what was taken to the end

    server.behaviours |= {f"/d/{number}": behave for number in range(12)}
    stream = stream_of([f"{server.url}/d/{number}" for number in range(12)], options=replace(QUICK, max_requests=54))
    assert list(stream.read_many((number, 5, 4096) for number in range(12))) == [whole[5:4096]] * 12
    assert stream.stats.failures == 0
    assert stream.stats.requests <= 24
    assert stream.read(3, 8 * HALF, 8 * HALF + 9) == whole[8 * HALF : 8 * HALF + 9]
    assert wait_until(lambda: len(spans) == 13)
    spans.sort()
    assert all(end_s <= next_s for (_, end_s), (next_s, _) in pairwise(spans))


def test_parts_are_had_from_a_mirror_that_knows_ranges(server: Hostile, other: Hostile) -> None:
    contents = contents_of(8, 1_000_000)
    put(other, contents)
    server.behaviours |= {f"/d/{number}": gives(content) for number, content in enumerate(contents)}
    options = replace(QUICK, max_requests=53)
    urls = [f"{server.url}/d/{number}" for number in range(8)]
    stream = stream_of(urls, options=options, mirrors=[f"{other.url}/d/"])
    for _ in range(3):
        assert list(stream.read_many((number, 9, 99) for number in range(8))) == [content[9:99] for content in contents]
    assert reader_of(options)._loop._lone.hosts == {server.url}
    assert len(server.seen) <= 8


@pytest.mark.parametrize("size", [10**18, 1_000_001])
def test_a_size_of_the_playlists_own_is_bounded_too(size: int, server: Hostile) -> None:
    server.behaviours["/d/0"] = gives(WHOLE)
    stream = stream_of([f"{server.url}/d/0"], options=StreamOptions(max_chunk_bytes=1_000_000), sizes=[size])
    reads: list[Callable[[], bytes]] = [lambda: stream[0], lambda: next(iter(stream)), lambda: stream.read(0, 0)]
    for read in reads:
        with pytest.raises(InvalidArgument, match=f"max_chunk_bytes=1000000.*of stream 'x', a chunk of {size} bytes"):
            read()
    assert server.seen == []


def test_hedges_are_requests_as_others_are(server: Hostile, other: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflux_core._plan.mirrors._UNKNOWN_HEDGE_S", 0.05)
    most = [0]
    send = loop.ChunkLoop._send

    def sends(self: loop.ChunkLoop, flight: Flight, share: Any) -> None:
        send(self, flight, share)
        most[0] = max(most[0], share.transport.in_flight)

    monkeypatch.setattr(loop.ChunkLoop, "_send", sends)
    contents = contents_of(12)
    put(other, contents)
    server.behaviours |= {f"/d/{number}": never_answers for number in range(12)}
    options = replace(QUICK, hedge=True, max_requests=4, patience_s=19.0)
    urls = [f"{server.url}/d/{number}" for number in range(12)]
    stream = stream_of(urls, contents, options, mirrors=[f"{other.url}/d/"])
    assert list(stream) == contents
    assert stream.stats.hedged > 0
    assert most[0] <= 4


def test_what_is_given_up_with_the_thread_is_no_longer_counted_of_its_host(server: Hostile) -> None:
    asked = threading.Event()

    def behave(ask: Ask) -> None:
        asked.set()
        never_answers(ask)

    server.behaviours["/d/0"] = behave
    reader = ChunkReader(QUICK)
    future = reader.submit(ChunkAsk((f"{server.url}/d/0",)))
    assert asked.wait(60)
    reader.stop()
    with pytest.raises(Stopped):
        future.result(60)
    assert {host.in_flight for host in reader._loop._book._hosts.values()} == {0}
