"""Say how streams of a playlist are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dataflux_core._plan.retry import RetryPolicy
from dataflux_core._run.fetching.options import FetchOptions
from dataflux_core._run.reading.options import checked_count
from dataflux_core._run.retries import RetryRule
from dataflux_core.errors import InvalidArgument

_INITIAL_PAUSE_S = 0.25
_MOST_PAUSE_S = 15.0


class Requesting(NamedTuple):
    """What of the options concerns requests, beyond a single read."""

    max_requests: int
    hedge: bool
    patience_s: float
    connect_timeout_s: int
    stall_timeout_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How to read; streams of a process share connections, and what is known of hosts, whatever their limits in bytes.

    Those that differ in anything else are read apart.
    """

    max_requests: int = 64  # under way at once, of all streams that share them
    max_ahead_bytes: int = 192 * 1024**2  # that one iteration asks for before they are taken; one chunk at least
    max_chunk_bytes: int = 1024**3  # of a chunk, or of the rest of one, whoever says how large it is
    max_decoded_bytes: int = 2 * 1024**3  # that one chunk may unfold to
    hedge: bool = False  # ask another mirror too where one takes three times as long as usual
    patience_s: float = 120.0  # for which one read is tried again where no host gives it
    connect_timeout_s: int = 10
    stall_timeout_s: int = 30  # with next to nothing received

    def __post_init__(self) -> None:
        for name in (
            "max_requests",
            "max_ahead_bytes",
            "max_chunk_bytes",
            "max_decoded_bytes",
            "connect_timeout_s",
            "stall_timeout_s",
        ):
            checked_count(name, getattr(self, name))
        if not isinstance(self.patience_s, int | float) or not self.patience_s >= 0:
            raise InvalidArgument("patience_s", repr(self.patience_s), "a number of seconds, 0 to try nothing again")

    @property
    def requesting(self) -> Requesting:
        """What streams have in common that are read together."""
        return Requesting(self.max_requests, self.hedge, self.patience_s, self.connect_timeout_s, self.stall_timeout_s)

    @property
    def fetching(self) -> FetchOptions:
        """What the rooms below take."""
        policy = RetryPolicy(_INITIAL_PAUSE_S, 2.0, _MOST_PAUSE_S, float(self.patience_s))
        return FetchOptions(
            max_requests=self.max_requests,
            rule=RetryRule(policy, never=not self.patience_s),
            connect_timeout_s=self.connect_timeout_s,
            stall_timeout_s=self.stall_timeout_s,
        )


@dataclass(frozen=True, slots=True)
class StreamStats:
    """What the reads of a process have done that share their requests."""

    requests: int = 0  # of any kind
    failures: int = 0  # that another request made good, or nothing did
    resumed: int = 0  # bodies that broke off and were gone on with
    hedged: int = 0  # reads that a second host was asked for
    received_bytes: int = 0  # in whole answers
    in_flight: int = 0
