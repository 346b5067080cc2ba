"""Decide from which of several hosts something is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log2
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

# How a read ended badly: the host could not be had, it lacks this one thing, what it sent is something else.
Fault = Literal["down", "missing", "wrong"]

_LEAST_PAUSE_S = 1.0
_MOST_PAUSE_S = 60.0
_MOST_DOUBLINGS = 8
_MISSES_OF_A_HOST = 3  # in a row: a host that lacks one chunk may have all others
_REQUEST_BYTES = 64 * 1024  # that a request without content is worth, in the time that it takes
_WEIGHT = 0.2  # of the newest read
_FORGETTING_S = (
    30.0  # after which half of what was slow is forgotten: a host that nobody asks cannot show that it is quick
)
_PASSED = (
    0.98  # of what is known of a pace stays when it is idle and another is chosen: reads show best how quick it is now
)
_FAR_BELOW = 32.0  # times as slow as others could be is not worth waiting for
_LEAST_BYTES_PER_S, _MOST_BYTES_PER_S = 1024, 1024**2  # to be asked of a host beside which there is another
# The same while nothing is known of any: reads share what a slow line gives, which they have all of at the last host.
_LEAST_UNKNOWN_BYTES_PER_S, _UNKNOWN_BYTES_PER_S = 8 * 1024, 64 * 1024
_HEDGE_TIMES = 3.0  # as long as a read usually takes
_LEAST_HEDGE_S = 0.05
_UNKNOWN_HEDGE_S = 1.0
_TINY = 1e-12


@dataclass(slots=True)
class _Host:
    """What is known of one host."""

    in_flight: int = 0
    pace: float = 0.0  # seconds for a byte while nothing else is read there; 0: not known
    learned_s: float = 0.0  # when
    faults: int = 0  # in a row
    misses: int = 0  # in a row
    blocked_since_s: float = 0.0
    blocked_until_s: float = 0.0
    has_served: bool = False

    def is_well(self, now_s: float) -> bool:
        """Tell whether reads may go there: behind a pause one alone, to see how it fares."""
        return now_s >= self.blocked_until_s and not (self.faults and self.in_flight)


class HostBook:
    """What the reads of a process have learned of hosts; all times are of one clock, in seconds.

    A read goes where it should end first: the seconds that a byte takes there, times the reads that are under way.
    Equal hosts thus get equal parts, a slow one fewer. Hosts are equal unless one takes twice as long: single reads
    differ more than hosts do.
    """

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    def choose(self, hosts: Sequence[str], now_s: float, *, turn: int = 0) -> int:
        """Return the position of the host to read from; `turn` says where equal ones are looked at first.

        Where none is well, it is the one whose pause ends first: nothing is given up while a host has not been asked.
        """
        order = [(turn + step) % len(hosts) for step in range(len(hosts))]
        well = [at for at in order if self._host(hosts[at]).is_well(now_s)]
        if not well:
            return min(order, key=lambda at: self._host(hosts[at]).blocked_until_s)
        paces = {at: self._pace(hosts[at], now_s) for at in well}
        best = min((pace for pace in paces.values() if pace), default=1.0)
        chosen = min(well, key=lambda at: self._wait(hosts[at], paces[at], best))
        for at in well:
            passed = self._host(hosts[at])
            if at != chosen and not passed.in_flight:
                passed.pace *= _PASSED
        return chosen

    def is_well(self, host: str, now_s: float) -> bool:
        """Tell whether a host is one to read from now."""
        return self._host(host).is_well(now_s)

    def has_served(self, host: str) -> bool:
        """Tell whether a host has ever given what was asked for."""
        return self._host(host).has_served

    def began(self, host: str) -> int:
        """Learn of a read; returns how many are under way there with it."""
        found = self._host(host)
        found.in_flight += 1
        return found.in_flight

    def dropped(self, host: str) -> None:
        """Learn that a read was given up: that says nothing of the host."""
        self._host(host).in_flight -= 1

    def served(self, host: str, size: int, elapsed_s: float, beside: int, now_s: float) -> None:
        """Learn of a read of `size` bytes that ended well, as one of `beside` under way."""
        found = self._host(host)
        shared = (beside + found.in_flight) / 2
        pace = max(elapsed_s, _TINY) / (size + _REQUEST_BYTES) / max(1.0, shared)
        found.pace += (pace - found.pace) * (_WEIGHT if found.pace else 1.0)
        found.learned_s = now_s
        found.in_flight -= 1
        found.misses = 0
        found.has_served = True
        if found.blocked_since_s <= now_s - elapsed_s:  # else it says nothing of what came after it was asked for
            found.faults, found.blocked_until_s = 0, 0.0

    def failed(self, host: str, fault: Fault, now_s: float, *, draw: float, retry_after_s: float = 0.0) -> None:
        """Learn of a read that ended badly; `draw` is uniform in [0, 1), so that not all clients come back at once."""
        found = self._host(host)
        found.in_flight -= 1
        if fault == "missing":
            found.misses += 1
            if found.misses < _MISSES_OF_A_HOST:
                return
        if found.blocked_until_s > now_s and fault == "down":
            return  # reads that were under way together fail together: one mishap
        found.faults += 1
        pause_s = min(_MOST_PAUSE_S, _LEAST_PAUSE_S * 2 ** min(found.faults - 1, _MOST_DOUBLINGS))
        found.blocked_since_s = now_s
        found.blocked_until_s = now_s + max(min(retry_after_s, _MOST_PAUSE_S), pause_s * (1 + draw) / 2)

    def least_bytes_per_s(self, hosts: Sequence[str], now_s: float) -> int:
        """Return how slow a read may be that could go to any of `hosts`: far below what one of them has shown.

        One alone has others that are not well now: only what drips is given up there, since they may not come back.
        """
        if len(hosts) == 1:
            return _LEAST_BYTES_PER_S
        paces = [self._pace(host, now_s) * (self._host(host).in_flight + 1) for host in hosts]
        best = min((pace for pace in paces if pace), default=0.0)
        if not best:
            beside = sum([self._host(host).in_flight for host in hosts])
            return max(_LEAST_UNKNOWN_BYTES_PER_S, _UNKNOWN_BYTES_PER_S // (beside + 1))
        return int(max(_LEAST_BYTES_PER_S, min(_MOST_BYTES_PER_S, 1 / best / _FAR_BELOW)))

    def hedge_after_s(self, host: str, size: int, beside: int) -> float:
        """Return after how long a read that has not ended is worth another one elsewhere."""
        pace = self._host(host).pace
        if not pace:
            return _UNKNOWN_HEDGE_S
        return max(_LEAST_HEDGE_S, _HEDGE_TIMES * pace * (size + _REQUEST_BYTES) * beside)

    def _host(self, host: str) -> _Host:
        found = self._hosts.get(host)
        if found is None:
            found = self._hosts[host] = _Host()
        return found

    def _pace(self, host: str, now_s: float) -> float:
        found = self._host(host)
        if not found.pace:
            return 0.0
        age_s = max(0.0, now_s - found.learned_s)
        return max(_TINY, float(found.pace * 0.5 ** (age_s / _FORGETTING_S)))

    def _wait(self, host: str, pace: float, best: float) -> float:
        """Compare hosts: one that is not known is taken for the best."""
        times = 2 ** floor(log2(pace / best)) if pace else 1
        return (self._host(host).in_flight + 1) * float(times)
