"""Speak HTTP/1.1 with one client."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import httptools

from dataflux_core.emulator import _socket
from dataflux_core.emulator._app import CONTROL
from dataflux_core.emulator._http import FileSpan, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflux_core.emulator._app import Outcome
    from dataflux_core.emulator._counters import Counters

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
WITHOUT_BODY = frozenset({204, 304})  # nor a length
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"connection: close\r\n"
KEEP = b"connection: keep-alive\r\n"  # which HTTP/1.0 has to be told
OLD = "1.0"
OFFER, TUNNEL = b"upgrade", b"CONNECT"


class Service(Protocol):
    """What gives the answers: the storage service, or the files of a directory."""

    counters: Counters

    def begin(self, request: Request) -> Outcome: ...

    def end(self, outcome: Outcome) -> None: ...


@dataclass(slots=True, eq=False)
class Front:
    """What all connections of a server share; `second` is a clock that nobody has to ask the system for."""

    app: Service
    scheme: str
    lines: bytes = b""  # headers of every answer
    second: int = 0
    connections: set[Connection] = field(default_factory=set)
    _turn_s: float | None = None

    def turn_s(self, loop: asyncio.AbstractEventLoop) -> float:
        """Give the time at which this turn of the loop began to read.

        What it reads had arrived by then. A latency counts from there, or the last of a thousand requests that come at
        once would wait for all the others as well.
        """
        if self._turn_s is None:
            self._turn_s = monotonic()
            loop.call_soon(self._end_turn)
        return self._turn_s

    def _end_turn(self) -> None:
        self._turn_s = None

    def close_idle(self, keep_alive_s: int) -> None:
        """Close the connections on which nothing has happened for so long."""
        for connection in [each for each in self.connections if each.heard < self.second - keep_alive_s]:
            connection.close_if_idle()


class Connection(asyncio.Protocol):
    """One client's requests come in, their answers go out in the same order, one at a time.

    All of it happens in callbacks of the loop, most of it in the one that brings a request: a task for each would cost
    more than the answer. A client that reads slowly has at most one answer held for it, and of a large file only a
    chunk. A client that sends ahead is not read from while its requests wait.
    """

    _transport: asyncio.Transport
    _request: Request  # whose outcome is below

    def __init__(self, front: Front) -> None:
        self._front = front
        self._app = front.app
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._again = b""  # the head of a request that made an offer, without the offer
        self._requests: deque[Request] = deque()
        self._outcome: Outcome | None = None  # of the request that is being answered
        self._waits = False  # for the latency of the outcome, which nothing cuts short
        self._due: Callable[[], None] | None = None  # what goes on when the client has read
        self._chunks: Iterator[bytes | memoryview] = iter(())
        self._left = 0  # bytes that the chunks should have
        self._is_full = False  # the transport holds as much as it should
        self._is_deaf = False  # nothing that still arrives is of interest
        self._is_ahead = False  # requests wait, so nothing is read
        self._expects = False  # the client waits for leave to send a body
        self.heard = front.second

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's
        self._front.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._front.connections.discard(self)
        self._is_deaf = True
        self._requests.clear()
        self._due = None
        if self._outcome is not None and not self._waits:
            self._finish(self._outcome)

    def data_received(self, data: bytes) -> None:
        self.heard = self._front.second
        if self._is_deaf:
            return
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._is_deaf = True
            self._requests.append(Request("", b"", {}, {}, is_last=True))
        self._advance(self._front.turn_s(self._loop))

    def _parse(self, data: bytes) -> None:
        left = memoryview(data)
        while left and not self._is_deaf:
            left = self._feed(left)

    def _feed(self, received: memoryview) -> memoryview:
        """Give bytes to the parser, which stops behind a head that offers another protocol; return the rest.

        It is offered, not demanded: HTTP/1.1 goes on. As the parser takes what follows for the other protocol, a body
        would be lost. So another parser begins with the head without the offer; the first one may be at its end, as
        after "Connection: close".
        """
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserUpgrade as upgrade:
            again, self._again = self._again, b""
            self._parser = httptools.HttpRequestParser(self)
            self._parser.feed_data(again)
            return received[upgrade.args[0] :]
        return received[:0]

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        due, self._due = self._due, None
        if due is not None:
            due()

    # The parser calls these. They only collect: what they raise comes out as an error of the parser.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._headers[name] = value
        if name == b"expect":
            self._expects = value.lower() == b"100-continue" and self._parser.get_http_version() != OLD

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._expects = False
        if self._is_deaf:
            return
        method = self._parser.get_method()
        if OFFER in self._headers and method != TUNNEL and self._parser.should_upgrade():
            self._again = self._head_without_offer()
            return
        url = httptools.parse_url(self._url)
        self._is_deaf = not self._parser.should_keep_alive()
        request = Request(
            method.decode("ascii"),
            url.path or b"/",
            {},
            self._headers,
            b"".join(self._body),
            self._front.scheme,
            raw_query=url.query or b"",
            is_last=self._is_deaf,
            is_old=self._parser.get_http_version() == OLD,
        )
        self._requests.append(request)

    def _head_without_offer(self) -> bytes:
        line = b"%b %b HTTP/%b" % (self._parser.get_method(), self._url, self._parser.get_http_version().encode())
        headers = [b"%b: %b" % header for header in self._headers.items() if header[0] != OFFER]
        return b"\r\n".join((line, *headers, b"", b""))

    # From requests to answers.

    def close_if_idle(self) -> None:
        """Close the connection unless a request is being answered."""
        if self._outcome is None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection whatever is on its way."""
        self._transport.abort()

    def _advance(self, since_s: float) -> None:
        """Answer what has arrived, as far as nothing has to be waited for; latencies count from a time on."""
        while self._requests and self._outcome is None:
            self._request = self._requests.popleft()
            self._outcome = outcome = self._app.begin(self._request)
            if outcome.wait_s > 0:
                self._waits = True
                self._loop.call_later(max(since_s + outcome.wait_s - monotonic(), 0), self._answer, outcome)
            else:
                self._deliver(outcome)
        if self._requests and not self._is_ahead:
            self._is_ahead = True
            self._transport.pause_reading()
        elif self._is_ahead and not self._requests:
            self._is_ahead = False
            self._transport.resume_reading()
        if self._expects and self._outcome is None and not self._is_deaf:
            self._expects = False
            self._transport.write(CONTINUE)

    def _answer(self, outcome: Outcome) -> None:
        """Send an answer whose time has come, then go on."""
        self._waits = False
        self._deliver(outcome)
        self._advance(monotonic())

    def _deliver(self, outcome: Outcome) -> None:
        reply, _, kind, operation = outcome
        is_gone = self._transport.is_closing()
        if self._is_full and not is_gone:
            self._due = partial(self._answer, outcome)
            return
        if kind in _socket.BREAKS or kind in _socket.CORRUPTS:
            self._app.counters.error(kind)
        if kind not in _socket.BREAKS and self._request.method != "HEAD" and operation != CONTROL:
            self._app.counters.bytes_sent += reply.length
        if is_gone:
            self._finish(outcome)
        elif kind in _socket.BREAKS:
            self._break(reply, kind)
        elif self._send(_socket.corrupted(reply, kind) if kind in _socket.CORRUPTS else reply):
            self._finish(outcome)

    def _send(self, reply: Reply) -> bool:
        """Write an answer; say whether all of it is written."""
        body = reply.body
        length = reply.length
        head = self._head(reply, length)
        if self._request.method == "HEAD" or not length:
            self._transport.write(head)
        elif isinstance(body, FileSpan):
            self._transport.write(head)
            self._chunks = _socket.chunks(body, mapped=self._front.scheme == "http")
            self._left = length
            return self._send_chunks()
        elif isinstance(body, tuple):
            self._transport.writelines((head, *body))
        else:
            self._transport.writelines((head, body))
        return True

    def _send_chunks(self) -> bool:
        for chunk in self._chunks:
            self._left -= len(chunk)
            self._transport.write(chunk)
            if self._is_full or self._transport.is_closing():
                self._due = self._send_more
                return False
        if self._left:  # the file has shrunk: all that can be done is to end the connection early
            self._transport.close()
        return True

    def _send_more(self) -> None:
        if self._outcome is not None and self._send_chunks():
            self._finish(self._outcome)
            self._advance(monotonic())

    def _head(self, reply: Reply, length: int) -> bytes:
        lines = STATUS_LINES.get(reply.status) or b"HTTP/1.1 %d \r\n" % reply.status
        lines += self._front.lines
        if reply.status not in WITHOUT_BODY:
            lines += b"content-length: %d\r\n" % length
        ending = CLOSE if self._request.is_last else KEEP if self._request.is_old else b""
        return b"%b%b%b\r\n" % (lines, reply.headers, ending)

    def _break(self, reply: Reply, kind: str) -> None:
        """Give half of the answer or none; the request stays in flight until the client is gone."""
        self._is_deaf = True
        self._requests.clear()
        if kind in _socket.SILENT:
            _socket.reset(self._transport)
            return
        half = b"" if self._request.method == "HEAD" else _socket.read_all(reply)[: reply.length // 2]
        self._transport.writelines((self._head(reply, max(reply.length, 1)), half))
        if kind == "truncate":
            self._transport.close()

    def _finish(self, outcome: Outcome) -> None:
        self._app.end(outcome)
        self._outcome = None
        if self._request.is_last:
            self._requests.clear()
            self._transport.close()
