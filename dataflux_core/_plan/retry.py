"""Decide whether a failed attempt is tried again, after how long."""

from __future__ import annotations

from dataclasses import dataclass

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, within a time limit counted from the first attempt."""

    initial_s: float = 0.25
    multiplier: float = 2.0
    maximum_s: float = 45.0
    timeout_s: float | None = 300.0  # None: no limit

    def delay_s(self, attempt: int, *, draw: float, retry_after_s: float) -> float:
        """Return how long to wait after failed attempt number `attempt` (1, 2, …); `draw` is uniform in [0, 1).

        Full jitter (uniform below the exponential bound) spreads a crowd of refused requests best. Source:
        AWS Architecture Blog, "Exponential Backoff And Jitter", 2015. Retry-After is a lower bound.
        """
        bound_s = min(self.maximum_s, self.initial_s * self.multiplier ** min(attempt - 1, 64))
        return retry_after_s + draw * bound_s

    def allows(self, *, elapsed_s: float, delay_s: float) -> bool:
        """Tell whether an attempt that starts `delay_s` from now is still within the time limit."""
        return self.timeout_s is None or elapsed_s + delay_s <= self.timeout_s
