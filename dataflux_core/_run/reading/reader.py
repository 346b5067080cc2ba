"""Read many objects at once, from one thread."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dataflux_core._plan.groups import group_for_compose
from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import grant, lease
from dataflux_core._run.reading.cleanup import clean_up
from dataflux_core._run.reading.composed import ComposedReads, Ledger
from dataflux_core._run.reading.deletions import Deletions
from dataflux_core._run.reading.direct import DirectReads, GroupBytes, Source
from dataflux_core._run.reading.memory import held_bytes
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.reading.temporaries import Temporaries
from dataflux_core._run.retries import RetryRule
from dataflux_core._run.service import Service

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._plan.groups import Group
    from dataflux_core._run.access import Access
    from dataflux_core._run.reading.bell import Bell
    from dataflux_core._run.transport import Transport
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)

MAX_REQUESTS = 512
# A cold bucket takes 1000 writes a second; composes answer after about 0.35 s, so that many in flight are within it,
# as are reads: 350 that answer after 0.06 s are 5800 a second. Beyond that the pace finds out.
# Source: https://cloud.google.com/storage/docs/request-rate
_FIRST_REQUESTS = 350
_CHECKSUM_TRIES = 4
_DRAIN_S = 2.0  # then the guardian goes on, as it does after an error
DEFAULT_COMPOSITE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read; the same for every object of a call."""

    max_composite_bytes: int = DEFAULT_COMPOSITE_BYTES  # 0: never compose
    rule: RetryRule = field(default_factory=RetryRule)
    max_groups: int = sys.maxsize  # in flight at once
    max_processes: int = 1
    max_requests: int = MAX_REQUESTS  # in flight at once; fewer where other readers of the process leave fewer
    max_held_bytes: int | None = None  # None: a share of the memory available
    order: Literal["completed", "listed"] = "completed"


class Stopped(Exception):
    """Another thread has asked a reading to stop."""


