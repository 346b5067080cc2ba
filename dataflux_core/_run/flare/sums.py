"""Compare chunks with their sums beside the thread that receives them."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import google_crc32c

from dataflux_core._wire.objects import crc32c_text
from dataflux_core._wire.web import Failure
from dataflux_core.errors import ChunkWrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._run.flare.errands import ChunkAsk, Flight
    from dataflux_core._wire.message import Answer
    from dataflux_core._wire.web import Content

_WORTH_A_THREAD_BYTES = 256 * 1024  # less is compared before another thread would have woken up


class Compared(NamedTuple):
    """What an answer has brought, with what is wrong with it."""

    flight: Flight
    found: Content
    answer: Answer
    ended_s: float  # when it was there
    damage: Failure | BaseException | None


class SumChecks:
    """Compares in a thread that is there while it is needed, and rings when it has.

    A sum takes as long as receiving takes on a quick line. Hashing gives other threads the interpreter meanwhile, so
    that bytes come in beside it.
    """

    def __init__(self) -> None:
        self.under_way: set[Flight] = set()
        self._asked: SimpleQueue[tuple[Flight, Content, Answer, float] | None] | None = None
        self._compared: deque[Compared] = deque()

    def start(self, flight: Flight, found: Content, answer: Answer, ended_s: float, ring: Callable[[], None]) -> bool:
        """Compare what has come, then call `ring`; False where no thread is to be had for that."""
        if self._asked is None:
            asked: SimpleQueue[tuple[Flight, Content, Answer, float] | None] = SimpleQueue()
            given = (asked, self._compared, ring)
            try:
                threading.Thread(target=_work, args=given, name="dataflux-flare-sums", daemon=True).start()
            except RuntimeError:
                return False
            self._asked = asked
        self.under_way.add(flight)
        self._asked.put((flight, found, answer, ended_s))
        return True

    def take(self) -> Compared | None:
        """Return what has been compared, one answer each time, None where there is no more as yet."""
        if not self._compared:
            return None
        compared = self._compared.popleft()
        self.under_way.discard(compared.flight)
        return compared

    def end(self) -> None:
        """Let the thread end; what it still compares is of no interest."""
        if self._asked is not None:
            self._asked.put(None)
        self._asked, self._compared = None, deque()
        self.under_way.clear()


def has_sums(ask: ChunkAsk) -> bool:
    return bool(ask.crc32c or ask.sha256) and ask.span is None


def is_worth_a_thread(content: bytes) -> bool:
    return len(content) >= _WORTH_A_THREAD_BYTES


def damage_of(ask: ChunkAsk, subject: str, content: bytes) -> Failure | None:
    """Compare a whole chunk with the sums that the playlist gives."""
    if ask.crc32c:
        found = crc32c_text(google_crc32c.value(content))
        if found != ask.crc32c:
            return Failure(ChunkWrong(subject, "crc32c", ask.crc32c, found), "again")
    if ask.sha256 and (digest := hashlib.sha256(content).hexdigest()) != ask.sha256:
        return Failure(ChunkWrong(subject, "sha256", ask.sha256, digest), "again")
    return None


def _work(
    asked: SimpleQueue[tuple[Flight, Content, Answer, float] | None],
    compared: deque[Compared],
    ring: Callable[[], None],
) -> None:
    while (job := asked.get()) is not None:
        flight, found, answer, ended_s = job
        damage: Failure | BaseException | None
        try:
            damage = damage_of(flight.errand.ask, flight.wanted.subject, found.content)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that receives
            damage = error
        compared.append(Compared(flight, found, answer, ended_s, damage))
        ring()
        del job, flight, found, answer  # a chunk is large, the next may be long in coming
