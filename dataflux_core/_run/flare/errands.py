"""Keep what a read of a chunk has come to: which hosts were tried, what has arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.retry import RETRIED_STATUSES
from dataflux_core._wire.urls import origin_of, shown_url, web_url
from dataflux_core._wire.web import Content, Failure, Span, Wanted, get_request, verdict, version_of
from dataflux_core.errors import ChunkWrong, ObjectChanged

if TYPE_CHECKING:
    from concurrent.futures import Future

    from dataflux_core._plan.mirrors import Fault
    from dataflux_core._wire.message import Answer, Request
    from dataflux_core._wire.web import Verdict
    from dataflux_core.errors import DatafluxError

UNRANGED_BYTES = 64 * 1024**2  # received from a server that sends all where a range was asked for
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
    hosts: tuple[str, ...] = ()  # of each place
    tried: set[int] = field(default_factory=set)  # places, since the last pause
    errors: dict[int, DatafluxError] = field(default_factory=dict)  # by place, the newest of each
    curable: set[int] = field(default_factory=set)  # places whose error may pass
    flights: list[Flight] = field(default_factory=list)
    beginning: Beginning | None = None
    began_s: float = 0.0
    rounds: int = 0  # in which every place has failed
    retry_after_s: float = 0.0

    def untried(self) -> list[int]:
        return [place for place in range(len(self.hosts)) if place not in self.tried]


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

    @property
    def host(self) -> str:
        return self.errand.hosts[self.place]

    @property
    def size(self) -> int:
        """How many bytes it brings, 0 where that is not known."""
        span = self.wanted.span
        return max(0, self.wanted.size) if span is None else span.stop - span.start

    def request(self) -> Request:
        """Ask for what is wanted where redirects have led."""
        request = get_request(self.wanted, self.url)
        if self.errand.ask.span is not None:
            return request
        return msgspec.structs.replace(request, expected_bytes=self.size, keeps_beginning=True)


def hosts_of(ask: ChunkAsk) -> tuple[str, ...]:
    """Return the host of each place; raises InvalidArgument for what is no URL."""
    return tuple(origin_of(web_url(url)) for url in ask.urls)


def flight_to(errand: Errand, place: int) -> Flight:
    """Make a request for one place, of the rest alone where the beginning came from there."""
    ask, beginning = errand.ask, errand.beginning
    span, version = ask.span, ""
    if beginning is not None and beginning.place == place:
        span, version = Span(len(beginning.content), beginning.total), beginning.version
    limit = UNRANGED_BYTES if ask.span is not None else ask.max_bytes
    sent = web_url(ask.urls[place])
    wanted = Wanted(ask.urls[place], sent, ask.size, "", span, version, limit)
    return Flight(errand, place, wanted, sent)


def outcome_of(flight: Flight, answer: Answer) -> Verdict:
    """Decide what an answer brings: the bytes of the errand, as many as there should be, or what is wrong.

    Sums of a whole chunk are still to be compared.
    """
    found = verdict(flight.wanted, flight.url, flight.redirects, answer)
    if isinstance(found, Failure) and isinstance(found.error, ObjectChanged):
        error = found.error  # only the size has been compared as yet
        return Failure(ChunkWrong(error.name, "size", f"{error.listed} bytes", f"{error.read} bytes"))
    ask, beginning = flight.errand.ask, flight.errand.beginning
    if not isinstance(found, Content) or ask.span is not None:
        return found
    if flight.wanted.span is not None and beginning is not None:
        content = beginning.content + found.content
        found = Content(content, len(content), beginning.version)
    if ask.size not in (UNKNOWN_SIZE, len(found.content)):
        return Failure(ChunkWrong(flight.wanted.subject, "size", f"{ask.size} bytes", f"{len(found.content)} bytes"))
    return found


def beginning_of(flight: Flight, answer: Answer) -> Beginning | None:
    """Return what came before a body broke off, where the rest can be asked for and is worth it."""
    size = len(answer.body) if answer.begun_status else 0
    version = version_of(answer)
    length = answer.header(b"content-length")
    if size < _WORTH_KEEPING_BYTES or not version or not length.isdecimal():
        return None
    if answer.begun_status == _OK and flight.wanted.span is None:
        return Beginning(flight.place, answer.body, version, int(length))
    before = flight.errand.beginning
    if answer.begun_status != _PARTIAL or before is None or before.place != flight.place or before.version != version:
        return None
    return Beginning(flight.place, before.content + answer.body, version, before.total)


def fault_of(answer: Answer) -> Fault:
    """Tell a host that is down from one that lacks this chunk, or sends another."""
    if answer.failure or answer.status in RETRIED_STATUSES or answer.status >= _LEAST_SERVER_ERROR:
        return "down"
    return "wrong" if answer.ok else "missing"
