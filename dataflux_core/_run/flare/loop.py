"""Read chunks at once, from one thread, each where it is to be had."""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import select
import time
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING

from dataflux_core._plan.lone_reads import LoneReads
from dataflux_core._plan.mirrors import HostBook
from dataflux_core._run.fetching.options import UNRANGED_BYTES
from dataflux_core._run.fetching.quota import Quota
from dataflux_core._run.fetching.web_origin import Ways
from dataflux_core._run.flare.errands import (
    Errand,
    Flight,
    beginning_of,
    fault_of,
    flight_to,
    hosts_of,
    lacks_ranges,
    outcome_of,
)
from dataflux_core._run.flare.options import StreamStats
from dataflux_core._run.flare.places import Places
from dataflux_core._run.flare.sums import SumChecks, damage_of, has_sums, is_worth_a_thread
from dataflux_core._wire.message import retry_after_s
from dataflux_core._wire.urls import origin_of
from dataflux_core._wire.web import Content, Failure, Redirect
from dataflux_core.errors import ChunkUnavailable, ConnectionBroken, DatafluxError, InvalidArgument, VersionChanged

if TYPE_CHECKING:
    from dataflux_core._run.fetching.quota import Share
    from dataflux_core._run.flare.options import StreamOptions
    from dataflux_core._run.reading.bell import Bell
    from dataflux_core._run.transport import Endpoint
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)

_DAMAGED_ROUNDS = 3  # in which all that is there was wrong: what was damaged on the way comes right
_UNREACHED_ROUNDS = 3  # before any host has ever given anything: a wrong address should fail in a second
_MOST_RETRY_AFTER_S = 3600.0  # a header may say more seconds than a clock has
_SPARE = 8  # of so many requests one is kept for hedges: what is slow may have all others
_LONE_BYTES = 8 * UNRANGED_BYTES  # of whole chunks that come where parts were asked for
_PARTIAL = 206
_TURN_S = 0.01  # of each way out of this machine, where there are several: hardly ever
_ADVICE = "check that the playlist is up to date, and the network"


