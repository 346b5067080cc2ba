"""Hold a cache open in one process."""

from __future__ import annotations

import atexit
import errno
import logging
import os
import threading
import time
import weakref
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._data.cache import members
from dataflux_core._data.cache.bell import ring
from dataflux_core._data.cache.eviction import make_room
from dataflux_core._data.cache.files import ObjectFiles
from dataflux_core._data.cache.ledger import Ledger, LedgerUnwritten, in_transaction
from dataflux_core._data.cache.options import CacheStats
from dataflux_core._data.cache.place import FOLDER, LEDGER, open_place
from dataflux_core._data.cache.sweeping import remove_dead, remove_orphans, undo_claim
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._data.cache.options import CacheOptions

log = logging.getLogger(__name__)

_SWEEP_S = 1.0  # at most so often are the other processes looked at for room
_BOOT = Path("/proc/sys/kernel/random/boot_id")

# Held while a session is opened and around each fork. SQLite keeps what it knows of its files in the process: a child
# that inherits it believes in locks that it does not hold. So no connection is open when a process forks.
_gate = threading.RLock()
_open_ones: weakref.WeakSet[Session] = weakref.WeakSet()
_hooks = 0


class Complaints:
    """Says once that a disk does not take what is to be stored, then only to those who ask for every detail."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._level = logging.WARNING

    def complain(self, error: OSError) -> None:
        log.log(self._level, "cache.not_written directory=%s reason=%s", self._directory, error.strerror or error)
        self._level = logging.DEBUG


class Counts:
    """What a process has had of a cache, by all sessions of it: one that is closed may still have claims in use."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        self.stats = CacheStats()
        self._lock = threading.Lock()

    def add(self, **more: int) -> None:
        with self._lock:
            before = asdict(self.stats)
            self.stats = CacheStats(**{name: value + more.get(name, 0) for name, value in before.items()})


