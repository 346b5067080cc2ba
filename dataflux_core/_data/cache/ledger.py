"""Write down what a cache holds, for all processes of a machine."""

from __future__ import annotations

import errno
import random
import sqlite3
import threading
import time
from array import array
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._data.cache.place import FOLDER
from dataflux_core._plan.retention import Entry
from dataflux_core.errors import CacheUnusable, StageStuck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

BUSY_S = 60.0  # for a lock that others hold for milliseconds
_PAUSE_S, _MOST_PAUSE_S = 0.0002, 0.003  # between looks at it
_CHUNK = 256  # ids of one statement; every version of SQLite takes 999
_IN_CHUNK = ",".join("?" * _CHUNK)
_COLUMNS = "id, mark, size, crc32c, generation, room, used, claim, stored"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries(
  id INTEGER PRIMARY KEY, mark INTEGER NOT NULL, size INTEGER NOT NULL, crc32c INTEGER NOT NULL,
  generation INTEGER NOT NULL, room INTEGER NOT NULL, used INTEGER NOT NULL, claim INTEGER NOT NULL,
  stored INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS entries_used ON entries(used);
CREATE TABLE IF NOT EXISTS members(
  id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, pid INTEGER NOT NULL, limit_bytes INTEGER);
CREATE TABLE IF NOT EXISTS claims(id INTEGER PRIMARY KEY, member INTEGER NOT NULL, pinned BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS waits(claim INTEGER NOT NULL, entry INTEGER NOT NULL, bell TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS total(
  bytes INTEGER NOT NULL, entries INTEGER NOT NULL, claims INTEGER NOT NULL, limit_bytes INTEGER, boot TEXT NOT NULL);
"""
_LOOK = "SELECT 1 FROM total"  # a BEGIN alone takes no lock, so that the first look may find one
_FULL = {
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    "attempt to write a readonly database": errno.EROFS,
    "unable to open database file": errno.EIO,
}


_local = threading.local()


class LedgerUnwritten(OSError):
    """The disk does not let a transaction end; nothing of it was done."""


class Total(NamedTuple):
    """What the entries take together."""

    bytes: int
    entries: int
    claims: int  # made so far, each of which has a number of its own
    limit_bytes: int | None  # of whoever opened the cache last
    boot: str  # of the machine, when it was opened last


class Member(NamedTuple):
    """A process that has the cache open; one with several datasets is several members."""

    id: int
    token: str
    pid: int
    limit_bytes: int | None


def _patiently(action: Callable[[], object]) -> None:
    """Do what another process may have locked, again and again if need be.

    SQLite itself looks again after up to 100 ms, where the lock is held for one; who switches a new file to WAL while
    another does is refused at once.
    """
    deadline_s, pause_s = time.monotonic() + BUSY_S, _PAUSE_S
    while True:
        try:
            action()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline_s:
                raise
        else:
            return
        time.sleep(pause_s * (0.5 + random.random()))  # noqa: S311 - so that two who wait do not do so in step
        pause_s = min(2 * pause_s, _MOST_PAUSE_S)


def in_transaction() -> bool:
    """Tell whether this thread is in the middle of one, of any ledger."""
    return _depth() > 0


def _depth() -> int:
    return getattr(_local, "depth", 0)


def _is_fetching(entry: Entry, there: Entry | None) -> bool:
    return there is not None and there.claim == entry.claim and not there.stored


class Ledger:
    """The tables, in SQLite's WAL mode: a process that dies in a transaction leaves what was before it.

    Every method but `transaction`, `snapshot`, `close` wants to be called within one of the first two.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the body as the only writer; raises StageStuck, CacheUnusable, or LedgerUnwritten."""
        try:
            with self._in_transaction():
                yield
        except sqlite3.Error as error:
            raise self._meaning(error) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Run the body on what there is now, while others go on writing; it may not write."""
        try:
            with self._in_transaction("BEGIN", _LOOK):
                yield
        except sqlite3.Error as error:
            raise self._meaning(error) from error

    def close(self) -> None:
        """Close the connection, which the next transaction opens anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def entries(self, ids: Sequence[int]) -> dict[int, Entry]:
        """Return the entries that there are of these."""
        found: dict[int, Entry] = {}
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            # Filled up, so that there is one statement to prepare.
            chunk = chunk if len(chunk) == _CHUNK else [*chunk, *[chunk[-1]] * (_CHUNK - len(chunk))]
            rows = self._run(f"SELECT {_COLUMNS} FROM entries WHERE id IN ({_IN_CHUNK})", chunk)  # noqa: S608
            found.update((row[0], Entry._make(row)) for row in rows)
        return found

    def entries_from(self, first: int, count: int) -> list[Entry]:
        """Return so many entries in the order of their ids."""
        query = f"SELECT {_COLUMNS} FROM entries WHERE id >= ? ORDER BY id LIMIT ?"  # noqa: S608
        return [Entry._make(row) for row in self._run(query, (first, count))]

    def whole(self) -> tuple[int, int]:
        """Return how many entries are stored, with their bytes."""
        ((count, size),) = self._run("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM entries WHERE stored = 1").fetchall()
        return int(count), int(size)

    def reserved(self) -> list[tuple[int, int]]:
        """Return claim and bytes of each entry that is being fetched."""
        return [
            (int(claim), int(room)) for claim, room in self._run("SELECT claim, room FROM entries WHERE stored = 0")
        ]

    def oldest(self, used_before: int) -> Iterator[Entry]:
        """Yield stored entries last asked for before a time, those of longest ago first."""
        query = f"SELECT {_COLUMNS} FROM entries WHERE used < ? AND stored = 1 ORDER BY used"  # noqa: S608
        return map(Entry._make, self._run(query, (used_before,)))

    def add(self, entries: Sequence[Entry]) -> None:
        self._many(f"INSERT INTO entries({_COLUMNS}) VALUES(?,?,?,?,?,?,?,?,?)", entries)
        self._grow(sum(entry.room for entry in entries), len(entries))

    def drop(self, entries: Sequence[Entry]) -> None:
        self._many("DELETE FROM entries WHERE id = ?", [(entry.id,) for entry in entries])
        self._grow(-sum(entry.room for entry in entries), -len(entries))

    def enlarge(self, entry: Entry, room: int) -> None:
        """Set aside more for an entry, or less."""
        self._run("UPDATE entries SET room = ? WHERE id = ?", (room, entry.id))
        self._grow(room - entry.room, 0)

    def mark_stored(self, stored: Sequence[Entry]) -> list[Entry]:
        """Note the sizes and checksums of files that are whole; return those that their claim has lost meanwhile."""
        there = self.entries([entry.id for entry in stored])
        known = [entry for entry in stored if _is_fetching(entry, there.get(entry.id))]
        rows = [(entry.size, entry.size, entry.crc32c, entry.id) for entry in known]
        self._many("UPDATE entries SET size = ?, room = ?, crc32c = ?, stored = 1 WHERE id = ?", rows)
        self._grow(sum(entry.size - there[entry.id].room for entry in known), 0)
        return [] if len(known) == len(stored) else [entry for entry in stored if entry not in known]

    def unfinished(self, claim: int, ids: Sequence[int]) -> list[Entry]:
        """Return the entries among these that a claim has reserved and not stored."""
        return [entry for entry in self.entries(ids).values() if entry.claim == claim and not entry.stored]

    def touch(self, ids: Iterable[int], used: int) -> None:
        self._many("UPDATE entries SET used = ? WHERE id = ?", [(used, entry) for entry in ids])

    def total(self) -> Total:
        (row,) = self._run("SELECT bytes, entries, claims, limit_bytes, boot FROM total").fetchall()
        return Total._make(row)

    def limit(self) -> int | None:
        """Return the lowest limit of those who use the cache."""
        ((limit,),) = self._run("SELECT MIN(limit_bytes) FROM members").fetchall()
        return None if limit is None else int(limit)

    def note_opening(self, limit_bytes: int | None, boot: str) -> None:
        self._run("UPDATE total SET limit_bytes = ?, boot = ?", (limit_bytes, boot))

    def members(self) -> list[Member]:
        return [Member._make(row) for row in self._run("SELECT id, token, pid, limit_bytes FROM members")]

    def add_member(self, token: str, pid: int, limit_bytes: int | None) -> int:
        self._run("INSERT INTO members(token, pid, limit_bytes) VALUES(?,?,?)", (token, pid, limit_bytes))
        ((number,),) = self._run("SELECT last_insert_rowid()").fetchall()
        return int(number)

    def drop_member(self, member: int) -> None:
        self._run("DELETE FROM members WHERE id = ?", (member,))

    def next_claim(self) -> int:
        """Return a number that no claim has had."""
        self._run("UPDATE total SET claims = claims + 1")
        return self.total().claims

    def add_claim(self, claim: int, member: int, pinned: Iterable[int]) -> None:
        blob = array("q", pinned).tobytes()
        self._run("INSERT OR REPLACE INTO claims(id, member, pinned) VALUES(?,?,?)", (claim, member, blob))

    def drop_claim(self, claim: int) -> None:
        self._run("DELETE FROM claims WHERE id = ?", (claim,))
        self._run("DELETE FROM waits WHERE claim = ?", (claim,))

    def owner(self, claim: int) -> str | None:
        """Return the token of the member that a claim is of, None where there is no such claim."""
        query = "SELECT token FROM claims JOIN members ON members.id = claims.member WHERE claims.id = ?"
        found = self._run(query, (claim,)).fetchone()
        return None if found is None else str(found[0])

    def claims(self) -> dict[int, tuple[int, list[int]]]:
        """Return of each claim its member with the ids that it has pinned."""
        rows = self._run("SELECT id, member, pinned FROM claims")
        return {claim: (member, array("q", pinned).tolist()) for claim, member, pinned in rows}

    def pinned(self) -> set[int]:
        """Return the ids that any claim has pinned."""
        return {entry for _, pinned in self.claims().values() for entry in pinned}

    def wait(self, claim: int, entry: int, bell: str) -> None:
        self._run("INSERT INTO waits(claim, entry, bell) VALUES(?,?,?)", (claim, entry, bell))

    def bells(self, ids: Iterable[int]) -> set[str]:
        """Return the bells of those who wait for any of these, who are not waited with any more."""
        waits = self._run("SELECT rowid, entry, bell FROM waits").fetchall()
        wanted = set(ids) if waits else set()
        called = [(row, bell) for row, entry, bell in waits if entry in wanted]
        self._many("DELETE FROM waits WHERE rowid = ?", [(row,) for row, _ in called])
        return {bell for _, bell in called}

    def miscounted(self) -> int:
        """Return by how much the total is above what the entries take; 0 is what it always ought to be."""
        ((room, count),) = self._run("SELECT COALESCE(SUM(room), 0), COUNT(*) FROM entries").fetchall()
        total = self.total()
        return total.bytes - int(room) or total.entries - int(count)

    def recount(self) -> None:
        """Make the total what the entries take."""
        self._run(
            "UPDATE total SET bytes = (SELECT COALESCE(SUM(room), 0) FROM entries), "
            "entries = (SELECT COUNT(*) FROM entries)"
        )

    def _grow(self, room: int, entries: int) -> None:
        if room or entries:
            self._run("UPDATE total SET bytes = bytes + ?, entries = entries + ?", (room, entries))

    def _run(self, statement: str, values: Sequence[int | str | bytes | None] = ()) -> sqlite3.Cursor:
        return self._opened().execute(statement, values)

    def _many(self, statement: str, rows: Sequence[Sequence[int]]) -> None:
        if rows:
            self._opened().executemany(statement, rows)

    @contextmanager
    def _in_transaction(self, begin: str = "BEGIN IMMEDIATE", first: str = "") -> Iterator[None]:
        connection = self._opened()
        _patiently(lambda: connection.execute(begin))
        depth = _depth()
        _local.depth = depth + 1
        try:
            if first:
                _patiently(lambda: connection.execute(first).fetchone())
            yield
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # what went wrong first is what matters
                connection.execute("ROLLBACK")
            raise
        finally:
            _local.depth = depth

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        # No lock of Python's: a session gives one thread at a time its ledger. Nor one of SQLite's: see _patiently.
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            _patiently(lambda: self._prepare(connection))
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            folder = str(self._path.parent)
            raise CacheUnusable(folder, "its file system shares no memory", "choose a directory on a local disk")
        connection.execute("PRAGMA synchronous = NORMAL")  # no wait for the disk in a commit
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'total'").fetchone():
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO total SELECT 0, 0, 0, NULL, '' WHERE NOT EXISTS (SELECT 1 FROM total)")
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _meaning(self, error: sqlite3.Error) -> Exception:
        text = str(error)
        if "locked" in text:
            return StageStuck("the cache's ledger", BUSY_S, f"find the process that has {self._path} open, and end it")
        for words, number in _FULL.items():
            if words in text:
                return LedgerUnwritten(number, text, str(self._path))
        return CacheUnusable(
            str(self._path.parent),
            f"its ledger cannot be read ({text})",
            f"remove the directory {FOLDER}, which holds nothing but copies",
        )
