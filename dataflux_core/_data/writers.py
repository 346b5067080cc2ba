"""Write files on threads while more is read."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

_THREADS = 8  # a network file system takes milliseconds a file
_MAX_WAITING_BYTES = 128 * 1024**2


class Writers:
    """Tasks of one thread's that others do, in bounded memory; the first that fails raises in that thread.

    When it is left, tasks that have begun come to their end; others are dropped.
    """

    def __init__(self) -> None:
        self.files = 0  # written by tasks that are done
        self._pool = ThreadPoolExecutor(_THREADS, "dataflux-write")
        self._running: deque[tuple[Future[int], int]] = deque()
        self._waiting_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def submit(self, task: Callable[[], int], size: int) -> None:
        """Let `task`, which holds `size` bytes and returns how many files it wrote, be done; wait for room."""
        self._running.append((self._pool.submit(task), size))
        self._waiting_bytes += size
        while self._running and (self._waiting_bytes > _MAX_WAITING_BYTES or self._running[0][0].done()):
            self._reap()

    def finish(self) -> None:
        """Wait until all is done."""
        while self._running:
            self._reap()

    def stop(self) -> None:
        """Drop what has not begun; wait for what has."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _reap(self) -> None:
        future, size = self._running.popleft()
        self._waiting_bytes -= size
        self.files += future.result()
