"""Write files on threads while more is read."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from dataflux_core._run.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    Task: TypeAlias = Callable[[], int]

_THREADS = 8  # a network file system takes milliseconds a file
_MAX_WAITING_BYTES = 128 * 1024**2
# Handing a task to another thread takes half as long as writing a small file, so tasks that come quickly go together.
_TOGETHER = 16
_TOGETHER_BYTES = 256 * 1024
_QUICKLY_S = 0.02


class Writers:
    """Tasks that write, in bounded memory; the first that fails raises in the thread that submits.

    When it is left, tasks that have begun come to their end; others are dropped.
    """

    def __init__(self, max_waiting_bytes: int | None = None) -> None:
        self._max_waiting_bytes = _MAX_WAITING_BYTES if max_waiting_bytes is None else max_waiting_bytes
        self.files = 0  # written by tasks that are done
        self._waiting_bytes = 0
        self._together: list[Task] = []  # not handed over yet
        self._together_bytes = 0
        self._handed_over_s = 0.0
        self._crew: Crew[tuple[int, int]] = Crew(_THREADS, "dataflux-write")  # results: files, bytes held until now

    def __enter__(self) -> Self:
        self._crew.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def submit(self, task: Task, size: int) -> None:
        """Let `task`, which holds `size` bytes and returns how many files it wrote, be done; wait for room."""
        self._together.append(task)
        self._together_bytes += size
        self._waiting_bytes += size
        if self._is_enough() or time.monotonic() - self._handed_over_s >= _QUICKLY_S:
            self._hand_over()
        while self._crew.running and (self._waiting_bytes > self._max_waiting_bytes or self._crew.has_results):
            self._reap()

    def finish(self) -> None:
        """Wait until all is done."""
        self._hand_over()
        while self._crew.running:
            self._reap()

    def stop(self) -> None:
        """Drop what has not begun; wait for what has."""
        self._crew.stop()

    def _is_enough(self) -> bool:
        is_full = self._waiting_bytes > self._max_waiting_bytes
        return is_full or len(self._together) >= _TOGETHER or self._together_bytes >= _TOGETHER_BYTES

    def _hand_over(self) -> None:
        if self._together:
            self._crew.submit(partial(_do, self._together, self._together_bytes))
            self._together, self._together_bytes = [], 0
            self._handed_over_s = time.monotonic()

    def _reap(self) -> None:
        files, size = self._crew.take()
        self._waiting_bytes -= size
        self.files += files


def _do(tasks: Sequence[Task], size: int) -> tuple[int, int]:
    return sum(task() for task in tasks), size
