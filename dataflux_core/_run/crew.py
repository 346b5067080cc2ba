"""Run tasks on threads that an interruption cannot leave locked."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

T = TypeVar("T")
Outcome: TypeAlias = "tuple[T | None, BaseException | None]"


class Crew(Generic[T]):
    """Tasks of one thread's that others do; what one raises is raised where its result is taken.

    When it is left, tasks that have begun come to their end; others are dropped. Not a ThreadPoolExecutor: that takes
    locks in Python code, and a Ctrl-C that lands behind such an acquire leaves the lock taken for ever. A SimpleQueue
    is safe, as long as nobody waits for it with a time limit.
    """

    def __init__(self, threads: int, name: str) -> None:
        self.running = 0  # tasks whose result was not taken
        self._threads = threads
        self._name = name
        self._tasks: SimpleQueue[Callable[[], T] | None] = SimpleQueue()
        self._done: SimpleQueue[Outcome[T] | None] = SimpleQueue()  # None: a thread has ended
        self._is_stopping = False
        self._begun: list[int] = []  # threads that may hold a task
        self._ended = 0

    def __enter__(self) -> Self:
        try:
            for _ in range(self._threads):
                # Daemons: one whose start an interruption has spoilt must not keep the program from ending.
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def has_results(self) -> bool:
        return not self._done.empty()

    def submit(self, task: Callable[[], T]) -> None:
        """Let a thread do `task` as soon as one is free."""
        self.running += 1
        self._tasks.put(task)

    def take(self) -> T:
        """Wait for the next task that is done; return its result, or raise what it raised."""
        while (outcome := self._done.get()) is None:
            self._ended += 1
        self.running -= 1
        result, error = outcome
        if error is not None:
            raise error
        return result  # type: ignore[return-value] # a result where there is no error

    def stop(self) -> None:
        """Drop what has not begun; wait for what has."""
        self._is_stopping = True
        for _ in range(self._threads):
            self._tasks.put(None)
        while self._ended < len(self._begun):
            if self._done.get() is None:
                self._ended += 1

    def _work(self) -> None:
        self._begun.append(threading.get_ident())
        while (task := self._tasks.get()) is not None:
            if not self._is_stopping:
                self._done.put(_outcome(task))
        self._done.put(None)


def _outcome(task: Callable[[], T]) -> Outcome[T]:
    try:
        return task(), None
    except BaseException as error:  # noqa: BLE001 - raised in the thread that takes the result
        return None, error
