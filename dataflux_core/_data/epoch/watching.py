"""Measure how long a training loop waits for its batches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from dataflux_core._data.epoch.stats import StreamStats

T = TypeVar("T")
_FIGURES_EVERY_S = 1.0


def watched(
    batches: Iterable[T], counted: StreamStats, all_stats: Callable[[], StreamStats], *, shows_bar: bool
) -> Iterator[T]:
    """Yield what `batches` gives; count the waiting into `counted`, show a line of figures where that is wanted."""
    shown_s = time.monotonic()
    with tqdm(unit=" batches", disable=not shows_bar, dynamic_ncols=True) as bar:
        for batch in timed(batches, counted):
            yield batch
            bar.update()
            if shows_bar and time.monotonic() - shown_s > _FIGURES_EVERY_S:
                shown_s = time.monotonic()
                stats = all_stats()
                bar.set_postfix_str(f"waiting {stats.waiting_share:.0%} bad {stats.bad_samples:.0f}")


def timed(values: Iterable[T], counted: StreamStats) -> Generator[T, None, None]:
    """Yield values; count how long each was waited for, of how long in all."""
    iterator = iter(values)
    end_s = time.monotonic()
    try:
        while True:
            asked_s = time.monotonic()
            counted.elapsed_s += asked_s - end_s
            try:
                value = next(iterator)
            except StopIteration:
                return
            finally:
                end_s = time.monotonic()
                counted.waiting_s += end_s - asked_s
                counted.elapsed_s += end_s - asked_s
            yield value
    finally:
        if hasattr(iterator, "close"):
            iterator.close()
