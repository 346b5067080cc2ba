"""Show the progress of a download to a directory on a terminal."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.text import shortened, shown
from dataflux_core._run.terminal import bar_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflux_core._data.directory_fetch import DirectoryProgress

_WIDTH = 13  # of the bucket or directory: all that comes behind has to fit into 80 columns
_PLAIN = 10_000  # from here on counts are shortened
_FORMAT = "{desc}: {n_fmt}/{total_fmt} |{bar}| {remaining} left, {rate_fmt}{postfix}"
_FORMAT_OF_NO_BYTES = "{desc}: [{elapsed}{postfix}]"
_DRAWN_EVERY_S = 0.1
_SMOOTHING = 0.05  # the weight of the newest of these: some two seconds
_RECENT_S = 10.0  # that a rate is of
_PATIENCE_S = 1.0  # before looking at what is there is worth a bar


@contextmanager
def fetch_bar(
    bucket: str, total_bytes: int, also: Callable[[DirectoryProgress], None] | None, *, wanted: bool
) -> Iterator[Callable[[DirectoryProgress], None]]:
    """Give an observer that draws bytes, files, both a second, the time left; `also` is told as well.

    Only a terminal gets a bar. What was there already is not part of it.
    """
    if not wanted:
        yield also or _ignore
        return
    bar_format = _FORMAT if total_bytes else _FORMAT_OF_NO_BYTES
    with _drawn(
        bucket, total=total_bytes, unit="iB", unit_scale=True, unit_divisor=1024, bar_format=bar_format
    ) as drawn:
        bar = _FetchBar(drawn)

        def observe(progress: DirectoryProgress) -> None:
            if also is not None:
                also(progress)  # first: an interruption while the bar is drawn leaves it nothing to miss
            bar.tell(progress)

        yield observe


@contextmanager
def look_bar(directory: str, *, wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give an observer of looking at what is there; None where no bar is wanted."""
    if not wanted:
        yield None
        return
    with _drawn(directory, what=": looking", unit=" files", delay=_PATIENCE_S) as drawn:
        clock = _Clock()

        def observe(done: int, total: int) -> None:
            if clock.is_due():
                drawn.total = total
                drawn.update(done - drawn.n)

        yield observe


class RecentRate:
    """How fast a count has grown of late."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, now_s: float, count: int) -> float:
        """Learn the count at a time, later than those before; return what was added per second."""
        self._seen.append((now_s, count))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - _RECENT_S:  # noqa: PLR2004 - two make a rate
            self._seen.popleft()
        then_s, then = self._seen[0]
        return (count - then) / (now_s - then_s) if now_s > then_s else 0.0


class _Clock:
    """Lets something be done some times a second, however often it could be."""

    def __init__(self) -> None:
        self._due_s = 0.0

    def is_due(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._due_s:
            return False
        self._due_s = now_s + _DRAWN_EVERY_S
        return True


class _FetchBar:
    def __init__(self, drawn: Any) -> None:  # noqa: ANN401 - tqdm ships no types
        self._drawn = drawn
        self._clock = _Clock()
        self._rate = RecentRate()
        self._rate.of(time.monotonic(), 0)

    def tell(self, progress: DirectoryProgress) -> None:
        if not self._clock.is_due() and progress.files < progress.total_files:
            return
        counts = (progress.files, progress.total_files, round(self._rate.of(time.monotonic(), progress.files)))
        files, total, rate = (f"{count:,}" if count < _PLAIN else self._drawn.format_sizeof(count) for count in counts)
        self._drawn.set_postfix_str(f"{files}/{total} files, {rate}/s", refresh=False)
        self._drawn.update(progress.received_bytes - self._drawn.n)


@contextmanager
def _drawn(name: str, what: str = "", **options: Any) -> Iterator[Any]:  # noqa: ANN401 - tqdm ships no types
    from tqdm import tqdm  # noqa: PLC0415 - only where a bar is wanted

    with tqdm(
        desc=shortened(shown(name), _WIDTH) + what,
        leave=False,
        **bar_size(),
        disable=None,  # unless stderr is a terminal
        mininterval=0,  # who tells it has a clock of its own
        miniters=0,
        smoothing=_SMOOTHING,
        **options,
    ) as drawn:
        yield drawn


def _ignore(progress: DirectoryProgress) -> None:
    del progress
