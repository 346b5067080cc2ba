"""Read the windows of an epoch ahead of their consumer, within bounds."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from dataflux_core._data.epoch.ringing import Ringing
from dataflux_core._data.epoch.shelf import Shelf
from dataflux_core._data.epoch.slot import Slot
from dataflux_core._data.epoch.window_cuts import WindowCuts
from dataflux_core.errors import StageStuck

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._data.epoch.options import AheadBounds
    from dataflux_core._data.epoch.stats import StreamStats
    from dataflux_core._data.epoch.window import Window
    from dataflux_core._data.epoch.window_cuts import Piece
    from dataflux_core._data.epoch.window_read import WindowReader

THREADS = 3  # windows under way at once, so that the end of one does not leave the network idle
_REQUESTS_EACH = 8  # fewer are one window's: one that has just begun sends one more before others give any back
_PARTS = THREADS + 1  # of the bounds: one more is there whole, for the consumer
_JOIN_S = 2.5  # for all threads together
_LOOK_S = 5.0  # between two looks whether anything moves at all
_PATIENCE_S = 900.0  # without a byte for anybody: more than all retries of one object take


class ReadAhead:
    """Threads that read windows in order, the rows of each handed out in order.

    Used by one consumer; closed when it is done, in any thread: an iterator that nobody holds any more is closed where
    the garbage collector happens to run, in the middle of anything. A consumer in another process than its maker's gets
    an error.
    """

    def __init__(
        self, windows: Iterator[Window], rows: int, reader: WindowReader, bounds: AheadBounds, stats: StreamStats
    ) -> None:
        self._shelf = Shelf(bounds.max_bytes // 2)
        self._cuts = WindowCuts(windows, rows, bounds, _PARTS, self._shelf.has)
        self._reader = reader
        self._bounds = bounds
        self._stats = stats
        self._process_id = os.getpid()
        self._lock = threading.Lock()  # windows are taken by one thread at a time; never taken to close
        self._arrival = Ringing()  # for the consumer
        self._room = Ringing()  # for the thread that has the lock
        self._end = Ringing()  # of a thread, for whoever closes
        self._is_awaited = False  # by the consumer, who is to be told then alone: that costs more than a row
        self._slots: list[Slot] = []  # begun, not wholly handed out, in order
        self._asked: tuple[Slot, int] | None = None  # the row that the consumer awaits
        self._failure: BaseException | None = None
        self._is_over = self._is_closed = False
        self._moved_s = time.monotonic()
        self._traces: tuple[float, int] = (0.0, 0)  # of anything that moves, at the last look
        self._silent_s = 0.0
        self._ended: set[int] = set()  # threads, by number
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"dataflux-stream-{number}", daemon=True)
            for number in range(_threads(bounds.max_requests))
        ]
        for thread in self._threads:
            thread.start()
        _running.add(self)

    def rows(self) -> Iterator[tuple[Slot, int]]:
        """Yield each row when all of it has come: its slot, its place there; raises what concerns them all."""
        while (slot := self._first()) is not None:
            for row in range(len(slot.window)):
                if not slot.is_whole(row):
                    self._wait_for(slot, row)
                yield slot, row
                slot.drop(row)
            self._slots.pop(0)
            self._room.ring()

    def close(self) -> None:
        """End the threads; what they were about is dropped."""
        self.stop()
        if threading.get_ident() not in _own_threads:  # where the collector runs in one, it waits for no other
            self.wait_for_threads(time.monotonic() + _JOIN_S)

    def stop(self) -> None:
        """Let the threads end soon."""
        if self._process_id == os.getpid():  # else a forked child's copy: the threads are its parent's
            self._is_closed = True
            self._ring_threads()
            self._reader.close()

    def wait_for_threads(self, ends_s: float) -> None:
        """Wait until they have ended, until `ends_s` at most."""
        if self._process_id != os.getpid():
            return  # they are not in a forked child, which may come here as it ends
        # Not by join() alone: interrupted once, it takes a thread for ended that is not, before Python 3.13.
        while len(self._ended) < len(self._threads) and (left_s := ends_s - time.monotonic()) > 0:
            self._end.wait(left_s)
        for number in tuple(self._ended):
            self._threads[number].join(_JOIN_S)

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
        self._asked = slot, row
        slot.turn.ring()
        with self._awaiting():
            while not slot.is_whole(row):
                if self._failure is not None:
                    raise self._failure
                self._pause("reading objects")
        self._asked = None

    @contextmanager
    def _awaiting(self) -> Iterator[None]:
        began_s = time.monotonic()
        self._silent_s = 0.0
        self._is_awaited = True
        try:
            yield
        finally:
            self._is_awaited = False
            self._stats.fetching_s += time.monotonic() - began_s

    def _pause(self, stage: str) -> None:
        if self._process_id != os.getpid():
            raise RuntimeError("an iteration goes on only in the process that began it; begin another in this one")
        looked_s = time.monotonic()
        if self._arrival.wait(_LOOK_S):
            return
        traces = self._moved_s, self._reader.heard
        if traces != self._traces:  # bytes of a large object come long before it is there
            self._traces, self._silent_s = traces, 0.0
            return
        # A process that was stopped for an hour, by a debugger or a laptop's lid, has not waited for that long.
        self._silent_s += min(time.monotonic() - looked_s, 2 * _LOOK_S)
        if self._silent_s > _PATIENCE_S:
            advice = "look at the network and the disk; DEBUG logs say what was under way"
            raise StageStuck(stage, self._silent_s, advice)

    def _work(self, number: int) -> None:
        _own_threads.add(threading.get_ident())
        try:
            while (slot := self._begin()) is not None:
                self._read(slot)
        except BaseException as error:  # noqa: BLE001 - raised where samples are awaited
            self._failure = self._failure or error
            self._arrival.ring()
            self._ring_threads()
        finally:
            _own_threads.discard(threading.get_ident())
            self._ended.add(number)
            self._end.ring()

    def _begin(self) -> Slot | None:
        """Take the next window as soon as there is room for it; None where there is none, or an end was asked for."""
        with self._lock:
            if self._is_stopped():
                return None
            is_there = self._cuts.look_up()
            self._moved_s = time.monotonic()
            if not is_there:
                self._is_over = True
                self._arrival.ring()
                return None
            while not self._is_stopped():
                piece = self._cuts.next()
                if self._has_room(piece):
                    slot = Slot(self._cuts.take(piece.rows), piece.held_bytes, self._cuts.following)
                    if slot.window.chunks:
                        slot.share(self._shelf, self._cuts.expected)
                        slot.window = self._cuts.limited(slot.window, slot.wanted)
                    self._slots.append(slot)
                    self._arrival.ring()
                    return slot
                self._room.wait()
            return None

    def _ring_threads(self) -> None:
        self._room.ring()
        for slot in tuple(self._slots):
            slot.turn.ring()

    def _is_stopped(self) -> bool:
        return self._is_closed or self._is_over or self._failure is not None

    def _has_room(self, piece: Piece) -> bool:
        slots = tuple(self._slots)
        if not slots:
            return True
        if piece.is_guess:
            return False  # the first one will tell
        bounds = self._bounds
        if sum(len(slot.window) for slot in slots) + piece.rows > bounds.max_samples:
            return False
        left_bytes = bounds.max_bytes - piece.held_bytes - sum(slot.held_bytes for slot in slots)
        if self._shelf.held_bytes > left_bytes:
            self._shelf.shrink(left_bytes)
        return self._shelf.held_bytes <= left_bytes

    def _read(self, slot: Slot) -> None:
        window = slot.window
        owners = window.owners()
        for place in window.unreadable:
            slot.missing[owners[place]] -= 1
        left, most = slot.wanted, len(slot.wanted)
        while left:
            came = self._read_some(slot, left[:most], owners)
            if self._is_closed or not came:
                return
            left, most = [at for at in left if at not in came], 1
            if left:
                self._wait_for_turn(slot)
        slot.held_bytes = slot.own_bytes
        self._arrival.ring()
        self._room.ring()

    def _read_some(self, slot: Slot, wanted: Sequence[int], owners: Sequence[int]) -> set[int]:
        """Take in objects of a window; return those that came, not all where others have to wait for their turn."""
        window, came = slot.window, set[int]()
        following = slot.following * len(wanted) // len(window)  # as many of a row as in these
        with closing(self._reader.read(window, wanted, following=following)) as arrived:
            for place, content in arrived:
                came.add(place)
                if isinstance(content, bytes):
                    self._cuts.learn(len(content))
                    if slot.count(place, len(content)):
                        self._room.ring()  # a window may have waited for it to tell how large objects are
                row = owners[place]
                slot.fill(place, row, content)
                self._moved_s = time.monotonic()
                if self._is_awaited and not slot.missing[row]:
                    self._arrival.ring()
                if len(came) < len(wanted) and slot.came_bytes > slot.expected_bytes:
                    if self._reader.has_cache and not self._is_turn(slot):
                        break  # other processes may wait for what this one has claimed of the cache
                    self._wait_for_turn(slot)
                if self._is_closed:
                    break
        return came

    def _is_asked(self, slot: Slot) -> bool:
        """Tell whether the consumer awaits what is still to come of a window."""
        asked = self._asked
        return asked is not None and asked[0] is slot and not slot.is_whole(asked[1])

    def _wait_for_turn(self, slot: Slot) -> None:
        """Where more comes than was expected, take in what there is room for, then what the consumer awaits."""
        while not self._is_turn(slot):
            slot.turn.wait()

    def _is_turn(self, slot: Slot) -> bool:
        if not slot.window.ahead_bytes or self._is_asked(slot) or self._is_closed or self._failure is not None:
            return True
        held_bytes = sum(each.held_bytes for each in tuple(self._slots)) + self._shelf.held_bytes
        return held_bytes <= self._bounds.max_bytes


def _threads(max_requests: int) -> int:
    return max(1, min(THREADS, max_requests // _REQUESTS_EACH))


_running: weakref.WeakSet[ReadAhead] = weakref.WeakSet()
_own_threads: set[int] = set()  # of all of them, by ident


os.register_at_fork(after_in_child=_own_threads.clear)


@atexit.register
def _close_running() -> None:
    # A daemon thread is cut off in mid-air when the interpreter ends; a thread that is none would keep it from ending.
    running = list(_running)
    for ahead in running:
        ahead.stop()
    ends_s = time.monotonic() + _JOIN_S
    for ahead in running:
        ahead.wait_for_threads(ends_s)
