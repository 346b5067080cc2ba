"""Fetch pages of a listing in this process or another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from dataflux_core._plan.listing import Span
from dataflux_core._run.processes import HelperProcess, Inbox, Outbox, brief, receive, send
from dataflux_core._run.transport import Endpoint, Transport
from dataflux_core._wire.listing import FetchedPage, Scope, list_request, read_page
from dataflux_core._wire.message import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

# What comes of asking for a page: the page, or the answer that was none.
Outcome = FetchedPage | Answer


class Ask(msgspec.Struct, frozen=True):
    """Tell a lister process to fetch one page."""

    key: int
    span: Span
    authorization: str


class Told(msgspec.Struct, frozen=True):
    """What a lister process answers."""

    key: int
    page: FetchedPage | None = None
    refusal: Answer | None = None


class Start(msgspec.Struct, frozen=True):
    """What a lister process must know before its first page."""

    endpoint: Endpoint
    scope: Scope


def outcome_of(scope: Scope, answer: Answer) -> Outcome:
    """Decode a good answer; one that says 200 but holds no page counts as a broken connection."""
    if not answer.ok:
        return answer
    try:
        return read_page(scope, answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Answer(0, (), b"", f"malformed page: {error}")


class RemoteLister:
    """A lister process as its parent sees it."""

    def __init__(self, endpoint: Endpoint, scope: Scope) -> None:
        self.asked: dict[int, Any] = {}
        self._heard_s = 0.0  # time.perf_counter of its latest answer, or of the first page that it owes since
        self._helper = HelperProcess("dataflux_core._run.listing.lister_process")
        self.descriptor = self._helper.connection.fileno()
        self.pid = self._helper.pid
        self.alive = self._try(lambda: send(self._helper.connection, Start(endpoint, scope)))

    def ask(self, key: int, span: Span, authorization: str, tag: Any) -> None:  # noqa: ANN401 - handed back as is
        if not self.asked:
            self._heard_s = time.perf_counter()
        self.asked[key] = tag
        self.alive = self._try(lambda: send(self._helper.connection, Ask(key, span, authorization)))

    def tell(self) -> list[tuple[Any, Outcome]]:
        """Take the answers that have arrived; afterwards it is not alive where the process is gone."""
        answers: list[tuple[Any, Outcome]] = []
        try:
            # All of them: one at a time, the process would be asked for less than it can do.
            while self._helper.connection.poll():
                told = receive(self._helper.connection, Told)
                outcome = told.page or told.refusal or Answer(0, (), b"", "empty message")
                answers.append((self.asked.pop(told.key), outcome))
                self._heard_s = time.perf_counter()
        except (EOFError, OSError, msgspec.DecodeError):
            self.alive = False
        return answers

    @property
    def silent_s(self) -> float:
        """Return for how long it has owed a page without being heard of."""
        return time.perf_counter() - self._heard_s if self.asked else 0.0

    def close(self) -> None:
        self.alive = False
        self._helper.close()

    def kill(self) -> None:
        """End a process that does not answer any more."""
        self.alive = False
        self._helper.kill()

    def _try(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except OSError:
            return False
        return True


def serve(connection: Connection) -> None:
    """Fetch the pages asked for over `connection` until it closes: the whole life of a lister process."""
    start = receive(connection, Start)
    transport = Transport(start.endpoint)
    inbox = Inbox(connection, Ask)
    outbox = Outbox(connection)  # a page is more than a connection holds: the next is decoded meanwhile
    transport.watch(inbox.descriptor)
    while True:
        happened = transport.wait()
        for ask in inbox.take() if happened.readable else ():
            transport.start(list_request(start.scope, ask.span), ask.key, authorization=ask.authorization)
        for key, answer in happened.answers:
            outcome = outcome_of(start.scope, answer)
            if isinstance(outcome, FetchedPage):
                outbox.put(Told(key, page=outcome))
            else:
                outbox.put(Told(key, refusal=brief(outcome)))
