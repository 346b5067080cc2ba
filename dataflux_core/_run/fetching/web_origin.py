"""Keep what is known of one web server while it is read from."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.access import USER_AGENT, Anonymous, way_out
from dataflux_core._run.retries import Attempt, Retries
from dataflux_core._run.transport import Endpoint
from dataflux_core._wire.strain import strain_of
from dataflux_core._wire.web import is_closing

if TYPE_CHECKING:
    from dataflux_core._run.fetching.options import FetchOptions
    from dataflux_core._wire.message import Answer
    from dataflux_core._wire.web import Wanted

_MAX_WAYS = 4096  # kept
_FIRST_REQUESTS = 8  # at once to a server of which nothing is known: some queue no more than five connections
_SLOW_CONNECT_S = 0.9  # a second is what the system waits for an answer before it asks for a connection again
_ROUND_S = 3.0  # at most: one silent request does not keep the window as it is
_CLOSING_ROUND_S = 0.25  # at least, where each request needs a connection of its own
_LEAST_BYTES_PER_S = 256  # a server that sends less, for as long as a stall may last, would hold a request for hours


@dataclass(slots=True, eq=False)
class Errand:
    """One thing wanted, on its way."""

    position: int
    wanted: Wanted
    url: str  # to which redirects have led
    redirects: int = 0
    damaged: int = 0  # times that its bytes came wrong
    reserved_bytes: int = 0
    announced_bytes: int = 0  # which the server has said that it would send, where that was more than was allowed
    needed_bytes: int = 0  # to be set aside: as many, or a guess
    limit_bytes: int = 0  # that may be sent this time; what is more is asked for again when there is room for it
    round: int = 0  # of its origin, in which it was sent

    def start_over(self) -> None:
        """Ask where it was asked for at first: what a redirect leads to may have expired."""
        self.url, self.redirects = self.wanted.url, 0


class Origin:
    """One server: what waits for it, how much it bears, whether it was ever reached."""

    def __init__(self, options: FetchOptions, start: int) -> None:
        self.waiting: deque[Attempt[Errand]] = deque()
        self.in_flight = 0
        self.pace = Pace(ceiling=options.max_requests, start=start)
        self.retries: Retries[Errand] = Retries(options.rule, Anonymous())
        self._ceiling = options.max_requests
        self._most = min(start, self._ceiling)
        self._round = 0
        self._round_left = 0  # sent before this round
        self._round_began_s = time.monotonic()

    @property
    def window(self) -> int:
        """How many may be in flight.

        What a server's queue of connections has no room for is silent for a second, then for twice as long each time,
        while those that found room are answered at once. So the window doubles no sooner than all have been answered
        that were in flight when it last did.
        """
        return min(self._most, self.pace.window)

    @property
    def is_ready(self) -> bool:
        """Tell whether something waits that its pace allows."""
        return bool(self.waiting) and self.in_flight < self.window

    def sent(self, attempt: Attempt[Errand]) -> None:
        """Learn that something is on its way."""
        self.in_flight += 1
        attempt.item.round = self._round
        attempt.level = self.pace.sent(self.in_flight)

    def answered(self, attempt: Attempt[Errand], answer: Answer) -> None:
        """Learn what came of it."""
        filled, self.in_flight = self.in_flight >= self.window, self.in_flight - 1
        self._round_left -= attempt.item.round < self._round
        strain = "refused" if answer.connect_s >= _SLOW_CONNECT_S else strain_of(answer)
        if strain is not None:
            self.pace.learn(attempt.level, strain)
        if strain == "refused":
            self._most = max(1, min(self._most, self.pace.window))
            self._begin_round()
        elif strain == "clean" and filled:
            self._grow(answer)

    def _grow(self, answer: Answer) -> None:
        lasted_s = time.monotonic() - self._round_began_s
        if self._round_left and lasted_s < _ROUND_S:
            return
        step = self._most
        if is_closing(answer):  # so every request waits in that queue: by the time that is known, few more may do so
            if lasted_s < _CLOSING_ROUND_S:
                return
            step = max(1, step // 4)
        self._most = min(self._most + step, self._ceiling)
        self._begin_round()

    def _begin_round(self) -> None:
        self._round += 1
        self._round_left = self.in_flight
        self._round_began_s = time.monotonic()


class Ways:
    """By which proxy, with which certificates each server is reached: as the environment says."""

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self._known: dict[str, Endpoint] = {}
        self._windows: dict[str, int] = {}  # that each server has borne
        self._session: Any = None  # reads the environment; to make one takes longer than that

    def to(self, origin: str) -> Endpoint:
        """Return an endpoint without a base, for requests whose targets are whole URLs: one serves many servers."""
        endpoint = self._known.get(origin)
        if endpoint is None:
            if len(self._known) >= _MAX_WAYS:
                self._known.clear()
            endpoint = self._known[origin] = self._endpoint(origin)
        return endpoint

    def window_of(self, origin: str) -> int:
        """Return how many requests to begin with at a server."""
        return self._windows.get(origin, _FIRST_REQUESTS)

    def learn(self, origin: str, window: int) -> None:
        """Remember how many a server has borne, for the next read."""
        if len(self._windows) >= _MAX_WAYS:
            self._windows.clear()
        self._windows[origin] = max(_FIRST_REQUESTS, window)

    def _endpoint(self, origin: str) -> Endpoint:
        from requests import Session  # noqa: PLC0415 - slow import
        from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: PLC0415

        self._session = self._session or Session()
        proxy, verify = way_out(self._session, origin)
        return Endpoint(
            "",
            (f"User-Agent: {USER_AGENT}",),
            proxy=proxy,
            ca_file=verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH,
            verify=bool(verify),
            connect_timeout_s=self._options.connect_timeout_s,
            stall_timeout_s=self._options.stall_timeout_s,
            least_bytes_per_s=_LEAST_BYTES_PER_S,
        )
