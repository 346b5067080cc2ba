"""Write what a claim has fetched, tell the others in batches."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._data.cache.eviction import make_room
from dataflux_core._data.cache.ledger import LedgerUnwritten
from dataflux_core._data.cache.sweeping import forget, is_removed
from dataflux_core._plan.retention import Entry, Wanted, agrees

if TYPE_CHECKING:
    from dataflux_core._data.cache.session import Session

_BATCH = 32  # files that are noted as whole in one transaction
_BATCH_S = 0.02  # or those of so long: others may wait for them


class Storing:
    """What a claim has reserved, until it is noted as whole or given up."""

    def __init__(self, session: Session, claim: int, reserved: dict[int, Entry]) -> None:
        self.claim = claim
        self.counts: Counter[str] = Counter()
        self._session, self._reserved = session, reserved
        self._whole: list[Entry] = []
        self._given_up: list[Entry] = []
        self._first_s = 0.0  # when the first of these two was
        self._unwritable = False

    def reserve(self, position: int, entry: Entry) -> None:
        """Add one that was not among the first."""
        self._reserved[position] = entry

    def store(self, position: int, wanted: Wanted, content: bytes) -> bool:
        """Write one that is reserved; tell whether it is kept."""
        entry = self._reserved.pop(position, None)
        if entry is None:
            return False
        whole = entry._replace(size=len(content), crc32c=google_crc32c.value(content), stored=1)
        if agrees(wanted, whole) and self._has_room(entry, whole.size) and self._write(whole.file_name, content):
            self.counts["stored"] += 1
            self.counts["bytes_stored"] += whole.size
            self._note(self._whole, whole)
            return True
        self.counts["refused"] += 1
        self._note(self._given_up, entry)
        return False

    def give_up(self, position: int) -> None:
        """Leave one that is reserved to others."""
        entry = self._reserved.pop(position, None)
        if entry is not None:
            self._note(self._given_up, entry)

    def flush(self) -> None:
        """Have others see what was stored or given up so far; where the disk is full the release tries again."""
        if not (self._whole or self._given_up):
            return
        session = self._session
        try:
            with session.transaction() as ledger:
                lost = ledger.mark_stored(self._whole)
                unfinished = ledger.unfinished(self.claim, [entry.id for entry in self._given_up])
                bells = forget(ledger, session.files, unfinished) | ledger.bells(entry.id for entry in self._whole)
                for entry in lost:  # somebody has cleared the cache
                    is_removed(session.files, entry.file_name)
        except LedgerUnwritten as error:
            session.complain(error)
            return
        self._whole, self._given_up = [], []
        session.ring(bells)

    def _note(self, where: list[Entry], entry: Entry) -> None:
        now_s = time.monotonic()
        if not (self._whole or self._given_up):
            self._first_s = now_s
        where.append(entry)
        if len(self._whole) + len(self._given_up) >= _BATCH or now_s - self._first_s > _BATCH_S:
            self.flush()

    def _write(self, name: str, content: bytes) -> bool:
        if self._unwritable:
            return False
        try:
            self._session.files.write(name, content)
        except OSError as error:
            self._unwritable = True  # the next claim tries again
            self._session.complain(error)
            return False
        return True

    def _has_room(self, entry: Entry, size: int) -> bool:
        """Set aside what an object takes beyond what was thought, before a byte of it is written."""
        if size <= entry.room:
            return True
        session = self._session
        try:
            with session.transaction() as ledger:
                if not ledger.unfinished(self.claim, [entry.id]):
                    return False
                evicted, bells = make_room(ledger, session.files, session.options, size - entry.room, ())
                limit = ledger.limit()
                fits = limit is None or ledger.total().bytes + size - entry.room <= limit
                if fits:
                    ledger.enlarge(entry, size)
        except LedgerUnwritten as error:
            session.complain(error)
            return False
        self.counts["evictions"] += evicted
        session.ring(bells)
        return fits
