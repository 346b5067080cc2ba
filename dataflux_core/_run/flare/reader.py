"""Read chunks for all threads of a process, in a thread that is there while it is needed."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING

from dataflux_core._run.flare.errands import Errand
from dataflux_core._run.flare.loop import ChunkLoop
from dataflux_core._run.flare.sums import has_sums
from dataflux_core._run.reading.bell import Bell
from dataflux_core._run.reading.reader import Stopped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflux_core._run.flare.arrival import Arrival
    from dataflux_core._run.flare.errands import ChunkAsk
    from dataflux_core._run.flare.options import Requesting, StreamOptions, StreamStats
    from dataflux_core._wire.web import Content

_HOLD_S = 0.2  # for which an idle thread holds on to its connections: reads that follow one another need no new lease
_LINGER_S = 5.0  # then it ends
_JOIN_S = 5.0


class ChunkReader:
    """Gives futures for chunks; its thread starts with the first of them and ends some seconds after the last."""

    def __init__(self, options: StreamOptions) -> None:
        self._options = options
        self._inherited: list[object] = []  # never closed: TLS would say goodbye on a parent's connections
        self._thread: threading.Thread | None = None
        self._bell: Bell | None = None
        self._loop = ChunkLoop(options)
        self._begin()
        _readers.add(self)

    @property
    def stats(self) -> StreamStats:
        """What this process has read with these options."""
        return self._loop.stats

    def submit(self, ask: ChunkAsk, arrival: Arrival | None = None) -> Future[Content]:
        """Read what is asked for; the future raises ChunkUnavailable where no host gives it.

        A chunk's beginning goes to `arrival` as it comes, unless there are sums with which the whole is to be compared.
        """
        errand = Errand(ask, Future(), None if has_sums(ask) else arrival)
        if arrival is not None:
            errand.future.add_done_callback(arrival.end)
        with self._lock:
            try:
                self._appoint()
            except Exception as error:  # noqa: BLE001 - too many threads or files: the next read may find fewer
                errand.future.set_exception(error)
                return errand.future
            self._inbox.append(errand)
            self._wake()
        return errand.future

    def cancel(self, futures: Iterable[Future[Content]]) -> None:
        """Give up reads: their requests are dropped."""
        if sum([future.cancel() for future in futures]):
            with self._lock:
                self._has_cancelled = True
                self._wake()

    def stop(self) -> None:
        """End the thread; whoever waits gets Stopped. A later read starts another one."""
        with self._lock:
            thread = self._thread
            if thread is not None:
                self._is_stopping = True
                self._wake()
        if thread is not None:
            thread.join(_JOIN_S)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # the garbage collector may cancel within any of our calls
        self._inbox: deque[Errand] = deque()
        self._thread = self._bell = None
        self._is_awake = True  # the thread will look into the inbox before it waits
        self._has_cancelled = self._is_stopping = False

    def _appoint(self) -> None:
        """Start the thread, unless it is there; the lock is held, so that it looks no further until all is set."""
        if self._thread is not None:
            return
        bell = Bell()
        try:
            thread = threading.Thread(target=self._work, args=(bell,), name="dataflux-flare", daemon=True)
            thread.start()
            self._thread, self._bell, self._loop.bell = thread, bell, bell
        except BaseException:
            self._thread = self._bell = self._loop.bell = None
            bell.close()
            raise

    def _wake(self) -> None:
        if self._bell is not None and not self._is_awake:
            self._is_awake = True
            self._bell.ring()

    def _start_over(self) -> None:
        """Leave everything to the parent: its locks may be held, its connections are its own."""
        self._inherited.append(self._loop)
        self._loop = ChunkLoop(self._options)
        self._begin()

    def _work(self, bell: Bell) -> None:
        with self._lock:
            if self._bell is not bell:
                return  # a Ctrl-C has come between its start and its appointment
        loop = self._loop
        try:
            while self._take_in():
                loop.turn()
        except BaseException as error:  # noqa: BLE001 - raised in the threads that wait
            with self._lock:
                self._finish(error)

    def _take_in(self) -> bool:
        """Hand over what has been asked; False, with everything put away, when nothing comes for long."""
        for patience_s in (0.0, _HOLD_S, _LINGER_S):
            if patience_s:
                if patience_s == _LINGER_S:
                    self._loop.release()
                self._loop.wait_idle(patience_s)
            self._hand_over()
            if not self._loop.is_idle:
                return True
        with self._lock:
            if self._inbox:
                return True
            self._finish(None)
        return False

    def _hand_over(self) -> None:
        with self._lock:
            if self._bell is not None:
                self._bell.hush()
            self._is_awake = False  # first: what the collector cancels from here on rings
            errands, self._inbox = self._inbox, deque()
            has_cancelled, self._has_cancelled = self._has_cancelled, False
            is_stopping = self._is_stopping
        for errand in errands:
            self._loop.add(errand)
        if has_cancelled:
            self._loop.drop_cancelled()
        if is_stopping:
            raise Stopped

    def _finish(self, error: BaseException | None) -> None:
        """Put everything away, with the lock held: the next read starts another thread."""
        for errand in self._inbox:
            self._loop.add(errand)
        self._inbox.clear()
        self._loop.end(error or Stopped())
        self._is_awake, self._is_stopping = True, False  # from here on nobody rings
        if self._bell is not None:
            self._bell.close()
        self._thread = self._bell = self._loop.bell = None


_readers: weakref.WeakSet[ChunkReader] = weakref.WeakSet()
_shared: dict[Requesting, ChunkReader] = {}


def reader_of(options: StreamOptions) -> ChunkReader:
    """Return the reader that all streams of this process share whose requests are made in the same way."""
    requesting = options.requesting
    reader = _shared.get(requesting)
    if reader is None:
        reader = _shared.setdefault(requesting, ChunkReader(options))
        atexit.register(reader.stop)  # a thread within libcurl must not outlive the interpreter
    return reader


def _start_all_over() -> None:
    for reader in list(_readers):
        reader._start_over()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_start_all_over)
