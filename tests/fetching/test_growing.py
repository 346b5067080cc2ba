"""How many requests a server gets at once, how many bytes of unknown size are on their way."""

from __future__ import annotations

import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._run.fetching import web_origin
from dataflux_core._run.fetching.options import FetchOptions
from dataflux_core._run.fetching.web_origin import Errand, Origin
from dataflux_core._run.retries import Attempt
from dataflux_core._wire.message import Answer
from dataflux_core._wire.web import Wanted
from tests.fetching.fetchers import fetched, fetcher, one
from tests.fetching.hostile import Hostile, gives

if TYPE_CHECKING:
    from tests.fetching.hostile import Ask, Behaviour

KEPT = Answer(200, (b"HTTP/1.1 200 OK",), b"")
CLOSING = Answer(200, (b"HTTP/1.0 200 OK",), b"")
SLOW = Answer(200, (b"HTTP/1.1 200 OK",), b"", connect_s=1.01)


class Clock:
    """Time as the test says: rounds take none, however busy the machine."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(web_origin, "time", stopped)
    return stopped


def sent(origin: Origin) -> list[Attempt[Errand]]:
    """Send as much as a server bears."""
    attempts: list[Attempt[Errand]] = []
    while origin.in_flight < origin.window:
        attempts.append(Attempt(Errand(0, Wanted("u", "u"), "u")))
        origin.sent(attempts[-1])
    return attempts


def rounds(origin: Origin, answer: Answer, count: int) -> list[int]:
    """Return the window after each of some round trips."""
    windows = []
    for _ in range(count):
        for attempt in sent(origin):
            origin.answered(attempt, answer)
        windows.append(origin.window)
    return windows


@pytest.mark.usefixtures("clock")
def test_a_window_doubles_with_each_round_trip() -> None:
    assert rounds(Origin(FetchOptions(), 8), KEPT, 6) == [16, 32, 64, 128, 256, 256]


@pytest.mark.usefixtures("clock")
def test_a_window_waits_for_those_that_a_server_has_not_answered() -> None:
    origin = Origin(FetchOptions(), 8)
    rounds(origin, KEPT, 1)
    silent, *others = sent(origin)
    for attempt in others:
        origin.answered(attempt, KEPT)
    for _ in range(5):
        for attempt in sent(origin):
            origin.answered(attempt, KEPT)
    assert origin.window == 32
    origin.answered(silent, SLOW)
    assert origin.window < 32


def test_connections_that_come_late_make_a_window_smaller() -> None:
    origin = Origin(FetchOptions(), 64)
    assert rounds(origin, SLOW, 1)[0] < 16


def test_where_each_request_needs_a_connection_of_its_own_a_window_grows_with_time(clock: Clock) -> None:
    origin = Origin(FetchOptions(), 8)
    assert rounds(origin, CLOSING, 5) == [8] * 5
    clock.now_s += 0.25
    assert rounds(origin, CLOSING, 5) == [10] * 5


def test_a_server_with_a_short_queue_is_read_without_waits_for_connections() -> None:
    class Handler(BaseHTTPRequestHandler):  # of HTTP/1.0
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(bytes(10_000))

        def log_message(self, template: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)  # which queues five connections
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    began_s = time.monotonic()
    with fetcher() as reader:
        urls = [f"http://127.0.0.1:{server.server_port}/{number}" for number in range(200)]
        assert fetched(reader, RemoteObjects(urls)) == [bytes(10_000)] * 200
    assert time.monotonic() - began_s < 30  # with all of them at once it was more than a minute
    server.shutdown()
    server.server_close()
    thread.join()


def test_no_more_of_unknown_size_is_held_than_may_be() -> None:
    content = bytes(4_000_000)
    with Hostile({f"/{number}": gives(content) for number in range(12)}) as server:
        urls = [f"{server.url}/{number}" for number in range(12)]
        with fetcher(max_held_bytes=8_000_000, max_reads=1) as reader:
            tracemalloc.start()
            try:
                count = 0
                for _, part in reader.read(RemoteObjects(urls)):
                    count += part == content
                    del part
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert count == 12
    assert peak < 24_000_000


def of_unsaid_length(content: bytes) -> Behaviour:
    def behave(ask: Ask) -> None:
        ask.handler.send_response(200)
        ask.handler.send_header("Connection", "close")
        ask.handler.end_headers()
        ask.handler.wfile.write(content)
        ask.hang_up()

    return behave


def test_what_does_not_say_how_long_it_is_comes_whole() -> None:
    content = bytes(range(256)) * 20_000
    with Hostile({"/x": of_unsaid_length(content)}) as server, fetcher() as reader:
        assert one(reader, f"{server.url}/x") == content
        assert reader.stats.retries == 0


def test_a_server_that_says_another_length_each_time_is_not_asked_for_ever() -> None:
    def growing(ask: Ask) -> None:
        ask.reply(200, bytes(600_000 + ask.count))

    with Hostile({"/x": growing}) as server, fetcher() as reader:
        assert one(reader, f"{server.url}/x") in [bytes(600_000 + count) for count in range(2, 5)]
    assert len(server.seen) <= 4
