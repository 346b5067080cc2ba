"""Write files on threads while more is read."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    Task: TypeAlias = Callable[[], int]
    Done: TypeAlias = tuple[int, int, BaseException | None]  # files, bytes held until now, what went wrong

_THREADS = 8  # a network file system takes milliseconds a file
_MAX_WAITING_BYTES = 128 * 1024**2


class Writers:
    """Tasks of one thread's that others do, in bounded memory; the first that fails raises in that thread.

    When it is left, tasks that have begun come to their end; others are dropped. Not a ThreadPoolExecutor: that takes
    locks in Python code, and a Ctrl-C that lands behind such an acquire leaves the lock taken for ever. A SimpleQueue
    is safe.
    """

    def __init__(self) -> None:
        self.files = 0  # written by tasks that are done
        self._tasks: SimpleQueue[tuple[Task, int] | None] = SimpleQueue()
        self._done: SimpleQueue[Done | None] = SimpleQueue()  # None: a thread has ended
        self._running = 0  # tasks
        self._waiting_bytes = 0
        self._is_stopping = False
        self._begun: list[int] = []  # threads that may hold a task
        self._ended = 0

    def __enter__(self) -> Self:
        try:
            for _ in range(_THREADS):
                # Daemons: one whose start an interruption has spoilt must not keep the program from ending.
                threading.Thread(target=self._work, name="dataflux-write", daemon=True).start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def submit(self, task: Task, size: int) -> None:
        """Let `task`, which holds `size` bytes and returns how many files it wrote, be done; wait for room."""
        self._tasks.put((task, size))
        self._running += 1
        self._waiting_bytes += size
        while self._running and (self._waiting_bytes > _MAX_WAITING_BYTES or not self._done.empty()):
            self._reap()

    def finish(self) -> None:
        """Wait until all is done."""
        while self._running:
            self._reap()

    def stop(self) -> None:
        """Drop what has not begun; wait for what has."""
        self._is_stopping = True
        for _ in range(_THREADS):
            self._tasks.put(None)
        while self._ended < len(self._begun):
            if self._done.get() is None:
                self._ended += 1

    def _reap(self) -> None:
        done = self._done.get()
        if done is None:
            self._ended += 1
            return
        files, size, error = done
        self._running -= 1
        self._waiting_bytes -= size
        self.files += files
        if error is not None:
            raise error

    def _work(self) -> None:
        self._begun.append(threading.get_ident())
        while (given := self._tasks.get()) is not None:
            if not self._is_stopping:
                self._done.put(_outcome(*given))
        self._done.put(None)


def _outcome(task: Task, size: int) -> Done:
    try:
        return task(), size, None
    except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
        return 0, size, error
