"""Look at a cache from outside: what it holds, whether that is whole, who uses it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._data.cache.bell import ring
from dataflux_core._data.cache.files import ObjectFiles
from dataflux_core._data.cache.ledger import Ledger
from dataflux_core._data.cache.members import is_alive
from dataflux_core._data.cache.place import FOLDER, LEDGER, open_place
from dataflux_core._data.cache.sweeping import forget, remove_orphans, unknown_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dataflux_core._data.cache.ledger import Member
    from dataflux_core._plan.retention import Entry

_BATCH = 1000  # entries of one transaction: others wait for so long
_FIRST = -(1 << 63)  # of the ids that SQLite can hold


@dataclass(frozen=True, slots=True)
class Use:
    """What one process has of a cache."""

    pid: int
    alive: bool
    limit_bytes: int | None
    claims: int
    pinned: int  # objects
    reserved: int  # objects that it fetches
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What a cache holds."""

    objects: int  # whole
    bytes: int
    counted_bytes: int  # with those that are reserved
    limit_bytes: int | None  # of those who use it; of whoever did so last
    uses: Sequence[Use]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a cache; names are relative to its folder."""

    checked: int
    bytes: int
    damaged: Sequence[str]  # not what the ledger says
    missing: Sequence[str]  # not there; so it is where a process was killed as it evicted them
    unknown: Sequence[str]  # the ledger says nothing of them
    stuck: Sequence[str]  # reserved, and nobody fetches them
    miscounted_bytes: int  # by how much the ledger's total is above the sum of its entries

    @property
    def flaws(self) -> int:
        """How many things are wrong."""
        return len(self.damaged) + len(self.missing) + len(self.unknown) + len(self.stuck) + bool(self.miscounted_bytes)


class Audit:
    """A cache that is opened without becoming one of those who use it."""

    def __init__(self, directory: Path, root: int) -> None:
        self._root = root
        self._ledger = Ledger(directory.absolute() / FOLDER / LEDGER)
        self._files = ObjectFiles(root)

    def close(self) -> None:
        self._ledger.close()

    def survey(self) -> Survey:
        """Say what there is."""
        with self._ledger.snapshot():
            total, limit, members = self._ledger.total(), self._ledger.limit(), self._ledger.members()
            claims, reserved = self._ledger.claims(), self._ledger.reserved()
            objects, size = self._ledger.whole()
        uses = [self._use(member, claims, reserved) for member in members]
        return Survey(objects, size, total.bytes, total.limit_bytes if limit is None else limit, uses)

    def living(self) -> list[Use]:
        """Return those who use it now."""
        return [use for use in self.survey().uses if use.alive]

    def verify(self, *, repair: bool) -> Verdict:
        """Read every file; with `repair`, remove what is not as the ledger says."""
        checked = size = 0
        suspects: list[Entry] = []
        for entry in self._entries():
            checked += entry.stored
            size += entry.size * entry.stored
            if not (entry.stored and self._is_whole(entry)):
                suspects.append(entry)
        absent = {entry.file_name for entry in suspects if not self._files.is_there(entry.file_name)}
        bad, stuck = self._settled(suspects, repair=repair)
        missing = [name for name in bad if name in absent]
        damaged = [name for name in bad if name not in absent]
        unknown = (remove_orphans if repair else unknown_files)(self._ledger, self._files, self._root)
        with self._ledger.snapshot():
            miscounted = self._ledger.miscounted()
        if miscounted and repair:
            with self._ledger.transaction():
                self._ledger.recount()
        return Verdict(checked, size, damaged, missing, unknown, stuck, miscounted)

    def clear(self) -> int:
        """Remove every object; return how many there were. The ledger stays, so that those who use it go on."""
        with self._ledger.transaction():
            there = self._ledger.total().entries
        removed = 0
        while removed < there:  # or it would never end beside those who go on storing
            with self._ledger.transaction():
                entries = self._ledger.entries_from(_FIRST, _BATCH)
                before = self._ledger.total().entries
                bells = forget(self._ledger, self._files, entries)
                gone = before - self._ledger.total().entries
            for bell in bells:
                ring(self._root, bell)
            removed += gone
            if not gone:
                break
        remove_orphans(self._ledger, self._files, self._root)
        return removed

    def _entries(self) -> Iterator[Entry]:
        """Yield every entry: some at a time, so that neither memory nor others' writes suffer."""
        first = _FIRST
        while True:
            with self._ledger.snapshot():
                batch = self._ledger.entries_from(first, _BATCH)
            yield from batch
            if len(batch) < _BATCH:
                return
            first = batch[-1].id + 1

    def _use(self, member: Member, claims: dict[int, tuple[int, list[int]]], unfinished: list[tuple[int, int]]) -> Use:
        own = {claim: pinned for claim, (owner, pinned) in claims.items() if owner == member.id}
        reserved = [room for claim, room in unfinished if claim in own]
        return Use(
            member.pid,
            is_alive(self._root, member.token),
            member.limit_bytes,
            len(own),
            len({entry for pinned in own.values() for entry in pinned}),
            len(reserved),
            sum(reserved),
        )

    def _is_whole(self, entry: Entry) -> bool:
        content = self._files.read(entry.file_name, entry.size)
        return content is not None and google_crc32c.value(content) == entry.crc32c

    def _settled(self, suspects: list[Entry], *, repair: bool) -> tuple[list[str], list[str]]:
        """Return those that are still in the ledger: not whole ones, then those that nobody fetches."""
        damaged, stuck = [], []
        for start in range(0, len(suspects), _BATCH):
            batch = suspects[start : start + _BATCH]
            with self._ledger.transaction():
                there = self._ledger.entries([entry.id for entry in batch])
                same = [entry for entry in batch if entry.id in there and there[entry.id].claim == entry.claim]
                claims = self._ledger.claims()
                bad = [entry for entry in same if entry.stored and not self._is_whole(entry)]
                left = [entry for entry in same if not there[entry.id].stored and entry.claim not in claims]
                bells = forget(self._ledger, self._files, bad + left) if repair else set()
            damaged += [entry.file_name for entry in bad]
            stuck += [entry.file_name for entry in left]
            for bell in bells:
                ring(self._root, bell)
        return damaged, stuck


@contextmanager
def audited(directory: Path) -> Iterator[Audit]:
    """Open the cache of a directory; raises CacheUnusable where there is none."""
    root = open_place(directory, create=False)
    try:
        audit = Audit(directory, root)
        try:
            yield audit
        finally:
            audit.close()
    finally:
        os.close(root)
