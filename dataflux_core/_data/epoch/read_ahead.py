"""Read the windows of an epoch ahead of their consumer, within bounds."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from dataflux_core.errors import StageStuck

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._data.epoch.options import AheadBounds
    from dataflux_core._data.epoch.stats import StreamStats
    from dataflux_core._data.epoch.window import Window
    from dataflux_core._data.epoch.window_read import WindowReader
    from dataflux_core.errors import DatafluxError

THREADS = 3  # windows under way at once, so that the end of one does not leave the network idle
_JOIN_S = 2.5
_LOOK_S = 5.0  # between two looks whether anything moves at all
_PATIENCE_S = 900.0  # without a byte for anybody: more than all retries of one object take


class Slot:
    """A window with what has come of it."""

    __slots__ = ("contents", "held_bytes", "missing", "window")

    def __init__(self, window: Window) -> None:
        starts = window.starts
        self.window = window
        self.contents: list[bytes | DatafluxError | None] = [None] * len(window.objects)
        self.missing = [starts[row + 1] - starts[row] for row in range(len(window))]  # of each row: not yet come
        self.held_bytes = window.known_bytes

    def drop(self, row: int) -> None:
        """Let go of a row's bytes."""
        start, stop = self.window.starts[row], self.window.starts[row + 1]
        self.contents[start:stop] = [None] * (stop - start)


class ReadAhead:
    """Threads that read windows in order, the rows of each handed out in order.

    Used by one consumer; closed when it is done. A consumer in another process than its maker's gets an error.
    """

    def __init__(
        self, windows: Iterator[Window], reader: WindowReader, bounds: AheadBounds, stats: StreamStats
    ) -> None:
        self._windows = windows
        self._reader = reader
        self._bounds = bounds
        self._stats = stats
        self._process_id = os.getpid()
        self._lock = threading.Lock()  # windows are taken by one thread at a time
        self._mutex = threading.Lock()
        self._arrival = threading.Condition(self._mutex)  # for the consumer
        self._room = threading.Condition(self._mutex)  # for the threads
        self._is_awaited = False  # by the consumer, who is to be told then alone: that costs more than a row
        self._slots: list[Slot] = []  # begun, not wholly handed out, in order
        self._failure: BaseException | None = None
        self._is_over = self._is_closed = False
        self._mean_bytes = 0.0  # of an object, as met so far
        self._moved_s = time.monotonic()
        self._threads = [
            threading.Thread(target=self._work, name=f"dataflux-stream-{number}", daemon=True)
            for number in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()
        _running.add(self)

    def rows(self) -> Iterator[tuple[Slot, int]]:
        """Yield each row when all of it has come: its slot, its place there; raises what concerns them all."""
        while (slot := self._first()) is not None:
            for row in range(len(slot.window)):
                if slot.missing[row]:
                    self._wait_for(slot, row)
                yield slot, row
                slot.drop(row)
            with self._mutex:
                self._slots.pop(0)
                self._room.notify_all()

    def close(self) -> None:
        """End the threads; what they were about is dropped."""
        if self._process_id != os.getpid():
            return  # a forked child's copy: the threads are its parent's
        with self._mutex:
            self._is_closed = True
            self._room.notify_all()
        self._reader.close()
        for thread in self._threads:
            thread.join(_JOIN_S)

    def _first(self) -> Slot | None:
        """Wait for the next window to be begun; None after the last."""
        with self._awaiting():
            while not self._slots and self._failure is None and not self._is_over:
                self._pause("looking rows up in the index")
            if self._slots:
                return self._slots[0]
            if self._failure is not None:
                raise self._failure
            return None

    def _wait_for(self, slot: Slot, row: int) -> None:
        with self._awaiting():
            while slot.missing[row]:
                if self._failure is not None:
                    raise self._failure
                self._pause("reading objects")

    @contextmanager
    def _awaiting(self) -> Iterator[None]:
        began_s = time.monotonic()
        with self._mutex:
            self._is_awaited = True
            try:
                yield
            finally:
                self._is_awaited = False
                self._stats.fetching_s += time.monotonic() - began_s

    def _pause(self, stage: str) -> None:
        if self._process_id != os.getpid():
            raise RuntimeError("an iteration goes on only in the process that began it; begin another in this one")
        self._arrival.wait(_LOOK_S)
        silent_s = time.monotonic() - self._moved_s
        if silent_s > _PATIENCE_S:
            raise StageStuck(stage, silent_s, "look at the network and the disk; DEBUG logs say what was under way")

    def _work(self) -> None:
        try:
            while (slot := self._begin()) is not None:
                self._read(slot)
        except BaseException as error:  # noqa: BLE001 - raised where samples are awaited
            with self._mutex:
                self._failure = self._failure or error
                self._wake()

    def _wake(self) -> None:
        self._arrival.notify_all()
        self._room.notify_all()

    def _begin(self) -> Slot | None:
        """Take the next window as soon as there is room for it; None where there is none, or an end was asked for."""
        with self._lock:
            with self._mutex:
                while not self._has_room() and not self._stops:
                    self._room.wait()
            if self._stops:
                return None
            window = next(self._windows, None)
            with self._mutex:
                self._moved_s = time.monotonic()
                if window is None:
                    self._is_over = True
                    self._wake()
                    return None
                slot = Slot(window)
                if window.objects.sizes is None:
                    slot.held_bytes = int(self._mean_bytes * len(slot.contents))
                self._slots.append(slot)
                self._arrival.notify_all()
                return slot

    @property
    def _stops(self) -> bool:
        return self._is_closed or self._is_over or self._failure is not None

    def _has_room(self) -> bool:
        samples = sum(len(slot.window) for slot in self._slots)
        held_bytes = sum(slot.held_bytes for slot in self._slots)
        return not samples or (samples < self._bounds.max_samples and held_bytes < self._bounds.max_bytes)

    def _read(self, slot: Slot) -> None:
        window = slot.window
        owners = window.owners()
        wanted = [place for place in range(len(slot.contents)) if place not in window.unreadable]
        for place in window.unreadable:
            slot.missing[owners[place]] -= 1
        came_bytes = 0
        with closing(self._reader.read(window.objects, wanted)) as arrived:
            for place, content in arrived:
                slot.contents[place] = content
                came_bytes += len(content) if isinstance(content, bytes) else 0
                row = owners[place]
                slot.missing[row] -= 1
                self._moved_s = time.monotonic()
                if self._is_awaited and not slot.missing[row]:
                    with self._mutex:
                        self._arrival.notify_all()
                if self._is_closed:
                    return
        with self._mutex:
            slot.held_bytes = came_bytes
            self._mean_bytes = came_bytes / max(1, len(slot.contents))
            self._arrival.notify_all()
            self._room.notify_all()


_running: weakref.WeakSet[ReadAhead] = weakref.WeakSet()


@atexit.register
def _close_running() -> None:
    # A daemon thread is cut off in mid-air when the interpreter ends; a thread that is none would keep it from ending.
    for ahead in list(_running):
        ahead.close()
