"""Keep what is known of one web server while it is read from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.access import USER_AGENT, Anonymous, way_out
from dataflux_core._run.retries import Attempt, Retries
from dataflux_core._run.transport import Endpoint

if TYPE_CHECKING:
    from dataflux_core._run.fetching.options import FetchOptions
    from dataflux_core._wire.web import Wanted

_MAX_WAYS = 4096  # kept
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

    def start_over(self) -> None:
        """Ask where it was asked for at first: what a redirect leads to may have expired."""
        self.url, self.redirects = self.wanted.url, 0


class Origin:
    """One server: what waits for it, how much it bears, whether it was ever reached."""

    def __init__(self, options: FetchOptions) -> None:
        self.waiting: deque[Attempt[Errand]] = deque()
        self.in_flight = 0
        self.pace = Pace(ceiling=options.max_requests, start=options.max_requests)
        self.retries: Retries[Errand] = Retries(options.rule, Anonymous())

    @property
    def is_ready(self) -> bool:
        """Tell whether something waits that its pace allows."""
        return bool(self.waiting) and self.in_flight < self.pace.window


class Ways:
    """By which proxy, with which certificates each server is reached: as the environment says."""

    def __init__(self, options: FetchOptions) -> None:
        self._options = options
        self._known: dict[str, Endpoint] = {}
        self._session: Any = None  # reads the environment; to make one takes longer than that

    def to(self, origin: str) -> Endpoint:
        """Return an endpoint without a base, for requests whose targets are whole URLs: one serves many servers."""
        endpoint = self._known.get(origin)
        if endpoint is None:
            if len(self._known) >= _MAX_WAYS:
                self._known.clear()
            endpoint = self._known[origin] = self._endpoint(origin)
        return endpoint

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
