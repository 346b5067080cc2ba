"""Show a listing's progress on a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.text import counted, shortened, shown
from dataflux_core._run.listing.observer import FailedEvent, PageEvent
from dataflux_core._run.terminal import bar_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._run.listing.observer import Event, ListingStats, Onlooker

_WIDTH = 40  # of the URL: a line that wraps is not overwritten by the next one
_FORMAT = "{desc}: {n:,} objects [{elapsed}, {rate_fmt}{postfix}]"


@contextmanager
def progress_bar(url: str, stats: ListingStats, *, wanted: bool) -> Iterator[Onlooker | None]:
    """Give an onlooker that draws a bar of objects, objects/s, pages in flight; None where no bar is wanted.

    Only a terminal gets one. Its last line tells what was reached, whether the listing ended well or not.
    """
    if not wanted:
        yield None
        return
    from tqdm import tqdm  # noqa: PLC0415 - only where a bar is wanted

    with tqdm(
        desc=shortened(shown(url), _WIDTH),
        unit=" objects",
        unit_scale=True,
        bar_format=_FORMAT,
        initial=stats.objects,
        **bar_size(),
        disable=None,  # unless stderr is a terminal
    ) as drawn:
        bar = _Bar(drawn, stats)
        try:
            yield bar.tell
        finally:
            bar.finish()


class _Bar:
    """The counts behind a bar."""

    def __init__(self, drawn: Any, stats: ListingStats) -> None:  # noqa: ANN401 - tqdm ships no types
        self._drawn = drawn
        self._stats = stats
        self._pages = self._failed = 0

    def tell(self, event: Event) -> None:
        if isinstance(event, PageEvent):
            self._pages += 1
            self._draw(event.in_flight)
        elif isinstance(event, FailedEvent) and event.cause != "unanswered":
            self._failed += 1

    def finish(self) -> None:
        """Leave nothing on the line that is true only while the listing runs."""
        self._draw(0)

    def _draw(self, in_flight: int) -> None:
        self._drawn.set_postfix_str(self._counts(in_flight), refresh=False)
        self._drawn.update(self._stats.objects - self._drawn.n)

    def _counts(self, in_flight: int) -> str:
        counts = [counted(self._pages, "page")]
        if in_flight:
            counts.append(f"{in_flight} in flight")
        if self._failed:
            counts.append(f"{self._failed} failed")
        return ", ".join(counts)
