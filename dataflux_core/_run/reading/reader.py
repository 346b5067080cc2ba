"""Read many objects at once, from one thread."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.pacing import Pace
from dataflux_core._plan.schedule import Bounds, Schedule, Underway
from dataflux_core._plan.strategy import Chooser
from dataflux_core._run.connections import grant, lease
from dataflux_core._run.reading.cleanup import clean_up
from dataflux_core._run.reading.composed import ComposedReads, Ledger
from dataflux_core._run.reading.deletions import Deletions
from dataflux_core._run.reading.direct import DirectReads, GroupBytes, Source
from dataflux_core._run.reading.memory import held_bytes
from dataflux_core._run.reading.permit import Permit, tempo_of
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.reading.temporaries import Temporaries
from dataflux_core._run.reading.whole import WholeReads
from dataflux_core._run.service import Service
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._plan.groups import Group
    from dataflux_core._run.access import Access
    from dataflux_core._run.reading.bell import Bell
    from dataflux_core._run.reading.direct import Part
    from dataflux_core._run.reading.options import ReadOptions
    from dataflux_core._run.transport import Transport
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)

# A cold bucket takes 1000 writes a second: of so many requests seven in ten may be composes, which answer after about
# 0.35 s. The schedule bounds reads besides. Beyond that the pace finds out.
# Source: https://cloud.google.com/storage/docs/request-rate
FIRST_REQUESTS = 512
_CHECKSUM_TRIES = 4
_COMPOSE_PATIENCE_S = 1.0  # what is composed to be there sooner is not waited for through minutes of refusals
_HURRY_S, _PATIENCE_S = 1.0, 15.0  # with a bucket that does not say whether composites may be made
_DRAIN_S = 2.0  # then the guardian goes on, as it does after an error
_CONNECTION_S, _TLS_CONNECTION_S = 1e-4, 7e-4  # CPU to make one


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
        service = Service(access, lent.transport, options.rule, lent.pace)
        tries = 1 if options.rule.never else _CHECKSUM_TRIES
        max_held_bytes = options.max_held_bytes or held_bytes()
        source = Source(
            access.endpoint.base_url, bucket, objects, tries, options.on_error, options.decompress, max_held_bytes
        )
        self.stats = DownloadStats()
        self._access = access
        self._options = options
        self._bell = bell
        self._service = service
        self._tempo = tempo = tempo_of(access)
        self._connection_s = _TLS_CONNECTION_S if access.endpoint.base_url.startswith("https:") else _CONNECTION_S
        self._temporaries = Temporaries(access, bucket)
        self._deletions = Deletions(service, self._temporaries, self.stats)
        chooser = Chooser(options.strategy, options.optimize, tempo)
        patience_s = _HURRY_S if chooser.saves_time else _PATIENCE_S
        self._permit = Permit(service, access, bucket, self.stats, max_wait_s=patience_s)
        ledger = Ledger(self._temporaries, self._deletions, self.stats, tempo)
        self._direct = DirectReads(service, source, self._finish, self.stats, tempo)
        self._whole = WholeReads(service, source, self._finish, self.stats)
        self._composed = ComposedReads(service, source, ledger, self._direct, self._finish)
        if chooser.saves_time:
            self._composed.patience_s = _COMPOSE_PATIENCE_S
        self._starts = {"compose": self._composed.start, "direct": self._direct.start, "ranges": self._whole.start}
        # A composite does not tell which of its objects are stored compressed.
        is_composable = not options.decompress or objects.encodings is not None
        bounds = Bounds(
            options.max_composite_bytes if is_composable else 0,
            max_held_bytes,
            options.max_groups,
        )
        self._count = len(objects)
        self._schedule = Schedule(objects.sizes, bounds, chooser, options.series)
        self._active = 0  # groups started, not finished
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
            while not self._schedule.is_over or self._active or self._finished:
                self._start_groups()
                if self._finished:
                    yield self._finished.popleft()
                else:
                    self._advance(self._permit.patience_s)
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
        """Start what the schedule allows."""
        schedule = self._schedule
        while self._released:
            schedule.release(self._released.popleft())
        self._settle_permit()
        while (step := schedule.next(self._underway())) is not None:
            self._active += 1
            self._starts[step.start](step.group)
        if schedule.wants_permit and self._permit.ask():
            self._start_groups()  # it is known already
        self._whole.pump()

    def _settle_permit(self) -> None:
        """Tell the schedule what is known of composing."""
        permit = self._permit
        permit.settle()
        if self._composed.refusal or self._deletions.is_refused:
            permit.withdraw(self._composed.refusal or "temporaries cannot be deleted")
        if permit.verdict is None:
            return
        if not permit.verdict.allowed:
            self._schedule.forbid()
        elif not self._schedule.is_permitted:
            self._schedule.permit(permit.cost(self._options.prices))

    def _underway(self) -> Underway:
        service, composed, direct = self._service, self._composed, self._direct
        return Underway(
            groups=self._active,
            direct=direct.pending,
            direct_bytes=direct.pending_bytes,
            composing=composed.composing,
            composed=composed.pending,
            is_flowing=composed.has_arrived,
            window=service.pace.window,
            free=service.free,
            useful_reads=self._tempo.useful_reads(self._count, self._connection_s),
        )

    def _drain(self) -> None:
        """Wait a little for temporaries to go: the caller, who has every byte, is not kept for as long as a retry."""
        ends_s = time.monotonic() + _DRAIN_S
        try:
            self._deletions.flush()
            while self._deletions.outstanding and (left_s := ends_s - time.monotonic()) > 0:
                self._advance(left_s)
        except DatafluxError as error:  # every byte is there: that temporaries are not gone is the guardian's business
            log.debug("read.drain_failed reason=%r", error)
        self.stats.temporaries_kept += len(self._temporaries.left())

    def _advance(self, timeout_s: float | None = None) -> None:
        """Wait for answers, at most `timeout_s`; let each take its group one step on."""
        if not self._service.pending:
            self._deletions.flush()
        if self._service.pending:
            self._temporaries.flush()  # before anything is sent
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
        yield from each_group(Reading(lent, bucket, objects, options), stats)


def each_group(reading: Reading, stats: DownloadStats | None) -> Generator[GroupBytes, None, None]:
    """Yield a reading's groups, each released when the next is asked for; add what it did to `stats` at its end."""
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
) -> Generator[tuple[int, Part], None, None]:
    """Yield (position, bytes) of every object; otherwise as `read_groups`."""
    with closing(read_groups(access, bucket, objects, options, stats)) as groups:
        for group, parts in groups:
            yield from enumerate(parts, group.start)


@dataclass(frozen=True, slots=True)
class Lent:
    """An access with connections to it, with how many requests it may be used for at once."""

    access: Access
    transport: Transport
    pace: Pace


@contextmanager
def lend(access: Access, options: ReadOptions) -> Iterator[Lent]:
    """Lend connections for one call."""
    with (
        grant(options.max_requests) as max_requests,
        lease(access.endpoint, max_connections=max_requests) as transport,
    ):
        pace = Pace(ceiling=max_requests, start=min(FIRST_REQUESTS, max_requests))
        yield Lent(access, transport, pace)
