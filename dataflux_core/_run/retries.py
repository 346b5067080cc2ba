"""Hold failed attempts back until they may be tried again."""

from __future__ import annotations

import heapq
import math
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dataflux_core._plan.retry import RETRIED_STATUSES, RetryPolicy
from dataflux_core._wire.message import error_message, retry_after_s
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._run.access import Authorization
    from dataflux_core._wire.message import Answer

T = TypeVar("T")
_UNREACHABLE_ATTEMPTS = 3  # before anything was ever answered: a wrong address should fail in a second
_HTTP_UNAUTHORIZED = 401
_MAX_RENEWALS = 5  # of one request's token: it may end while the request is under way, but not time and again


@dataclass(frozen=True, slots=True)
class RetryRule:
    """When to retry, with which pauses; built from a caller's google.api_core Retry."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    predicate: Callable[[Exception], object] | None = None  # None: RETRIED_STATUSES, broken connections
    never: bool = False

    def covers(self, answer: Answer) -> bool:
        """Tell whether the kind of failure is one to retry."""
        if self.never:
            return False
        if self.predicate is None:
            return bool(answer.failure) or answer.status in RETRIED_STATUSES
        return any(self.predicate(error) for error in _as_google_errors(answer))


def rule_of(retry_config: Any) -> RetryRule:  # noqa: ANN401 - google.api_core ships no types
    """Translate a google.api_core.retry.Retry; None means never to retry, as it does there.

    Raises InvalidArgument where it is something else.
    """
    if retry_config is None:
        return RetryRule(never=True)
    # google-cloud-storage wraps a Retry for calls that are safe only under a condition; ours always are.
    retry_config = getattr(retry_config, "retry_policy", retry_config)
    if not all(hasattr(retry_config, name) for name in ("_initial", "_multiplier", "_maximum", "_predicate")):
        raise InvalidArgument("retry_config", repr(retry_config), "a google.api_core.retry.Retry, or None")
    timeout_s = getattr(retry_config, "_timeout", getattr(retry_config, "_deadline", None))
    policy = RetryPolicy(
        float(retry_config._initial),  # noqa: SLF001 - Retry offers no public access
        float(retry_config._multiplier),  # noqa: SLF001
        float(retry_config._maximum),  # noqa: SLF001
        None if timeout_s is None else float(timeout_s),
    )
    return RetryRule(policy, retry_config._predicate)  # noqa: SLF001


def _as_google_errors(answer: Answer) -> list[Exception]:
    """Build the exceptions that google-cloud-storage would have shown to a predicate."""
    if answer.failure:
        from requests.exceptions import ConnectionError as RequestsConnectionError  # noqa: PLC0415 - slow import

        return [RequestsConnectionError(answer.failure), ConnectionError(answer.failure)]
    from google.api_core.exceptions import from_http_status  # noqa: PLC0415 - slow import

    return [from_http_status(answer.status, error_message(answer))]


@dataclass(slots=True, eq=False)
class Attempt(Generic[T]):
    """One thing asked for, with how often it was tried."""

    item: T
    count: int = 0
    began_s: float = 0.0
    authorization: str = ""
    renewals: int = 0  # of its token
    level: int = 0  # how many were in flight with it, for the pace

    def begin(self, authorization: str) -> None:
        self.count += 1
        self.authorization = authorization
        if self.count == 1:
            self.began_s = time.monotonic()


class Retries(Generic[T]):
    """Judge failures by a rule; keep what is to be tried again until its pause is over."""

    def __init__(self, rule: RetryRule, authorization: Authorization) -> None:
        self.count = 0
        self.by_cause: dict[str, int] = {}
        self._rule = rule
        self._authorization = authorization
        self._pauses: list[tuple[float, int, Attempt[T]]] = []
        self._answered = False

    def __len__(self) -> int:
        return len(self._pauses)

    def answered(self) -> None:
        """Learn that the endpoint can be reached."""
        self._answered = True

    def again(self, attempt: Attempt[T], answer: Answer, patience_s: float = math.inf) -> bool:
        """Tell whether the attempt will be made again; if so it comes out of `due` after its pause.

        None is made later than `patience_s` after the first, whatever the rule allows.
        """
        if not answer.refused:
            self._answered = True
        delay_s = 0.0
        if answer.status == _HTTP_UNAUTHORIZED and attempt.renewals < _MAX_RENEWALS:
            if not self._authorization.renew(attempt.authorization):
                return False
            attempt.renewals += 1
        else:
            if not self._rule.covers(answer):
                return False
            if answer.refused and not self._answered and attempt.count >= _UNREACHABLE_ATTEMPTS:
                return False
            delay_s = self._rule.policy.delay_s(
                attempt.count,
                draw=random.random(),  # noqa: S311 - jitter
                retry_after_s=retry_after_s(answer),
            )
            elapsed_s = time.monotonic() - attempt.began_s
            if elapsed_s + delay_s > patience_s or not self._rule.policy.allows(elapsed_s=elapsed_s, delay_s=delay_s):
                return False
        self.count += 1
        cause = str(answer.status or "connection")
        self.by_cause[cause] = self.by_cause.get(cause, 0) + 1
        heapq.heappush(self._pauses, (time.monotonic() + delay_s, self.count, attempt))
        return True

    def clear(self) -> None:
        """Forget what pauses."""
        self._pauses.clear()

    def due(self) -> list[Attempt[T]]:
        """Take out the attempts whose pause is over."""
        ready: list[Attempt[T]] = []
        while self._pauses and self._pauses[0][0] <= time.monotonic():
            ready.append(heapq.heappop(self._pauses)[2])
        return ready

    def next_due_s(self) -> float | None:
        """Return the seconds until the first pause is over; None where nothing pauses."""
        return max(0.0, self._pauses[0][0] - time.monotonic()) if self._pauses else None
