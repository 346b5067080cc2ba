"""Keep what a read of a chunk has come to: which hosts were tried, what has arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.retry import RETRIED_STATUSES
from dataflux_core._run.fetching.options import UNRANGED_BYTES
from dataflux_core._wire.urls import origin_of, shown_url, web_url
from dataflux_core._wire.web import (
    LEAST_LIMIT_BYTES,
    Content,
    Failure,
    Span,
    Wanted,
    get_request,
    part_said,
    verdict,
    version_of,
)
from dataflux_core.errors import ChunkWrong, ConnectionBroken, ObjectChanged

if TYPE_CHECKING:
    from concurrent.futures import Future

    from dataflux_core._plan.mirrors import Fault
    from dataflux_core._run.exchange import Listener
    from dataflux_core._run.flare.arrival import Arrival
    from dataflux_core._wire.message import Answer, Request
    from dataflux_core._wire.web import Verdict
    from dataflux_core.errors import DatafluxError

_WORTH_KEEPING_BYTES = 256 * 1024
_OK, _PARTIAL = 200, 206
_LEAST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class ChunkAsk:
    """What is to be read: a chunk, or a part of it, from any of several places."""

    urls: tuple[str, ...]  # each has the same bytes; the playlist's own comes first
    size: int = UNKNOWN_SIZE  # bytes of the chunk
    sha256: str = ""  # of the chunk, as is the next
    crc32c: str = ""
    span: Span | None = None
    turn: int = 0  # at which place to begin where none is better
    max_bytes: int = 1024**3  # of a chunk whose size is not known
    ahead_bytes: int = 0  # of such a chunk: what is larger is told, not yet received; 0: it is received

    @property
    def subject(self) -> str:
        """What messages call it."""
        return shown_url(self.urls[0])


@dataclass(frozen=True, slots=True)
class Beginning:
    """The bytes of a chunk that came before a connection broke, with what the rest must be of."""

    place: int
    content: bytes
    version: str
    total: int


@dataclass(slots=True, eq=False)
class Errand:
    """One ask with what has been tried."""

    ask: ChunkAsk
    future: Future[Content]
    arrival: Arrival | None = None  # who wants to have its beginning early
    hosts: tuple[str, ...] = ()  # of each place
    tried: set[int] = field(default_factory=set)  # places, since the last pause
    errors: dict[int, DatafluxError] = field(default_factory=dict)  # by place, the newest of each
    curable: set[int] = field(default_factory=set)  # places whose error may pass
    ready_s: dict[int, float] = field(default_factory=dict)  # by place, when it wants to be asked again
    unranged: set[int] = field(default_factory=set)  # places that would have sent the whole for a part
    flights: list[Flight] = field(default_factory=list)
    beginning: Beginning | None = None
    began_s: float = 0.0
    rounds: int = 0  # in which every place has failed

    @property
    def lone_bytes(self) -> int:
        """How many may be received for a part where the whole comes: a host keeps to no size that the playlist says."""
        span = self.ask.span
        return max(span.stop - span.start if span else 0, min(UNRANGED_BYTES, self.ask.max_bytes))

    def untried(self) -> list[int]:
        return [place for place in range(len(self.hosts)) if place not in self.tried]

    def note(self, place: int, error: DatafluxError, *, ready_s: float = 0.0, is_curable: bool = False) -> None:
        """Keep what went wrong at a place, which wants to be asked again from `ready_s` on."""
        self.errors[place], self.ready_s[place] = error, ready_s
        (self.curable.add if is_curable else self.curable.discard)(place)

    def gets_on(self, place: int, came: Beginning | None, *, is_reached: bool = True) -> bool:
        """Keep what came of a body that broke off; tell whether that place is one to ask for the rest.

        It is where more is there than before, or where what was kept is of a place that has failed since. Each break
        thus brings the chunk on, or costs a place its turn: two hosts that both break off are not asked for ever.
        """
        kept = self.beginning
        if came is None:
            if kept is not None and kept.place == place and is_reached:
                self.beginning = None  # what is there now may be something else
            return False
        if kept is not None and kept.place not in self.tried and len(came.content) <= len(kept.content):
            return False
        self.beginning = came
        return True


@dataclass(slots=True, eq=False)
class Flight:
    """One request for an errand, at one place."""

    errand: Errand
    place: int
    wanted: Wanted
    url: str  # to which redirects have led
    redirects: int = 0
    began_s: float = 0.0
    beside: int = 1  # requests under way there with it
    is_hedge: bool = False
    before: Beginning | None = None  # of which it brings the rest: the errand may have another one meanwhile
    is_lone: bool = False  # a part that may come as the whole chunk
    least_bytes_per_s: int = 0  # of a host beside which there are others, 0 where there are none

    @property
    def host(self) -> str:
        return self.errand.hosts[self.place]

    @property
    def size(self) -> int:
        """How many bytes it brings, 0 where that is not known."""
        span = self.wanted.span
        return max(0, self.wanted.size) if span is None else span.stop - span.start

    @property
    def listener(self) -> Listener | None:
        """Who hears of the bytes while they come."""
        arrival = self.errand.arrival
        return None if arrival is None or self.wanted.span is not None else arrival.listener(self)

    def request(self) -> Request:
        """Ask for what is wanted where redirects have led."""
        request = get_request(self.wanted, self.url)
        if self.least_bytes_per_s:
            request = msgspec.structs.replace(request, least_bytes_per_s=self.least_bytes_per_s)
        ask = self.errand.ask
        if ask.span is not None:
            return request
        most = max(ask.ahead_bytes, self.size, LEAST_LIMIT_BYTES) if ask.ahead_bytes else request.max_bytes
        return msgspec.structs.replace(
            request, max_bytes=min(most, request.max_bytes), expected_bytes=self.size, keeps_beginning=True
        )


def hosts_of(ask: ChunkAsk) -> tuple[str, ...]:
    """Return the host of each place; raises InvalidArgument for what is no URL."""
    return tuple(origin_of(web_url(url)) for url in ask.urls)


def flight_to(errand: Errand, place: int, *, is_lone: bool = False) -> Flight:
    """Make a request for one place, of the rest alone where the beginning came from there.

    A part is given up as soon as the answer says that it is much more, unless it is read alone. No more comes of a
    chunk than the ask allows.
    """
    ask, before = errand.ask, errand.beginning
    span, version = ask.span, ""
    if before is not None and before.place == place:
        span, version = Span(len(before.content), before.total), before.version
    else:
        before = None
    most = UNRANGED_BYTES if is_lone else LEAST_LIMIT_BYTES
    limit = max(ask.max_bytes, ask.size) if ask.span is None else min(most, ask.max_bytes)
    sent = web_url(ask.urls[place])
    wanted = Wanted(ask.urls[place], sent, ask.size, "", span, version, limit)
    return Flight(errand, place, wanted, sent, before=before, is_lone=is_lone)


def lacks_ranges(flight: Flight, answer: Answer) -> bool:
    """Tell whether a host was about to send all of a chunk where a part was asked for."""
    is_part = flight.errand.ask.span is not None and not flight.is_lone
    return is_part and answer.status == _OK and bool(answer.announced_bytes)


def outcome_of(flight: Flight, answer: Answer) -> Verdict:
    """Decide what an answer brings: the bytes of the errand, as many as there should be, or what is wrong.

    Sums of a whole chunk are still to be compared. Of one that is larger than there is room for now only its size is
    told.
    """
    if flight.errand.ask.ahead_bytes and answer.status == _OK and answer.announced_bytes:
        return Content(b"", max(answer.announced_bytes, flight.errand.ask.ahead_bytes + 1))
    found = verdict(flight.wanted, flight.url, flight.redirects, answer)
    if isinstance(found, Failure) and isinstance(found.error, ObjectChanged):
        error = found.error  # only the size has been compared as yet
        return Failure(ChunkWrong(error.name, "size", f"{error.listed} bytes", f"{error.read} bytes"))
    ask, before = flight.errand.ask, flight.before
    if not isinstance(found, Content) or ask.span is not None:
        return found
    if before is not None:
        content = before.content + found.content
        if len(content) != before.total or found.total not in (UNKNOWN_SIZE, before.total):
            reason = f"{len(content)} bytes came of {before.total}, in two parts"
            return Failure(ConnectionBroken(flight.wanted.subject, reason), "again")
        found = Content(content, len(content), before.version)
    if ask.size not in (UNKNOWN_SIZE, len(found.content)):
        return Failure(ChunkWrong(flight.wanted.subject, "size", f"{ask.size} bytes", f"{len(found.content)} bytes"))
    return found


def beginning_of(flight: Flight, answer: Answer) -> Beginning | None:
    """Return what came before a body broke off, where the rest can be asked for and is worth it."""
    size = len(answer.body) if answer.begun_status else 0
    version = version_of(answer)
    if size < _WORTH_KEEPING_BYTES or not version:
        return None
    before = flight.before
    if before is None:
        total = answer.said_bytes if answer.begun_status == _OK else 0
        return Beginning(flight.place, answer.body, version, total) if size < total else None
    said = part_said(answer)
    if answer.begun_status != _PARTIAL or said is None or version != before.version:
        return None
    content = before.content + answer.body
    if (said.first, said.total) != (len(before.content), before.total) or len(content) >= before.total:
        return None
    return Beginning(flight.place, content, version, before.total)


def fault_of(answer: Answer) -> Fault:
    """Tell a host that is down from one that lacks this chunk, or sends another."""
    if answer.failure or answer.status in RETRIED_STATUSES or answer.status >= _LEAST_SERVER_ERROR:
        return "down"
    return "wrong" if answer.ok else "missing"
