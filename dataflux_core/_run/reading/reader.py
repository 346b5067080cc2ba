"""Read many objects at once, from one thread."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.groups import MAX_SOURCES, group_for_compose
from dataflux_core._plan.pacing import Pace
from dataflux_core._plan.strategy import RANGED_BYTES, Chooser, Load, apart
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

# A cold bucket takes 1000 writes a second; composes answer after about 0.35 s, so that many in flight are within it,
# as are reads: 350 that answer after 0.06 s are 5800 a second. Beyond that the pace finds out.
# Source: https://cloud.google.com/storage/docs/request-rate
_FIRST_REQUESTS = 512
_COMPOSING_SHARE = 0.7  # of the requests in flight: the reads of what is composed already must not wait
_CHECKSUM_TRIES = 4
_DRAIN_S = 2.0  # then the guardian goes on, as it does after an error
_READS_BEFORE_PERMIT = 64
_CONNECTION_S, _TLS_CONNECTION_S = 1e-4, 7e-4  # CPU to make one
_QUEUED_OBJECTS = 16_384  # given to be read directly, not yet asked for
_FLIGHT_BYTES = 64 * 1024**2


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
        tries = 1 if options.rule.never else _CHECKSUM_TRIES
        source = Source(access.endpoint.base_url, bucket, objects, tries, options.on_error, options.decompress)
        self.stats = DownloadStats()
        self._access = access
        self._options = options
        self._bell = bell
        self._service = service
        self._tempo = tempo = tempo_of(access)
        self._connection_s = _TLS_CONNECTION_S if access.endpoint.base_url.startswith("https:") else _CONNECTION_S
        self._chooser = Chooser(options.strategy, options.optimize, tempo)
        self._temporaries = Temporaries(access, bucket)
        self._deletions = Deletions(service, self._temporaries, self.stats)
        self._permit = Permit(service, access, bucket, self.stats)
        ledger = Ledger(self._temporaries, self._deletions, self.stats, tempo)
        self._direct = DirectReads(service, source, self._finish, self.stats, tempo)
        self._whole = WholeReads(service, source, self._finish, self.stats)
        self._composed = ComposedReads(service, source, ledger, self._direct, self._finish)
        self._sizes = objects.sizes
        self._max_held_bytes = options.max_held_bytes or held_bytes()
        self._max_flight_bytes = min(_FLIGHT_BYTES, self._max_held_bytes // 4)
        max_bytes = min(options.max_composite_bytes, max(1, self._max_held_bytes // 4))
        if options.strategy == "direct" or not options.max_composite_bytes:
            max_bytes = 0
        if options.decompress and objects.encodings is None:
            max_bytes = 0  # a composite does not tell which of its objects are stored compressed
        self._groups = group_for_compose(objects.sizes, max_bytes=max_bytes)
        if options.max_groups * MAX_SOURCES < first and options.optimize == "time" and options.strategy == "auto":
            self._chooser.is_forbidden = (
                True  # each of so few groups takes a read's time directly, else a compose's too
            )
        self._next = next(self._groups, None)
        self._given = 0  # objects up to here have a way
        self._queue: deque[Group] = deque()  # to be read directly
        self._queued = 0  # objects among them
        self._active = 0  # groups started, not finished
        self._held_bytes = 0  # of groups with a way, not released
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
            while self._next is not None or self._queue or self._active or self._finished:
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
        self._give_ways()
        self._reconsider()
        # What is composed takes longest: it must not wait for its permit behind hundreds of reads.
        useful = self._tempo.useful_reads(len(self._sizes), self._connection_s)
        most = _READS_BEFORE_PERMIT if self._permit.is_awaited else useful
        while self._queue and self._may_read(most):
            group = self._queue.popleft()
            self._queued -= group.sources
            self._active += 1
            is_large = group.sources == 1 and group.size > RANGED_BYTES
            (self._whole if is_large else self._direct).start(group)
        self._whole.pump()

    def _give_ways(self) -> None:
        """Give groups, in order, a way each; start those that are composed."""
        while (group := self._next) is not None:
            if self._held_bytes and self._held_bytes + max(0, group.size) > self._max_held_bytes:
                return
            if self._chooser.choose(group, self._load()) == "direct":
                if self._queued >= _QUEUED_OBJECTS:
                    return
                for piece in apart(group, self._sizes):
                    self._queue.append(piece)
                self._queued += group.sources
            elif self._permit.verdict is None:
                if not self._permit.ask():
                    return  # reading directly goes on meanwhile
                continue
            elif not self._has_permit():
                continue  # it is given another way
            elif not self._may_compose():
                return
            else:
                self._compose(group)
            self._held_bytes += max(0, group.size)
            self._given = group.stop
            self._next = next(self._groups, None)

    def _reconsider(self) -> None:
        """Compose what waits at the end to be read directly, where that has turned out to be slower than it seemed."""
        while self._queue and self._queue[-1].sources > 1:
            last = self._queue[-1]
            if self._chooser.choose(last, self._load(waiting=-last.sources)) == "direct":
                return
            self._permit.ask()
            if not self._has_permit() or not self._may_compose():
                return
            self._queue.pop()
            self._queued -= last.sources
            self._compose(last)

    def _compose(self, group: Group) -> None:
        self._active += 1
        self._composed.start(group)

    def _load(self, waiting: int = 0) -> Load:
        composed = self._composed
        return Load(
            direct=self._queued + self._direct.pending + waiting,
            composed=composed.pending,
            left=len(self._sizes) - self._given,
            window=max(1, self._service.pace.window - composed.composing),
            is_flowing=composed.has_arrived,
        )

    def _has_permit(self) -> bool:
        """Tell whether this group may be composed, as far as is known, at a known price."""
        permit, chooser = self._permit, self._chooser
        if self._composed.refusal:
            permit.withdraw(self._composed.refusal)
        if permit.verdict is None:
            return False
        if not permit.verdict.allowed or self._deletions.is_refused:
            chooser.is_forbidden = True
        elif chooser.cost is None:
            chooser.cost = permit.cost(self._options.prices)
        else:
            return True
        return False  # choose again

    def _may_read(self, most: int) -> bool:
        """Tell whether one more group may be read directly now, among at most so many objects."""
        if not self._active:
            return True
        direct = self._direct
        if direct.pending >= most or direct.pending_bytes >= self._max_flight_bytes:
            return False
        return self._active < self._options.max_groups and self._service.free > 0

    def _may_compose(self) -> bool:
        """Tell whether one more composite may be made now."""
        if not self._active:
            return True
        if self._active >= self._options.max_groups or self._service.free <= 0:
            return False
        return self._composed.composing < _COMPOSING_SHARE * self._service.pace.window

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
) -> Generator[tuple[int, Part], None, None]:
    """Yield (position, bytes) of every object; otherwise as `read_groups`."""
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