class ChunkLoop:
    """What is under way in one thread: errands go in, their futures are set."""

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._fetching = options.fetching
        self.bell: Bell | None = None  # of the thread that runs now
        self._book = HostBook()
        self._lone = LoneReads(_LONE_BYTES)
        self._places = Places(self._book, self._lone)
        self._ways = Ways(self._fetching)
        self._quota = Quota(options.max_requests)
        self._leases = ExitStack()
        self._shares: dict[Endpoint, Share] = {}
        self._waiting: deque[Errand] = deque()
        self._alone: deque[Errand] = deque()  # parts of chunks whose hosts may send the whole: they wait for others
        self._pauses: list[tuple[float, int, Errand]] = []
        self._numbers = itertools.count()
        self._flights: set[Flight] = set()
        self._checks = SumChecks()
        self._counts = dict.fromkeys(("requests", "failures", "resumed", "hedged", "received_bytes"), 0)

    @property
    def stats(self) -> StreamStats:
        return StreamStats(**self._counts, in_flight=len(self._flights))

    @property
    def is_idle(self) -> bool:
        return not (self._waiting or self._alone or self._pauses or self._flights or self._checks.under_way)

    def add(self, errand: Errand) -> None:
        """Take an errand in; one that names no web server ends at once."""
        try:
            errand.hosts = hosts_of(errand.ask)
        except InvalidArgument as error:
            _fail(errand, error)
            return
        errand.began_s = time.monotonic()
        self._waiting.append(errand)

    def turn(self) -> None:
        """Send what may be sent, wait until something happens, take what has come."""
        self._take_compared()
        if self.is_idle:
            return
        now_s = time.monotonic()
        while self._pauses and self._pauses[0][0] <= now_s:
            self._waiting.append(heapq.heappop(self._pauses)[2])
        self._send_waiting()
        patience_s = self._hedge(now_s) if self._options.hedge else None
        if self._pauses:
            pause_s = max(0.0, self._pauses[0][0] - time.monotonic())
            patience_s = pause_s if patience_s is None else min(pause_s, patience_s)
        for flight, answer in self._wait(patience_s):
            if flight in self._flights:  # a read beside it may have ended it
                self._judge(flight, answer)

    def wait_idle(self, timeout_s: float) -> None:
        """Wait for the bell."""
        poller = select.poll()
        if self.bell is not None:
            poller.register(self.bell.fileno(), select.POLLIN)
        poller.poll(timeout_s * 1000)

    def drop_cancelled(self) -> None:
        """Give up what nobody waits for any more."""
        for flight in [flight for flight in self._flights if flight.errand.future.cancelled()]:
            self._drop(flight)
        self._waiting = deque(errand for errand in self._waiting if not errand.future.cancelled())
        self._alone = deque(errand for errand in self._alone if not errand.future.cancelled())
        self._pauses = [pause for pause in self._pauses if not pause[2].future.cancelled()]
        heapq.heapify(self._pauses)

    def release(self) -> None:
        """Give the connections back, where they are kept for others."""
        self._leases.close()
        self._shares.clear()

    def end(self, error: BaseException) -> None:
        """Give up everything: connections are dropped, whoever waits gets the error."""
        flights = [*self._flights, *self._checks.under_way]
        errands = [*self._waiting, *self._alone, *(pause[2] for pause in self._pauses)]
        for errand in [*errands, *(flight.errand for flight in flights)]:
            _fail(errand, error)
        for flight in flights:
            self._book.dropped(flight.host)
            self._lone.ended(flight.host)
        self._alone.clear()
        self._waiting.clear()
        self._pauses.clear()
        self._flights.clear()
        self._checks.end()
        self.release()

    def _send_waiting(self) -> None:
        while self._waiting and len(self._flights) < self._options.max_requests:
            errand = self._waiting.popleft()
            if errand.future.cancelled():
                continue
            place = self._places.place_for(errand, time.monotonic())
            if place is None:
                self._alone.append(errand)
            elif not self._try(errand, place):
                self._waiting.appendleft(errand)
                return

    def _try(self, errand: Errand, place: int, *, is_hedge: bool = False) -> bool:
        """Send a request, unless its way out is full; whatever is raised is the failure of that place alone."""
        try:
            return self._launch(errand, place, is_hedge=is_hedge)
        except Exception as error:  # noqa: BLE001 - what one host has sent may be what cannot be sent back
            self._lose(errand, place, error)
            return True

    def _launch(self, errand: Errand, place: int, *, is_hedge: bool) -> bool:
        flight = flight_to(errand, place, is_lone=self._places.may_send_all(errand, place))
        share = self._share_to(flight.url)
        allowed = share.allowed
        if self._options.hedge and not is_hedge and allowed > 1:
            allowed -= -(-allowed // _SPARE)
        if share.transport.in_flight >= allowed:
            return False
        flight.is_hedge = is_hedge
        flight.began_s = time.monotonic()
        if len(set(errand.hosts)) > 1:
            others = self._places.others(flight, flight.began_s)
            hosts = [flight.host, *(errand.hosts[other] for other in others)]
            flight.least_bytes_per_s = self._book.least_bytes_per_s(hosts, flight.began_s)
        flight.beside = self._book.began(flight.host)
        errand.flights.append(flight)
        self._flights.add(flight)
        if flight.is_lone:
            self._lone.began(flight.host, errand.lone_bytes)
        self._counts["resumed"] += flight.wanted.span is not None and errand.ask.span is None
        self._send(flight, share)
        return True

    def _send(self, flight: Flight, share: Share) -> None:
        share.transport.start(flight.request(), flight, listener=flight.listener)
        self._counts["requests"] += 1

    def _share_to(self, url: str) -> Share:
        endpoint = self._ways.to(origin_of(url))
        share = self._shares.get(endpoint)
        if share is None:
            share = self._shares[endpoint] = self._leases.enter_context(self._quota.lend(endpoint))
            if self.bell is not None:
                share.transport.watch(self.bell.fileno())
                self._leases.callback(share.transport.unwatch, self.bell.fileno())
        return share

    def _wait(self, patience_s: float | None) -> list[tuple[Flight, Answer]]:
        busy = [share.transport for share in self._shares.values() if share.transport.in_flight]
        if not busy:
            if not self._waiting:
                self.wait_idle(60.0 if patience_s is None else patience_s)
            return []
        if len(busy) > 1:  # two servers behind two proxies: each is looked after in turn
            patience_s = _TURN_S if patience_s is None else min(_TURN_S, patience_s)
        return [answer for transport in busy for answer in transport.wait(patience_s).answers]

    def _judge(self, flight: Flight, answer: Answer) -> None:
        try:
            self._receive(flight, answer)
        except Exception as error:  # noqa: BLE001 - of one read, over which no other one is lost
            self._lose(flight.errand, flight.place, error)

    def _receive(self, flight: Flight, answer: Answer) -> None:
        if lacks_ranges(flight, answer):
            self._lone.hosts.add(flight.host)
            flight.errand.unranged.add(flight.place)
            self._drop(flight)
            if not flight.errand.flights:
                self._waiting.appendleft(flight.errand)
            return
        if flight.is_lone and answer.status == _PARTIAL:
            self._lone.hosts.discard(flight.host)  # it knows ranges after all: a cache does once it has the whole
        found = outcome_of(flight, answer)
        if isinstance(found, Redirect):
            flight.url, flight.redirects = found.url, flight.redirects + 1
            self._send(flight, self._share_to(flight.url))
            return
        self._leave(flight)
        now_s = time.monotonic()
        if isinstance(found, Content) and has_sums(flight.errand.ask) and found.total == len(found.content):
            bell = self.bell if is_worth_a_thread(found.content) else None
            if bell is not None and self._checks.start(flight, found, answer, now_s, bell.ring):
                return
            found = damage_of(flight.errand.ask, flight.wanted.subject, found.content) or found
        self._conclude(flight, found, answer, now_s)

    def _take_compared(self) -> None:
        """Go on with what has been compared with its sums."""
        while (compared := self._checks.take()) is not None:
            flight, found, answer, ended_s, damage = compared
            if flight not in flight.errand.flights:
                continue  # a read beside it has ended it
            if isinstance(damage, BaseException):
                self._lose(flight.errand, flight.place, damage)
                continue
            try:
                self._conclude(flight, damage or found, answer, ended_s)
            except Exception as error:  # noqa: BLE001 - as above
                self._lose(flight.errand, flight.place, error)

    def _lose(self, errand: Errand, place: int, error: BaseException) -> None:
        """Go on without a place over which something was raised, whatever that was."""
        self._counts["failures"] += 1
        is_ours = isinstance(error, MemoryError) or not isinstance(error, Exception)  # of no place
        for flight in [flight for flight in errand.flights if is_ours or flight.place == place]:
            self._drop(flight)
        if is_ours:
            _fail(errand, error)
            return
        if not isinstance(error, DatafluxError):
            found, error = error, ConnectionBroken(errand.ask.subject, f"{type(error).__name__}: {error}")
            error.__cause__ = found
        errand.note(place, error)
        errand.gets_on(place, None)
        errand.tried.add(place)
        if not errand.flights and not errand.future.done():
            self._go_on(errand)

    def _conclude(self, flight: Flight, found: Content | Failure, answer: Answer, ended_s: float) -> None:
        """Hand over what has come, or go on without."""
        errand = flight.errand
        if isinstance(found, Failure):
            self._learn(flight, found, answer)
            errand.flights.remove(flight)
            if not errand.flights:
                self._go_on(errand)
            return
        self._counts["received_bytes"] += len(found.content)
        size = len(found.content) - (0 if flight.before is None else len(flight.before.content))
        self._book.served(flight.host, size, ended_s - flight.began_s, flight.beside, ended_s)
        errand.flights.remove(flight)
        for other in errand.flights.copy():
            self._drop(other)
        if errand.future.set_running_or_notify_cancel():
            errand.future.set_result(found)

    def _learn(self, flight: Flight, found: Failure, answer: Answer) -> None:
        """Note what went wrong, for the errand as for the host."""
        errand, place, now_s = flight.errand, flight.place, time.monotonic()
        log.debug("flare.failed host=%s reason=%s", flight.host, found.error)
        self._counts["failures"] += 1
        ready_s = now_s + min(_MOST_RETRY_AFTER_S, retry_after_s(answer))
        rule = self._fetching.rule
        is_damaged = found.cure == "again" and errand.rounds < _DAMAGED_ROUNDS and not rule.never
        # A version that changed while it was gone on with is read from its beginning.
        has_changed = isinstance(found.error, VersionChanged)
        is_curable = is_damaged or has_changed or (found.cure == "rule" and rule.covers(answer))
        errand.note(place, found.error, ready_s=ready_s, is_curable=is_curable)
        came = None if rule.never else beginning_of(flight, answer)
        gets_on = errand.gets_on(place, came, is_reached=not answer.refused)
        if not gets_on or self._is_slow(flight, answer, now_s):
            errand.tried.add(place)
        fault = fault_of(answer) if place in errand.tried else "missing"
        draw = random.random()  # noqa: S311 - jitter
        self._book.failed(flight.host, fault, now_s, draw=draw, retry_after_s=retry_after_s(answer))

    def _is_slow(self, flight: Flight, answer: Answer, now_s: float) -> bool:
        """Tell whether a host was given up since others are far quicker: the rest is not worth asking there."""
        lasted_s = now_s - flight.began_s
        return lasted_s >= self._options.stall_timeout_s and len(answer.body) < flight.least_bytes_per_s * lasted_s

    def _go_on(self, errand: Errand) -> None:
        """Try the next host, or all of them again after a pause, or give up."""
        if errand.untried():
            self._waiting.appendleft(errand)
            return
        errand.rounds += 1
        now_s = time.monotonic()
        ready_s = min((errand.ready_s[place] for place in errand.curable), default=now_s)
        delay_s = self._fetching.rule.policy.delay_s(
            errand.rounds,
            draw=random.random(),  # noqa: S311 - jitter
            retry_after_s=max(0.0, ready_s - now_s),
        )
        again_s = now_s + delay_s
        elapsed_s = now_s - errand.began_s
        is_hopeless = not errand.curable or (errand.rounds >= _UNREACHED_ROUNDS and self._places.is_unreached(errand))
        if is_hopeless or not self._fetching.rule.policy.allows(elapsed_s=elapsed_s, delay_s=delay_s):
            errors = tuple(errand.errors[place] for place in sorted(errand.errors))
            _fail(errand, ChunkUnavailable(errand.ask.subject, errors, _ADVICE))
            return
        errand.tried -= {place for place in errand.curable if errand.ready_s[place] <= again_s}
        heapq.heappush(self._pauses, (again_s, next(self._numbers), errand))

    def _hedge(self, now_s: float) -> float | None:
        """Ask a second host for what takes long; return when to look again, None where that is not needed."""
        patience_s: float | None = None
        for flight in list(self._flights):
            errand = flight.errand
            if flight.is_hedge or len(errand.flights) > 1:
                continue
            others = self._places.others(flight, now_s)
            if not others or len(self._flights) >= self._options.max_requests:
                continue
            left_s = flight.began_s + self._book.hedge_after_s(flight.host, flight.size, flight.beside) - now_s
            if left_s > 0:
                patience_s = left_s if patience_s is None else min(patience_s, left_s)
                continue
            chosen = self._book.choose([errand.hosts[place] for place in others], now_s, turn=errand.ask.turn)
            self._counts["hedged"] += self._try(errand, others[chosen], is_hedge=True)
        return patience_s

    def _leave(self, flight: Flight) -> None:
        if flight in self._flights and flight.is_lone:
            self._lone.ended(flight.host)
            self._waiting.extendleft(reversed(self._alone))
            self._alone.clear()
        self._flights.discard(flight)

    def _drop(self, flight: Flight) -> None:
        self._leave(flight)
        flight.errand.flights.remove(flight)
        for share in self._shares.values():
            share.transport.cancel(flight)
        self._book.dropped(flight.host)


def _fail(errand: Errand, error: BaseException) -> None:
    if not errand.future.done() and errand.future.set_running_or_notify_cancel():
        errand.future.set_exception(error)
