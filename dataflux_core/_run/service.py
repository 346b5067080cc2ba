"""Send requests until each has its final answer."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflux_core._run.retries import Attempt, Retries
from dataflux_core._wire.strain import strain_of

if TYPE_CHECKING:
    from dataflux_core._plan.pacing import Pace
    from dataflux_core._run.access import Access
    from dataflux_core._run.retries import RetryRule
    from dataflux_core._run.transport import Transport
    from dataflux_core._wire.message import Answer, Request


class _Call(NamedTuple):
    request: Request
    tag: Any
    patience_s: float  # from the first try to the last


class Service:
    """Many requests to one endpoint at once: paced, authorized, retried; failures come out as answers too.

    One thread's, as its transport is.
    """

    def __init__(self, access: Access, transport: Transport, rule: RetryRule, pace: Pace) -> None:
        self.pace = pace
        self.calls = 0
        self.retries: Retries[_Call] = Retries(rule, access.authorization)
        self._authorization = access.authorization
        self._transport = transport
        self._woken = False
        self._queue: deque[Attempt[_Call]] = deque()

    @property
    def pending(self) -> int:
        """Requests without a final answer."""
        return len(self._queue) + self._transport.in_flight + len(self.retries)

    @property
    def free(self) -> int:
        """How many requests more would start at once."""
        return self.pace.window - self.pending

    def submit(self, request: Request, tag: Any, *, patience_s: float = math.inf) -> None:  # noqa: ANN401 - handed back
        """Send `request` as soon as the pace allows; `wait` hands back `tag` with the final answer.

        It is tried again as the rule says, for so long at most.
        """
        self._queue.append(Attempt(_Call(request, tag, patience_s)))

    def drop_waiting(self) -> None:
        """Forget what is not in flight: requests that never started, or that pause before another try."""
        self._queue.clear()
        self.retries.clear()

    def watch(self, descriptor: int) -> None:
        """Let `wait` return when `descriptor` becomes readable."""
        self._transport.watch(descriptor)

    def unwatch(self, descriptor: int) -> None:
        self._transport.unwatch(descriptor)

    def wait(self, timeout_s: float | None = None) -> list[tuple[Any, Answer]]:
        """Wait for final answers, at most `timeout_s`; return [] only then, woken up, or where nothing is pending."""
        ends_s = None if timeout_s is None else time.monotonic() + timeout_s
        while self.pending:
            self._queue.extend(self.retries.due())
            self._start()
            answers = self._receive(self._patience_s(ends_s))
            if answers or self._woken or (ends_s is not None and time.monotonic() >= ends_s):
                return answers
        return []

    def _patience_s(self, ends_s: float | None) -> float | None:
        limits_s = [self.retries.next_due_s(), None if ends_s is None else max(0.0, ends_s - time.monotonic())]
        return min((limit_s for limit_s in limits_s if limit_s is not None), default=None)

    def _start(self) -> None:
        if not self._queue:
            return
        authorization = self._authorization.header()
        while self._queue and self._transport.in_flight < self.pace.window:
            attempt = self._queue.popleft()
            attempt.begin(authorization)
            self._transport.start(attempt.item.request, attempt, authorization=authorization)
            attempt.level = self.pace.sent(self._transport.in_flight)
            self.calls += 1

    def _receive(self, timeout_s: float | None) -> list[tuple[Any, Answer]]:
        final: list[tuple[Any, Answer]] = []
        happened = self._transport.wait(timeout_s)
        self._woken = bool(happened.readable)
        for attempt, answer in happened.answers:
            strain = strain_of(answer)
            if strain is not None:
                self.pace.learn(attempt.level, strain)
            if answer.ok:
                self.retries.answered()
            elif self.retries.again(attempt, answer, attempt.item.patience_s):
                continue
            final.append((attempt.item.tag, answer))
        return final
