"""Read many URLs at once, from one thread."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from dataflux_core._run.fetching.stats import FetchStats
from dataflux_core._run.fetching.web_origin import Errand, Origin
from dataflux_core._run.retries import Attempt
from dataflux_core._wire.urls import origin_of
from dataflux_core._wire.web import Content, Redirect, get_request, verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from dataflux_core._run.fetching.options import FetchOptions
    from dataflux_core._run.fetching.quota import Quota, Share
    from dataflux_core._run.fetching.stop_signal import StopSignal
    from dataflux_core._run.fetching.web_origin import Ways
    from dataflux_core._run.transport import Endpoint
    from dataflux_core._wire.message import Answer
    from dataflux_core._wire.web import Wanted
    from dataflux_core.errors import DatafluxError

log = logging.getLogger(__name__)

Found: TypeAlias = "Content | DatafluxError"

_QUEUED = 256  # taken from the caller before they can start: what is signed must not wait long
_DAMAGED_TRIES = 4
_USUAL_BYTES = 128 * 1024  # of an object whose size is not known, before any has come
_WEIGHT = 0.1  # of the newest size
_LIKELY = 2  # times the usual size: few are larger
_LEAST_LIMIT_BYTES = 64 * 1024 - 1
_MORE = 8  # times as much


@dataclass(slots=True, eq=False)
class _Lane:
    """What goes the same way out of this machine: the servers that are read over the same connections."""

    origins: dict[str, Origin] = field(default_factory=dict)
    busy: deque[Origin] = field(default_factory=deque)  # something waits for them
    pausing: set[Origin] = field(default_factory=set)  # something pauses before another try

    @property
    def is_over(self) -> bool:
        return not self.busy and not self.pausing


@dataclass(frozen=True, slots=True)
class WebTools:
    """What all reads of a process use."""

    options: FetchOptions
    quota: Quota
    ways: Ways
    max_held_bytes: int


class WebReading:
    """The URLs of one call: what is wanted goes in as limits allow, bytes or errors come out.

    Ways out of this machine are taken one after the other; there is seldom more than one.
    """

    def __init__(self, tools: WebTools, signal: StopSignal) -> None:
        self._options = tools.options
        self._tools = tools
        self._signal = signal
        self._lanes: dict[Endpoint, _Lane] = {}
        self._incoming: Iterator[tuple[int, Wanted | DatafluxError]] = iter(())
        self._is_exhausted = False
        self._ready: deque[tuple[int, Found]] = deque()
        self._held_bytes = 0
        self._usual_bytes = float(_USUAL_BYTES)
        self._requests = self._received_bytes = 0

    @property
    def stats(self) -> FetchStats:
        """What was asked and received; objects and errors are counted where they are handed out."""
        origins = [origin for lane in self._lanes.values() for origin in lane.origins.values()]
        return FetchStats(
            requests=self._requests,
            retries=sum(origin.retries.count for origin in origins),
            received_bytes=self._received_bytes,
        )

    def run(self, incoming: Iterable[tuple[int, Wanted | DatafluxError]]) -> Generator[tuple[int, Found], None, None]:
        """Yield each position with what came of it, an error that has come in included, in any order."""
        self._incoming = iter(incoming)
        self._pull()
        while True:
            yield from self._drain()
            lanes = [(endpoint, lane) for endpoint, lane in self._lanes.items() if not lane.is_over]
            if lanes:
                yield from self._run_lane(*lanes[0])
            elif self._is_exhausted:
                return
            self._pull()

    def _run_lane(self, endpoint: Endpoint, lane: _Lane) -> Generator[tuple[int, Found], None, None]:
        bell = self._signal.bell.fileno()
        with self._tools.quota.lend(endpoint) as share:
            transport = share.transport
            transport.watch(bell)
            try:
                while True:
                    self._resume(lane)
                    self._start(lane, share)
                    yield from self._drain()
                    if not transport.in_flight and lane.is_over:
                        return
                    happened = transport.wait(self._patience_s(lane))
                    self._signal.check()
                    for attempt, answer in happened.answers:
                        self._judge(lane, attempt, answer)
                    self._pull()
            finally:
                transport.unwatch(bell)
                for name, origin in lane.origins.items():
                    self._tools.ways.learn(name, origin.window)

    def _drain(self) -> Iterator[tuple[int, Found]]:
        while self._ready:
            position, found = self._ready.popleft()
            held_bytes = len(found.content) if isinstance(found, Content) else 0
            yield position, found
            del found
            self._held_bytes -= held_bytes

    def _pull(self) -> None:
        """Take in more of what is wanted."""
        while not self._is_exhausted and sum(self._waiting()) < _QUEUED and len(self._ready) < _QUEUED:
            taken = next(self._incoming, None)
            if taken is None:
                self._is_exhausted = True
                return
            position, wanted = taken
            if isinstance(wanted, Exception):
                self._ready.append((position, wanted))
            else:
                self._queue(Attempt(Errand(position, wanted, wanted.url)))

    def _waiting(self) -> Iterator[int]:
        return (len(origin.waiting) for lane in self._lanes.values() for origin in lane.busy)

    def _queue(self, attempt: Attempt[Errand]) -> None:
        name = origin_of(attempt.item.url)
        lane = self._lanes.setdefault(self._tools.ways.to(name), _Lane())
        origin = lane.origins.get(name)
        if origin is None:
            origin = lane.origins[name] = Origin(self._options, self._tools.ways.window_of(name))
        if not origin.waiting:
            lane.busy.append(origin)
        origin.waiting.append(attempt)

    def _resume(self, lane: _Lane) -> None:
        """Queue again what has paused for long enough."""
        for origin in list(lane.pausing):
            for attempt in origin.retries.due():
                attempt.item.start_over()
                self._queue(attempt)
            if not len(origin.retries):
                lane.pausing.remove(origin)

    def _patience_s(self, lane: _Lane) -> float | None:
        dues_s = [origin.retries.next_due_s() for origin in lane.pausing]
        return min((due_s for due_s in dues_s if due_s is not None), default=None)

    def _start(self, lane: _Lane, share: Share) -> None:
        """Send what the quota, each server's pace and the memory allow; servers take turns."""
        transport = share.transport
        passed = 0
        while passed < len(lane.busy) and transport.in_flight < share.allowed:
            origin = lane.busy[0]
            if not origin.is_ready:
                lane.busy.rotate(-1)
                passed += 1
                continue
            if not self._may_hold(origin.waiting[0].item, transport.in_flight):
                return
            attempt = origin.waiting.popleft()
            if not origin.waiting:
                lane.busy.popleft()
            self._send(origin, attempt, share)
            passed = 0

    def _send(self, origin: Origin, attempt: Attempt[Errand], share: Share) -> None:
        errand = attempt.item
        errand.reserved_bytes, errand.limit_bytes = self._reserve(errand), self._limit(errand)
        self._held_bytes += errand.reserved_bytes
        attempt.begin("")
        share.transport.start(
            get_request(errand.wanted, errand.url, errand.limit_bytes, errand.announced_bytes), attempt
        )
        origin.sent(attempt)
        self._requests += attempt.count == 1

    def _reserve(self, errand: Errand) -> int:
        wanted = errand.wanted
        if wanted.span is not None:
            return wanted.span.stop - wanted.span.start
        return wanted.size if wanted.size >= 0 else self._limit(errand)

    def _limit(self, errand: Errand) -> int:
        """Return how many bytes may come of something of unknown size, 0 where the size is known.

        Nobody knows what a server will send, and all of them may send at once. So each is allowed what is set aside for
        it: rather much, for what turns out to be more is asked for twice.
        """
        wanted = errand.wanted
        if wanted.size >= 0 or wanted.span is not None:
            return 0
        if errand.needed_bytes:
            return errand.needed_bytes
        rounded = 1 << int(_LIKELY * self._usual_bytes).bit_length()  # so that it does not change with each answer
        return min(max(_LEAST_LIMIT_BYTES, rounded - 1), wanted.most_bytes)

    def _is_asked_for_again(self, errand: Errand, answer: Answer) -> bool:
        """Tell whether more has been announced than was set aside; then that much is, for another try."""
        most, said, limit = errand.wanted.most_bytes, answer.announced_bytes, errand.limit_bytes
        if not (answer.ok and said and limit) or limit >= most or said > most:
            return False
        # A server that does not say how much it sends, or says another number each time, is asked for much more.
        is_announced = said > limit and not errand.needed_bytes
        errand.announced_bytes = said if is_announced else 0
        errand.needed_bytes = said if is_announced else min(max(said, _MORE * limit), most)
        return True

    def _may_hold(self, errand: Errand, in_flight: int) -> bool:
        return not in_flight or self._held_bytes + self._reserve(errand) <= self._tools.max_held_bytes

    def _judge(self, lane: _Lane, attempt: Attempt[Errand], answer: Answer) -> None:
        """Take an errand one step on: to its end, to where a redirect leads, to another try."""
        errand = attempt.item
        origin = lane.origins[origin_of(errand.url)]
        origin.answered(attempt, answer)
        self._held_bytes -= errand.reserved_bytes
        if not answer.failure:
            origin.retries.answered()
        if self._is_asked_for_again(errand, answer):
            attempt.count -= 1  # it has not failed
            self._queue(attempt)
            return
        found = verdict(errand.wanted, errand.url, errand.redirects, answer)
        if isinstance(found, Content):
            self._received_bytes += len(found.content)
            self._held_bytes += len(found.content)
            self._usual_bytes += _WEIGHT * (len(found.content) - self._usual_bytes)
            self._ready.append((errand.position, found))
        elif isinstance(found, Redirect):
            errand.url, errand.redirects = found.url, errand.redirects + 1
            attempt.count -= 1  # it has not failed
            self._queue(attempt)
        elif found.cure == "again" and self._is_read_again(errand):
            origin.retries.count += 1
            self._queue(attempt)
        elif found.cure == "rule" and origin.retries.again(attempt, answer):
            log.debug("fetch.again tries=%d reason=%s", attempt.count, found.error)
            lane.pausing.add(origin)
        else:
            self._ready.append((errand.position, found.error))

    def _is_read_again(self, errand: Errand) -> bool:
        """Tell whether damaged bytes are worth another read, from where it was asked for at first."""
        errand.damaged += 1
        errand.start_over()
        return errand.damaged < _DAMAGED_TRIES and not self._options.rule.never
