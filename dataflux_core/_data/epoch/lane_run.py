"""Give the samples of one lane in order, each with how far that brings the epoch."""

from __future__ import annotations

import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dataflux_core._data.epoch.read_ahead import ReadAhead
from dataflux_core._plan.order.state import Progress

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from numpy.typing import NDArray

    from dataflux_core._data.epoch.corpus import Corpus
    from dataflux_core._data.epoch.options import AheadBounds
    from dataflux_core._data.epoch.resources import Resources
    from dataflux_core._data.epoch.stats import StreamStats
    from dataflux_core._data.epoch.window import Window
    from dataflux_core._data.samples.encoded import Sample
    from dataflux_core._data.samples.maker import SampleMaker
    from dataflux_core._plan.order.deal import Deal
    from dataflux_core._plan.order.orders import Order
    from dataflux_core._plan.order.state import Start

_FIRST_ROWS = 32  # a small window first, for a quick first batch
_MOST_ROWS = 4096  # looked up at once; what is read at once, within bounds, is cut of them


@dataclass(frozen=True, slots=True)
class Share:
    """The samples that one worker of one rank is to give in this epoch."""

    order: Order
    deal: Deal
    rank: int
    lane: int  # the worker whose share it is, which may be that of another worker before an interruption
    start: Start

    @property
    def begins(self) -> Progress:
        return self.start.of(self.lane)

    @property
    def rows(self) -> int:
        """How many rows it has, those given before included."""
        return self.deal.lane_rows(len(self.start.remainder), self.rank, self.lane)

    def positions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return positions of the epoch, (n,) rows in, (n,) out."""
        remainder = self.start.remainder
        return remainder.positions(self.deal.indexes(len(remainder), self.rank, self.lane, rows))


@dataclass(frozen=True, slots=True)
class Tools:
    """What samples are made with."""

    corpus: Corpus
    resources: Resources
    makers: Sequence[SampleMaker]  # by stream
    bounds: AheadBounds
    stats: StreamStats

    known_bad: set[int] = field(default_factory=set)  # rows that gave nothing, by their positions of the epoch

    @property
    def bad_rows(self) -> int:
        """How many rows gave nothing, or not what was theirs."""
        return sum(maker.counts.bad - maker.counts.filled for maker in self.makers)

    def for_repeats(self, missing: int) -> Tools:
        """Return tools that count no bad sample, nor refuse one: what was met once is counted.

        They read no further ahead than so many samples.
        """
        makers = [maker.uncounted() for maker in self.makers]
        bounds = replace(self.bounds, max_samples=min(missing, self.bounds.max_samples))
        return replace(self, makers=makers, bounds=bounds)


class Given(NamedTuple):
    """A sample with what is done once it is handed out."""

    sample: Sample
    progress: Progress


def run_lane(share: Share, tools: Tools, *, evens_out: bool) -> Generator[Given, None, None]:
    """Yield the samples of a lane; with `evens_out`, as many as it has rows, though some of them are bad.

    Those that are missing then are made up for by repeats, so that no rank waits for another; one alone waits for none.
    """
    lane = _run(share, tools, share.begins, share.rows)
    if not evens_out or share.deal.world == 1:
        yield from lane
        return
    never_missed = tools.bad_rows - share.begins.missing
    for given in lane:
        yield Given(given.sample, given.progress._replace(missing=tools.bad_rows - never_missed))
    missing = tools.bad_rows - never_missed
    if missing:
        yield from _repeated(share, tools.for_repeats(missing), missing)


def _repeated(share: Share, tools: Tools, missing: int) -> Generator[Given, None, None]:
    """Yield so many samples again: the lane's own, those of others where it has no good ones."""
    deal = share.deal
    lanes = deal.world * deal.workers
    own = share.lane * deal.world + share.rank
    for lane in range(own, own + lanes):
        worker, rank = divmod(lane % lanes, deal.world)
        other = replace(share, lane=worker, rank=rank)
        is_good = True
        while missing and is_good:
            is_good = False
            with closing(_run(other, tools, Progress(), other.rows)) as again:
                for given in islice(again, missing):
                    is_good = True
                    missing -= 1
                    yield Given(given.sample, Progress(share.rows, 0, missing))


def _run(share: Share, tools: Tools, begins: Progress, stop: int) -> Generator[Given, None, None]:
    rows = _Rows(share, tools, begins.rows, stop)
    with (
        tools.resources.reader(tools.bounds) as reader,
        closing(ReadAhead(rows.windows(), stop - begins.rows, reader, tools.bounds, tools.stats)) as ahead,
    ):
        for slot, place in ahead.rows():
            row, position = rows.next()
            tools.stats.rows += 1
            maker = tools.makers[slot.window.stream(place)]
            bad = maker.counts.bad - maker.counts.filled
            outputs = _timed(maker.outputs(slot.window.raw_sample(slot.contents, place)), tools.stats)
            skipped = (begins.outputs if row == begins.rows else 0) or share.start.begun.get(position, 0)
            yield from _given(outputs, maker, row, skipped)
            if maker.counts.bad - maker.counts.filled > bad:
                tools.known_bad.add(position)


class _Rows:
    """The rows of a lane, without those that are known to be bad; in windows, then one by one."""

    def __init__(self, share: Share, tools: Tools, start: int, stop: int) -> None:
        self._share = share
        self._corpus = tools.corpus
        self._known_bad = np.array(sorted(tools.known_bad), np.int64)
        self._start, self._stop = start, stop
        self._ahead: deque[tuple[int, int]] = deque()  # looked up, not yet given: row, its position of the epoch

    def windows(self) -> Iterator[Window]:
        """Look rows up, a small window first."""
        start, size = self._start, _FIRST_ROWS
        while start < self._stop:
            end = min(start + size, self._stop)
            rows = np.arange(start, end, dtype=np.int64)
            positions = self._share.positions(rows)
            if len(self._known_bad):
                is_good = ~np.isin(positions, self._known_bad)
                rows, positions = rows[is_good], positions[is_good]
            if len(rows):
                self._ahead.extend(zip(rows.tolist(), positions.tolist(), strict=True))
                yield self._corpus.window(self._share.order.sample_ids(positions))
            start, size = end, min(2 * size, _MOST_ROWS)

    def next(self) -> tuple[int, int]:
        """Return the next row, its position; they come in the order of the windows."""
        return self._ahead.popleft()


def _given(outputs: Iterator[Sample], maker: SampleMaker, row: int, skipped: int) -> Iterator[Given]:
    """Say of each sample what is done with it: the row, where it is known to give no more.

    Of a generator nobody knows that before it is asked for more, which may take long, or fail.
    """
    for number, sample in enumerate(islice(outputs, skipped, None) if skipped else outputs, skipped + 1):
        yield Given(sample, Progress(row, number) if maker.may_give_more else Progress(row + 1))


def _timed(outputs: Iterator[Sample], stats: StreamStats) -> Iterator[Sample]:
    """Count the time that decoders and transforms take."""
    while True:
        began_s = time.perf_counter()
        sample = next(outputs, None)
        stats.decoding_s += time.perf_counter() - began_s
        if sample is None:
            return
        yield sample
