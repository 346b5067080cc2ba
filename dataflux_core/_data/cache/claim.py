"""Read what a cache holds of a window of objects, store the rest in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._data.cache.admission import adopt
from dataflux_core._data.cache.bell import Bell
from dataflux_core._data.cache.ledger import LedgerUnwritten
from dataflux_core._data.cache.members import is_alive
from dataflux_core._data.cache.storing import Storing
from dataflux_core._data.cache.sweeping import forget, undo_claim
from dataflux_core._plan.retention import Entry, Wanted, agrees

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

    from dataflux_core._data.cache.admission import Admission
    from dataflux_core._data.cache.node import NodeCache
    from dataflux_core._data.cache.session import Session

_LOOK_S = 0.5  # between looks whether a process that is waited for is alive; if it is, it rings


class Claim:
    """A window of objects, in use by one thread until it is released; nothing of it is evicted meanwhile.

    `held`, `ours`, `theirs`, `past` are positions in the window. One that is not in the cache after all, so that
    `read` or `wait` gave None, is added to `ours` or to `past`; it stays among the others too. Only of one whose wait
    was too short is it not known. This class is what there is where the disk does not let a cache do anything: all is
    past it.
    """

    def __init__(self, past: Sequence[int]) -> None:
        self.held: Sequence[int] = ()
        self.theirs: Sequence[int] = ()
        self._ours: list[int] = []
        self._past = list(past)

    @property
    def ours(self) -> Sequence[int]:
        """Positions to fetch, then to store."""
        return self._ours

    @property
    def past(self) -> Sequence[int]:
        """Positions to fetch; there is no room for them."""
        return self._past

    def read(self, position: int) -> bytes | None:
        """Return the bytes of one that is held; None where its file is damaged: then it is to be fetched."""
        del position
        return None

    def store(self, position: int, content: bytes) -> bool:
        """Keep the bytes of one that is ours; tell whether they are kept.

        They are not where the disk does not allow it, or where they are not what the index says.
        """
        del position, content
        return False

    def give_up(self, position: int) -> None:
        """Leave one that is ours to others now, not at the release."""

    def flush(self) -> None:
        """Have others see what was stored so far; it is called after some objects or milliseconds of itself."""

    def wait(self, position: int, timeout_s: float) -> bytes | None:
        """Return the bytes of one of theirs when they are stored.

        None where whoever fetched it gave up or died, or after the time: then it is to be fetched. After the time it
        is neither ours nor past: whoever has it may yet store it.
        """
        del position, timeout_s
        return None

    def release(self) -> None:
        """Unpin everything; give up what was not stored."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self.release()


class SharedClaim(Claim):
    """A claim that stands in the ledger."""

    def __init__(self, cache: NodeCache, session: Session, window: Sequence[Wanted], admission: Admission) -> None:
        super().__init__(admission.past)
        self._cache = cache  # which leaves once nobody holds it
        self._session, self._window = session, window
        self._entries = admission.held
        self._storing = Storing(session, admission.claim, admission.ours)
        self._waitable = frozenset(admission.theirs)
        self._bell: Bell | None = None
        self._released = False
        self._counts = self._storing.counts
        self._counts.update(misses=len(admission.ours) + len(admission.past), evictions=admission.evicted)
        self.held = list(admission.held)
        self.theirs = list(admission.theirs)
        self._ours = list(admission.ours)

    def read(self, position: int) -> bytes | None:
        entry = self._entries.get(position)
        if entry is None or self._session.left:
            return None
        content = self._session.files.read(entry.file_name, entry.size)
        if content is None or google_crc32c.value(content) != entry.crc32c:
            self._lose(position, entry)
            return None
        self._counts["hits"] += 1
        self._counts["bytes_read"] += len(content)
        return content

    def store(self, position: int, content: bytes) -> bool:
        return self._usable and self._storing.store(position, self._window[position], content)

    def give_up(self, position: int) -> None:
        if self._usable:
            self._storing.give_up(position)

    def flush(self) -> None:
        if self._usable:
            self._storing.flush()

    def wait(self, position: int, timeout_s: float) -> bytes | None:
        if position not in self._waitable or not self._usable:
            return None
        self._counts["waits"] += 1
        self._storing.flush()  # or two who wait for each other would do so to the end
        entry = self._awaited(position, time.monotonic() + timeout_s)
        if entry is None:
            self._counts["misses"] += 1
            return None
        self._entries[position] = entry
        return self.read(position)

    def release(self) -> None:
        if not self._usable:
            return
        session, claim = self._session, self._storing.claim
        try:
            self._storing.flush()
            self._entries = {}
            if claim:
                self._unpin(claim)
            if self._bell is not None:
                self._bell.close()
            session.count(**self._counts)
        finally:
            self._released = True
            session.end_use()

    @property
    def _usable(self) -> bool:
        """It may be released, or its process's parent's."""
        return not (self._released or self._session.left)

    def _unpin(self, claim: int) -> None:
        session = self._session
        try:
            with session.transaction() as ledger:
                bells = undo_claim(ledger, session.files, claim, [wanted.id for wanted in self._window])
        except LedgerUnwritten as error:
            session.complain(error)
            session.owe(claim)
        else:
            session.ring(bells)

    def _awaited(self, position: int, deadline_s: float) -> Entry | None:
        while True:
            try:
                entry = self._look(position)
            except LedgerUnwritten as error:
                self._session.complain(error)
                return None
            if entry is None or entry.stored:
                return entry
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return None
            self._hung_bell().wait(min(left_s, _LOOK_S))

    def _look(self, position: int) -> Entry | None:
        """Return the entry of one of theirs, stored or to come; None, and it is ours or past, where it never will."""
        session, wanted = self._session, self._window[position]
        bell = self._hung_bell()
        with session.transaction() as ledger:
            entry = ledger.entries([wanted.id]).get(wanted.id)
            if entry is not None and agrees(wanted, entry):
                if entry.stored:
                    return entry
                if entry.claim == self._storing.claim:
                    return None  # the window names it twice, its first place has yet to be stored
                owner = ledger.owner(entry.claim)
                if owner is not None and is_alive(session.root, owner):
                    ledger.wait(self._storing.claim, wanted.id, bell.name)
                    return entry
                session.sweep(now=True)
            bells = self._adopt(position)
        session.ring(bells)
        return None

    def _lose(self, position: int, entry: Entry) -> None:
        """Take a damaged file out of the cache."""
        session = self._session
        del self._entries[position]
        self._counts["damaged"] += 1
        self._counts["misses"] += 1
        try:
            with session.transaction() as ledger:
                there = [found for found in ledger.entries([entry.id]).values() if found.file_name == entry.file_name]
                bells = forget(ledger, session.files, there) | self._adopt(position)
        except LedgerUnwritten as error:
            session.complain(error)
            self._past.append(position)
            return
        session.ring(bells)

    def _adopt(self, position: int) -> set[str]:
        """Within a transaction, make a position ours, or past."""
        admission = adopt(self._session, self._storing.claim, self._window[position])
        self._counts["evictions"] += admission.evicted
        if admission.ours:
            self._storing.reserve(position, admission.ours[0])
            self._ours.append(position)
        else:
            self._past.append(position)
        return admission.bells

    def _hung_bell(self) -> Bell:
        if self._bell is None:
            session = self._session
            self._bell = Bell(session.root, f"{session.token}-{self._storing.claim:x}")
        return self._bell
