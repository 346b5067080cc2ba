"""Read from several sources at once, each in a thread of its own."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dataflux_core._run.fetching.stop_signal import StopSignal
from dataflux_core._run.reading.reader import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from dataflux_core._run.reading.direct import Part

Source: TypeAlias = "Callable[[StopSignal], Generator[tuple[int, Part], None, None]]"

MAX_THREADS = 8
_JOIN_S = 5.0


class _Arrived(NamedTuple):
    """One part, or the end of a thread with what ended it early."""

    thread: _SourceThread
    position: int
    part: Part
    ending: BaseException | None
    is_end: bool


class _SourceThread:
    """Reads one source after the other, no further ahead of its consumer than it may hold."""

    def __init__(
        self, sources: SimpleQueue[Source | None], arrived: SimpleQueue[_Arrived], max_held_bytes: int
    ) -> None:
        self.signal = StopSignal()
        self._sources = sources
        self._arrived = arrived
        self._max_held_bytes = max_held_bytes
        self._taken: SimpleQueue[int] = SimpleQueue()  # bytes
        self._held_bytes = 0
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="dataflux-fetch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, size_bytes: int) -> None:
        """Learn, from the consumer's thread, that a part is held no more."""
        self._taken.put(size_bytes)

    def stop(self) -> None:
        self._is_stopping = True
        self.signal.stop()
        self._taken.put(0)

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)
        if not self._thread.is_alive():
            self.signal.close()

    def _work(self) -> None:
        ending: BaseException | None = None
        try:
            while (source := self._sources.get()) is not None:
                self._read(source)
        except BaseException as error:  # noqa: BLE001 - raised in the consumer's thread
            ending = error
        self._arrived.put(_Arrived(self, 0, b"", ending, is_end=True))

    def _read(self, source: Source) -> None:
        with closing(source(self.signal)) as parts:
            for position, part in parts:
                self._held_bytes += size_of(part)
                self._arrived.put(_Arrived(self, position, part, None, is_end=False))
                while self._held_bytes > self._max_held_bytes and not self._is_stopping:
                    self._held_bytes -= self._taken.get()
                if self._is_stopping:
                    raise Stopped
        while not self._taken.empty():
            self._held_bytes -= self._taken.get()


def merged(
    sources: Sequence[Source], signal: StopSignal, max_held_bytes: int
) -> Generator[tuple[int, Part], None, None]:
    """Yield what all sources give, in the order in which it arrives; raises what ends one of them."""
    process_id = os.getpid()
    waiting: SimpleQueue[Source | None] = SimpleQueue()
    arrived: SimpleQueue[_Arrived] = SimpleQueue()
    count = min(MAX_THREADS, len(sources))
    for source in [*sources, *[None] * count]:
        waiting.put(source)
    threads: list[_SourceThread] = []

    def stop() -> None:
        for thread in threads:
            thread.stop()

    try:
        for _ in range(count):
            threads.append(_SourceThread(waiting, arrived, max_held_bytes // count))
            threads[-1].start()
        signal.tell(stop)
        left = count
        while left:
            thread, position, part, ending, is_end = arrived.get()
            if ending is not None:
                raise ending
            if is_end:
                left -= 1
                continue
            yield position, part
            thread.take(size_of(part))
    finally:
        if os.getpid() == process_id:  # a forked child that drops its copy has none of the threads
            stop()
            for thread in threads:
                thread.join()


def size_of(part: Part) -> int:
    """Return the bytes of a part; an error has next to none."""
    return len(part) if isinstance(part, bytes) else 0