class Session:
    """What one process needs to use a cache: a member of it until it is closed, or until the process ends."""

    def __init__(self, options: CacheOptions, complaints: Complaints, counts: Counts) -> None:
        """Open the cache, remove what dead processes have left; raises CacheUnusable, StageStuck, LedgerUnwritten."""
        _hang_hooks()
        self.options = options
        self.folder = options.directory.absolute() / FOLDER
        self.left = False  # closed, or of the process that this one was forked from
        self.lock = threading.RLock()
        self._counts = counts
        self.member = 0  # its number in the ledger
        self.complain = complaints.complain
        self._uses = 0  # claims that are not released yet
        self._is_leaving = False  # once they are
        self._debts: list[int] = []  # claims that could not be released, the disk being full
        self._swept_s = time.monotonic()
        self.root = open_place(options.directory)
        self.files = ObjectFiles(self.root)
        self.ledger = Ledger(self.folder / LEDGER)
        self.token, self._descriptor = self._join()
        _open_ones.add(self)
        try:
            self._enter()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Ledger]:
        """Give the ledger to one thread of one process; raises LedgerUnwritten where the session is left."""
        with self.lock:
            if self.left:
                raise LedgerUnwritten(errno.EBADF, "the cache is closed", str(self.folder))
            with self.ledger.transaction():
                yield self.ledger

    @property
    def is_closed(self) -> bool:
        """Whether no claim may begin in it any more."""
        return self.left or self._is_leaving

    def begin_use(self) -> bool:
        """Keep the cache open for one claim more, until `end_use`; tell whether it still is."""
        with self.lock:
            if self.is_closed:
                return False
            self._uses += 1
            return True

    def end_use(self) -> None:
        """Learn that a claim is released: the last one leaves a cache that was closed meanwhile."""
        with self.lock:
            self._uses -= 1
            if self._is_leaving and not self._uses:
                self._leave()

    def sweep(self, *, now: bool = False) -> bool:
        """Within a transaction, remove what dead processes have left; tell whether it was looked for."""
        if not now and time.monotonic() - self._swept_s < _SWEEP_S:
            return False
        remove_dead(self.ledger, self.files, self.root, spared=self.token)
        self._swept_s = time.monotonic()
        return True

    def ring(self, bells: set[str]) -> None:
        for bell in bells:
            ring(self.root, bell)

    def owe(self, claim: int) -> None:
        """Have a claim released when the ledger can be written again."""
        self._debts.append(claim)

    def pay_debts(self) -> None:
        """Within a transaction, release claims that could not be released before."""
        debts, self._debts = self._debts, []
        claims = self.ledger.claims() if debts else {}
        for claim in debts:
            undo_claim(self.ledger, self.files, claim, claims.get(claim, (0, []))[1])

    def count(self, **more: int) -> None:
        """Add to the counts."""
        with self.lock:
            self._counts.add(**more)

    def close(self) -> None:
        """Leave the cache once no claim is in use; what it holds stays."""
        with self.lock:
            self._is_leaving = True
            if not self._uses:
                self._leave()

    def close_dropped(self) -> None:
        """Leave the cache, of which nobody has a claim or anything else any more.

        The garbage collector calls this, in the midst of whatever a thread does: where that may hold locks, of this
        cache or of the directory's ledger, it is left to the next claim of any cache, or to the end of the process.
        """
        if in_transaction() or _forking or not self.lock.acquire(blocking=False):
            _dropped.append(self)
            return
        try:
            self._leave()
        finally:
            self.lock.release()

    def abandon(self) -> None:
        """Let go, in a forked child, of what is its parent's."""
        self.left = True
        self.lock = threading.RLock()
        self._counts.start_over()
        os.close(self._descriptor)
        os.close(self.root)

    def _leave(self) -> None:
        if self.left:
            return
        self.left = True
        _open_ones.discard(self)
        with suppress(OSError, DatafluxError):  # the next process sees to what this one cannot
            self.ring(self._exit())
        self.ledger.close()
        members.leave(self.root, self.token, self._descriptor)
        os.close(self.root)

    def _join(self) -> tuple[str, int]:
        try:
            return members.join(self.root, self.folder)
        except OSError as error:
            os.close(self.root)
            raise LedgerUnwritten(error.errno, error.strerror, str(self.folder)) from error
        except BaseException:
            os.close(self.root)
            raise

    def _exit(self) -> set[str]:
        bells: set[str] = set()
        with self.ledger.transaction():
            for claim, (member, pinned) in self.ledger.claims().items():
                if member == self.member:
                    bells |= undo_claim(self.ledger, self.files, claim, pinned)
            self.ledger.drop_member(self.member)
        return bells

    def _enter(self) -> None:
        boot = _boot()
        with self.transaction() as ledger:
            self.member = ledger.add_member(self.token, os.getpid(), self.options.limit_bytes)
            self.sweep(now=True)
            rebooted = ledger.total().boot != boot
            ledger.note_opening(self.options.limit_bytes, boot)
            evicted, bells = make_room(ledger, self.files, self.options, 0, spared=())
        self.ring(bells)
        self.count(evictions=evicted)
        if rebooted:  # power may have failed: the ledger then forgets its last transactions, not the files
            remove_orphans(self.ledger, self.files, self.root)


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


@contextmanager
def opening() -> Iterator[None]:
    """Keep the process from forking while a session is opened."""
    with _gate:
        yield


def close_dropped() -> None:
    """Leave the caches that the garbage collector could not leave."""
    for _ in range(len(_dropped)):
        _dropped.popleft().close_dropped()


def _hang_hooks() -> None:
    global _hooks  # noqa: PLW0603 - one per process, by nature
    if not _hooks:
        _hooks = 1
        atexit.register(close_dropped)
        os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)


_forking: list[Session] = []
_dropped: deque[Session] = deque()


def _before_fork() -> None:
    _gate.acquire()
    for session in list(_open_ones):
        session.lock.acquire()
        _forking.append(session)
        session.ledger.close()


def _after_in_parent() -> None:
    while _forking:
        _forking.pop().lock.release()
    _gate.release()


def _after_in_child() -> None:
    global _gate  # noqa: PLW0603 - the parent's other threads do not live here
    while _forking:
        _forking.pop().abandon()
    _open_ones.clear()
    _dropped.clear()
    _gate = threading.RLock()
