"""Write files on threads while more is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from dataflux_core._run.crew import Crew

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    Task: TypeAlias = Callable[[], int]

_THREADS = 8  # a network file system takes milliseconds a file
_MAX_WAITING_BYTES = 128 * 1024**2


class Writers:
    """Tasks that write, in bounded memory; the first that fails raises in the thread that submits.

    When it is left, tasks that have begun come to their end; others are dropped.
    """

    def __init__(self) -> None:
        self.files = 0  # written by tasks that are done
        self._waiting_bytes = 0
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
        self._crew.submit(lambda: (task(), size))
        self._waiting_bytes += size
        while self._crew.running and (self._waiting_bytes > _MAX_WAITING_BYTES or self._crew.has_results):
            self._reap()

    def finish(self) -> None:
        """Wait until all is done."""
        while self._crew.running:
            self._reap()

    def stop(self) -> None:
        """Drop what has not begun; wait for what has."""
        self._crew.stop()

    def _reap(self) -> None:
        files, size = self._crew.take()
        self._waiting_bytes -= size
        self.files += files
