"""Answer HTTP requests as the storage service does, or as it was told to misbehave."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dataflux_core.emulator import _control, _socket
from dataflux_core.emulator._batch import join_batch, split_batch
from dataflux_core.emulator._behaviour import Behaviour
from dataflux_core.emulator._counters import Counters
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import FileSpan, Reply, Request, error_reply, parse_query
from dataflux_core.emulator._routes import Act, Route, resolve
from dataflux_core.emulator._store import Store, Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dataflux_core.emulator._config import Fault, Settings

Scope: TypeAlias = "dict[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[dict[str, Any]]]"
Send: TypeAlias = "Callable[[dict[str, Any]], Awaitable[None]]"

CHUNK_BYTES = 256 << 10
WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
FIRST_ERROR = 400
# Nothing comes back after these, so there is nothing to count as an answer.
SILENT = frozenset({"reset", "lost"})


class Outcome(NamedTuple):
    """What will be answered, after how long, with which fault of the socket or the body."""

    reply: Reply
    wait_s: float
    kind: str


class App:
    """The service as an ASGI application."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.counters = Counters()
        self.behaviour = Behaviour(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(
            scope["method"],
            scope["raw_path"],
            {},
            dict(scope["headers"]),
            scheme=scope["scheme"],
        )
        if request.method in WITH_BODY:
            body = await read_body(receive)
            if body is None:
                return
            request.body = body
        if request.raw_path.startswith(_control.PATH):
            request.query = parse_query(scope["query_string"])
            await send_reply(send, _control.answer(self, request))
            return
        try:
            request.query = parse_query(scope["query_string"])
            route = self._route(request)
        except ApiError as error:
            route = Route("other", _refuse(error), Target())
        self.counters.begin(route.operation)
        try:
            outcome = self._outcome(request, route)
            if outcome.wait_s > 0:
                await asyncio.sleep(outcome.wait_s)
            await self._deliver(outcome, scope, receive, send)
        finally:
            self.counters.end(route.operation)

    def _route(self, request: Request) -> Route:
        if request.raw_path.startswith(b"/batch"):
            return Route("batch", self._batch, Target())
        return resolve(request)

    def _outcome(self, request: Request, route: Route) -> Outcome:
        """Decide everything about an answer; only the waiting, then the sending, are left."""
        settings = self.behaviour.settings
        if settings.max_in_flight is not None and self.counters.in_flight > settings.max_in_flight:
            message = f"More than {settings.max_in_flight} requests are in flight."
            return Outcome(self._refused(ApiError(429, message)), 0.0, "")
        if settings.token is not None and request.headers.get(b"authorization") != b"Bearer " + settings.token.encode():
            return Outcome(self._refused(ApiError(401, "Invalid Credentials")), 0.0, "")
        kind = ""
        if settings.faults:
            fault = self.behaviour.fault(route.operation, route.target.name or request.query.get("prefix", ""))
            if fault is not None:
                kind = fault.kind
                if kind.isdigit() or kind == "reset":
                    return self._faulted(fault, route)
                request.fault = kind
        try:
            reply = route.act(self.store, request, route.target)
        except ApiError as error:
            reply = error_reply(error)
        if reply.status >= FIRST_ERROR:
            self.counters.error(str(reply.status))
        self.counters.objects_listed += reply.objects
        wait_s = self.behaviour.wait_s(
            route.operation, reply.objects, reply.payload or len(request.body), reply.folders
        )
        return Outcome(reply, wait_s + reply.wait_s, kind)

    def _faulted(self, fault: Fault, route: Route) -> Outcome:
        wait_s = self.behaviour.wait_s(route.operation, 0, 0)
        if fault.kind == "reset":
            return Outcome(Reply(500), wait_s, fault.kind)
        reply = self._refused(ApiError(int(fault.kind), "This error was asked of the emulator."))
        if reply.status == 429:  # noqa: PLR2004 - the status code is its own name
            reply.headers.append((b"retry-after", b"%d" % fault.retry_after_s))
        return Outcome(reply, wait_s, "")

    def _refused(self, error: ApiError) -> Reply:
        self.counters.error(str(error.status))
        return error_reply(error)

    def _batch(self, store: Store, request: Request, target: Target) -> Reply:
        """Answer a batch; each call counts or fails as if it came alone, all of them wait together."""
        del store, target
        answers: list[tuple[bytes, Reply]] = []
        longest_s = 0.0
        for identifier, call in split_batch(request):
            try:
                route = resolve(call)
            except ApiError as error:
                answers.append((identifier, error_reply(error)))
                continue
            self.counters.count(route.operation)
            outcome = self._outcome(call, route)
            answers.append((identifier, outcome.reply))
            longest_s = max(longest_s, outcome.wait_s)
        reply = join_batch(answers)
        reply.wait_s = longest_s
        return reply

    async def _deliver(self, outcome: Outcome, scope: Scope, receive: Receive, send: Send) -> None:
        reply, _, kind = outcome
        if not kind or kind == "empty_page":
            self.counters.bytes_sent += reply.length
            await send_reply(send, reply)
            return
        self.counters.error(kind)
        transport = scope["state"]["transport"]
        if kind in SILENT:
            _socket.reset(transport)
            await _socket.until_gone(receive)
        elif kind in {"truncate", "stall"}:
            await _socket.send_half(send, reply)
            if kind == "truncate":
                transport.close()
            await _socket.until_gone(receive)
        else:
            self.counters.bytes_sent += reply.length
            await send_reply(send, _socket.corrupted(reply, kind))


def _refuse(error: ApiError) -> Act:
    def act(store: Store, request: Request, target: Target) -> Reply:
        del store, request, target
        return error_reply(error)

    return act


async def read_body(receive: Receive) -> bytes | None:
    """Collect the body of a request; None where the client was gone before its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send an answer, a large file in chunks."""
    headers = reply.headers
    body = reply.body
    if reply.status not in {204, 304}:
        headers = [(b"content-length", b"%d" % reply.length), *headers]
    start = {"type": "http.response.start", "status": reply.status, "headers": headers}
    if not isinstance(body, FileSpan):
        await send(start)
        await send({"type": "http.response.body", "body": body})
        return
    descriptor = os.open(body.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        await send(start)
        at = body.start
        while at < body.stop:
            chunk = os.pread(descriptor, min(CHUNK_BYTES, body.stop - at), at)
            if not chunk:
                return  # the file has shrunk: the server closes a connection whose answer is short
            at += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": at < body.stop})
    finally:
        os.close(descriptor)
