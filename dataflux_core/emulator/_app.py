"""Decide what the answer to a request is, as the storage service does, or as it was told to misbehave."""

from __future__ import annotations

from logging import getLogger
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core.emulator import _control
from dataflux_core.emulator._batch import join_batch, split_batch
from dataflux_core.emulator._behaviour import Behaviour
from dataflux_core.emulator._counters import Counters
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply, Request, error_reply, parse_query
from dataflux_core.emulator._routes import Act, Route, resolve
from dataflux_core.emulator._store import Store, Target

if TYPE_CHECKING:
    from dataflux_core.emulator._config import Fault, Settings

log = getLogger(__name__)

FIRST_ERROR = 400
CONTROL = "control"  # calls of the handle are no operation of the service: neither counted nor delayed


class Outcome(NamedTuple):
    """What will be answered, after how long, with which fault of the socket or the body."""

    reply: Reply
    wait_s: float = 0.0
    kind: str = ""
    operation: str = CONTROL


class App:
    """The service without its sockets: a request comes in, what becomes of it goes out at once."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.counters = Counters()
        self.behaviour = Behaviour(settings)

    def begin(self, request: Request) -> Outcome:
        """Do what a request asks for; `end` follows when its answer is sent, or cannot be."""
        try:
            route = self._route(request)
        except ApiError as error:
            route = Route("other", _refuse(error), Target())
        except Exception as error:
            log.exception("emulator.failed method=%s path=%s", request.method, request.raw_path)
            route = Route("other", _refuse(_failed(error)), Target())
        if route.operation == CONTROL:
            return Outcome(self._reply(request, route))
        self.counters.begin(route.operation)
        return self._outcome(request, route)

    def end(self, outcome: Outcome) -> None:
        """Count a request as in flight no more."""
        if outcome.operation != CONTROL:
            self.counters.end(outcome.operation)

    def _route(self, request: Request) -> Route:
        if not request.method:
            raise ApiError(400, "Invalid HTTP request received.")
        request.query = parse_query(request.raw_query)
        path = request.raw_path
        if path.startswith(b"/batch"):
            return Route("batch", self._batch, Target())
        if path.startswith(_control.PATH):
            return Route(CONTROL, self._control, Target())
        return resolve(request)

    def _outcome(self, request: Request, route: Route) -> Outcome:
        """Decide everything about an answer; only the waiting, then the sending, are left."""
        settings = self.behaviour.settings
        operation = route.operation
        if settings.max_in_flight is not None and self.counters.in_flight > settings.max_in_flight:
            message = f"More than {settings.max_in_flight} requests are in flight."
            return Outcome(self._refused(ApiError(429, message)), operation=operation)
        if settings.token is not None and request.headers.get(b"authorization") != b"Bearer " + settings.token.encode():
            return Outcome(self._refused(ApiError(401, "Invalid Credentials")), operation=operation)
        kind = ""
        if settings.faults:
            fault = self.behaviour.fault(operation, route.target.name or request.query.get("prefix", ""))
            if fault is not None:
                kind = fault.kind
                if kind.isdigit() or kind == "reset":
                    return self._faulted(fault, operation)
                request.fault = kind
        reply = self._reply(request, route)
        if reply.status >= FIRST_ERROR:
            self.counters.error(str(reply.status))
        self.counters.objects_listed += reply.objects
        wait_s = self.behaviour.wait_s(operation, reply.objects, reply.payload or len(request.body), reply.folders)
        return Outcome(reply, wait_s + reply.wait_s, kind, operation)

    def _reply(self, request: Request, route: Route) -> Reply:
        try:
            return route.act(self.store, request, route.target)
        except ApiError as error:
            return error_reply(error)
        except Exception as error:
            log.exception("emulator.failed method=%s path=%s", request.method, request.raw_path)
            return error_reply(_failed(error))

    def _faulted(self, fault: Fault, operation: str) -> Outcome:
        wait_s = self.behaviour.wait_s(operation, 0, 0)
        if fault.kind == "reset":
            return Outcome(Reply(500), wait_s, fault.kind, operation)
        reply = self._refused(ApiError(int(fault.kind), "This error was asked of the emulator."))
        if reply.status == 429:  # noqa: PLR2004 - the status code is its own name
            reply.headers += b"retry-after: %d\r\n" % fault.retry_after_s
        return Outcome(reply, wait_s, "", operation)

    def _refused(self, error: ApiError) -> Reply:
        self.counters.error(str(error.status))
        return error_reply(error)

    def _control(self, store: Store, request: Request, target: Target) -> Reply:
        del store, target
        return _control.answer(self, request)

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


def _failed(error: Exception) -> ApiError:
    return ApiError(500, f"The emulator itself has failed: {error!r}")


def _refuse(error: ApiError) -> Act:
    def act(store: Store, request: Request, target: Target) -> Reply:
        del store, request, target
        return error_reply(error)

    return act