class Reading:
    """One call's reads: groups go in as limits allow, their objects' bytes come out.

    One thread's, but for `release` and `stop`; with a bell these may be called from others.
    """

    def __init__(
        self, lent: Lent, bucket: str, objects: ObjectColumns, options: ReadOptions, bell: Bell | None = None
    ) -> None:
        access = lent.access
        first = min(_FIRST_REQUESTS, lent.max_requests)
        service = Service(access, lent.transport, options.rule, Pace(ceiling=lent.max_requests, start=first))
        source = Source(access.endpoint.base_url, bucket, objects, 1 if options.rule.never else _CHECKSUM_TRIES)
        self.stats = DownloadStats()
        self._access = access
        self._options = options
        self._bell = bell
        self._service = service
        self._temporaries = Temporaries(access, bucket)
        self._deletions = Deletions(service, self._temporaries, self.stats)
        ledger = Ledger(self._temporaries, self._deletions, self.stats)
        self._direct = DirectReads(service, source, self._finish, self.stats)
        self._composed = ComposedReads(service, source, ledger, self._direct, self._finish)
        self._groups = group_for_compose(objects.sizes, max_bytes=options.max_composite_bytes)
        self._next = next(self._groups, None)
        self._active = 0  # groups started, not finished
        self._held_bytes = 0  # of groups started, not released
        self._max_held_bytes = options.max_held_bytes or held_bytes()
        self._released: deque[int] = deque()  # bytes; other threads append
        self._is_stopping = False
        self._answers: deque[tuple[Any, Answer]] = deque()  # received, not yet handled
        self._finished: deque[GroupBytes] = deque()
        self._early: dict[int, GroupBytes] = {}  # by start: finished before their turn
        self._turn = 0

    @property
    def ready(self) -> int:
        """How many groups `run` would yield at once."""
        return len(self._finished)

    def run(self) -> Generator[GroupBytes, None, None]:
        """Yield each group when it is finished, or in its turn; the caller `release`s what it has taken.

        Whatever ends this, temporaries are removed: within about two seconds, or by the guardian.
        """
        process_id = os.getpid()
        began_s = time.monotonic()
        if self._bell is not None:
            self._service.watch(self._bell.fileno())
        try:
            while self._next is not None or self._active or self._finished:
                self._start_groups()
                if self._finished:
                    yield self._finished.popleft()
                else:
                    self._advance()
            self._drain()
        except BaseException:
            if os.getpid() == process_id:  # a forked child that drops its copy must not touch its parent's
                clean_up(self._access, self._service, self._composed, self._temporaries, self._answers)
            raise
        finally:
            if os.getpid() == process_id:
                self._temporaries.give_up()
                if self._bell is not None:
                    self._service.unwatch(self._bell.fileno())
            self.stats.retries += self._service.retries.count
            self.stats.elapsed_s = time.monotonic() - began_s

    def release(self, group: Group) -> None:
        """Learn that the bytes of `group` are the caller's own now."""
        self._released.append(max(0, group.size))
        if self._bell is not None:
            self._bell.ring()

    def stop(self) -> None:
        """Let `run` end with Stopped, its temporaries removed."""
        self._is_stopping = True
        if self._bell is not None:
            self._bell.ring()

    def _start_groups(self) -> None:
        """Start what the limits allow: one group always, else the largest would never be read."""
        while self._released:
            self._held_bytes -= self._released.popleft()
        while (group := self._next) is not None:
            if self._held_bytes and self._held_bytes + group.size > self._max_held_bytes:
                return
            if self._active and (self._service.free <= 0 or self._active >= self._options.max_groups):
                return
            if not self._start(group):
                return
            self._active += 1
            self._held_bytes += max(0, group.size)
            self._next = next(self._groups, None)

    def _start(self, group: Group) -> bool:
        """Start `group`; tell whether that could be done yet."""
        composed = self._composed
        if group.sources == 1 or composed.is_permitted is False or self._deletions.is_refused:
            self._direct.start(group)
        elif composed.is_permitted:
            composed.start(group)
        else:
            composed.ask_permission()
            return False
        return True

    def _drain(self) -> None:
        """Wait a little for temporaries to go: the caller, who has every byte, is not kept for as long as a retry."""
        ends_s = time.monotonic() + _DRAIN_S
        self._deletions.flush()
        while self._deletions.outstanding and (left_s := ends_s - time.monotonic()) > 0:
            self._advance(left_s)
        self.stats.temporaries_kept += len(self._temporaries.left())

    def _advance(self, timeout_s: float | None = None) -> None:
        """Wait for answers, at most `timeout_s`; let each take its group one step on."""
        if not self._service.pending:
            self._deletions.flush()
        if self._service.pending:
            self._answers.extend(self._service.wait(timeout_s))
            while self._answers:
                (handle, subject), answer = self._answers.popleft()
                handle(subject, answer)
        elif self._bell is not None:
            self._bell.wait()  # all that may be held is held: its user is at work on it
        if self._bell is not None:
            self._bell.hush()
            if self._is_stopping:
                raise Stopped

    def _finish(self, group_bytes: GroupBytes) -> None:
        self._active -= 1
        if self._options.order == "completed":
            self._finished.append(group_bytes)
            return
        self._early[group_bytes.group.start] = group_bytes
        while self._turn in self._early:
            ready = self._early.pop(self._turn)
            self._turn = ready.group.stop
            self._finished.append(ready)


def read_groups(
    access: Access, bucket: str, objects: ObjectColumns, options: ReadOptions, stats: DownloadStats | None = None
) -> Generator[GroupBytes, None, None]:
    """Yield every group of `objects` with the stored bytes of each of its objects, exact, in bounded memory.

    In `options.order`; what is yielded counts as held until the next is asked for. Close it where it is not read to
    its end. Raises the errors of dataflux_core.errors.
    """
    with lend(access, options) as lent:
        reading = Reading(lent, bucket, objects, options)
        try:
            with closing(reading.run()) as finished:
                for group_bytes in finished:
                    yield group_bytes
                    reading.release(group_bytes.group)
        finally:
            if stats is not None:
                stats.add(reading.stats)


def read_objects(
    access: Access, bucket: str, objects: ObjectColumns, options: ReadOptions, stats: DownloadStats | None = None
) -> Generator[tuple[int, bytes], None, None]:
    """Yield (position, stored bytes) of every object; otherwise as `read_groups`."""
    with closing(read_groups(access, bucket, objects, options, stats)) as groups:
        for group, parts in groups:
            yield from enumerate(parts, group.start)


@dataclass(frozen=True, slots=True)
class Lent:
    """An access with connections to it."""

    access: Access
    transport: Transport
    max_requests: int


@contextmanager
def lend(access: Access, options: ReadOptions) -> Iterator[Lent]:
    """Lend connections for one call."""
    with (
        grant(options.max_requests) as max_requests,
        lease(access.endpoint, max_connections=max_requests) as transport,
    ):
        yield Lent(access, transport, max_requests)
