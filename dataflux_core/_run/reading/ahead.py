"""Read ahead of a caller that takes objects one at a time."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from contextlib import closing
from queue import SimpleQueue
from typing import TYPE_CHECKING

from dataflux_core._run.reading.bell import Bell
from dataflux_core._run.reading.reader import Reading, Stopped, lend

if TYPE_CHECKING:
    from collections.abc import Generator

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._run.access import Access
    from dataflux_core._run.reading.direct import GroupBytes
    from dataflux_core._run.reading.options import ReadOptions
    from dataflux_core._run.reading.stats import DownloadStats

_JOIN_S = 2.5  # cleaning up takes less


class ReadAhead:
    """A thread that reads groups in listing order, as far ahead as the memory bound allows.

    Without a thread nothing would arrive while the caller is at work on what it has.
    """

    def __init__(
        self, access: Access, bucket: str, objects: ObjectColumns, options: ReadOptions, stats: DownloadStats
    ) -> None:
        self._access = access
        self._target = (bucket, objects, options)
        self._stats = stats
        self._process_id = os.getpid()
        self._bell = Bell()
        self._reading: Reading | None = None
        self._is_closed = False
        self._arrived: SimpleQueue[GroupBytes | BaseException | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="dataflux-read-ahead", daemon=True)
        self._thread.start()
        _running.add(self)

    def take(self) -> GroupBytes | None:
        """Wait for the next group; None after the last. Raises what went wrong."""
        if self._process_id != os.getpid():
            raise RuntimeError("a lazy download goes on only in the process that began it; begin another in this one")
        arrived = self._arrived.get()
        if isinstance(arrived, BaseException):
            raise arrived
        return arrived

    def release(self, group_bytes: GroupBytes) -> None:
        if self._reading is not None:
            self._reading.release(group_bytes.group)

    def close(self) -> None:
        """End the thread, its temporaries removed."""
        if self._process_id != os.getpid():
            return  # a forked child's copy: the thread is its parent's
        self._is_closed = True
        if self._reading is not None:
            self._reading.stop()
        self._thread.join(_JOIN_S)
        if not self._thread.is_alive():
            self._bell.close()

    def _work(self) -> None:
        outcome: BaseException | None = None
        try:
            self._read()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised in the thread that takes
            outcome = error
        self._arrived.put(outcome)

    def _read(self) -> None:
        bucket, objects, options = self._target
        with lend(self._access, options) as lent:
            reading = self._reading = Reading(lent, bucket, objects, options, self._bell)
            if self._is_closed:
                return
            try:
                with closing(reading.run()) as finished:
                    for group_bytes in finished:
                        self._arrived.put(group_bytes)
            finally:
                self._stats.add(reading.stats)


_running: weakref.WeakSet[ReadAhead] = weakref.WeakSet()


@atexit.register
def _close_running() -> None:
    # A daemon thread is cut off in mid-air when the interpreter ends; a thread that is none would keep it from ending.
    for ahead in list(_running):
        ahead.close()


def read_ahead(
    access: Access, bucket: str, objects: ObjectColumns, options: ReadOptions, stats: DownloadStats
) -> Generator[GroupBytes, None, None]:
    """Yield groups in listing order while the next ones arrive; nothing is asked for before the first is taken."""
    ahead = ReadAhead(access, bucket, objects, options, stats)
    try:
        while (group_bytes := ahead.take()) is not None:
            yield group_bytes
            ahead.release(group_bytes)
    finally:
        ahead.close()
