"""Read single rows, in the order in which they are asked for."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import closing
from dataclasses import replace
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflux_core._data.epoch.window_cuts import WindowCuts
from dataflux_core._data.samples.maker import SampleMaker
from dataflux_core._data.samples.packed import HeldChunk
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from dataflux_core._data.epoch.corpus import Corpus
    from dataflux_core._data.epoch.feed import Feed
    from dataflux_core._data.epoch.options import AheadBounds
    from dataflux_core._data.epoch.shelf import RowShelf
    from dataflux_core._data.epoch.window import Content, Window
    from dataflux_core._data.samples.encoded import Sample
    from dataflux_core._data.samples.policy import BadSamplePolicy
    from dataflux_core.errors import BadSample

_PARTS = 2  # of the bound in bytes: chunks of unknown size may turn out twice as large as those before


def samples_of_rows(feed: Feed, rows: Sequence[Any]) -> list[Sample]:
    """Return the sample of each row; raises IndexError for one that there is not, BadSample for one that is bad.

    A row that loops leave out raises BadSample, too: whoever asked for it by its number waits for it.
    """
    count = len(feed.corpus)
    for stream in feed.corpus.streams:
        if stream.recipe.pipeline.split is not None:
            expected = "records by number only where the playlist says how many each chunk has (header records)"
            raise InvalidArgument("rows", f"of {stream.binding.source}", expected)
    checked = [_checked(row, count) for row in rows]
    if not checked:
        return []
    numbers = np.array(checked, np.int64)
    places = np.argsort(numbers, kind="stable")  # rows that lie in one chunk come together
    with closing(_made(feed, feed.corpus.window(numbers[places]))) as samples:
        found = dict(zip(places.tolist(), samples, strict=True))
    return [found[place] for place in range(len(checked))]


def _made(feed: Feed, window: Window) -> Generator[Sample, None, None]:
    """Yield the sample of each row; chunks are read for as many of them at a time as may be read ahead."""
    makers = feed.row_makers.of(feed.corpus)
    bounds = feed.options.bounds(workers=1)
    shelf = feed.resources.shelf_for_rows
    cuts = WindowCuts(iter([window]), len(window), bounds, _PARTS, lambda key: shelf.find(key) is not None)
    while cuts.look_up():
        # Other objects come within the bounds of who fetches them.
        rows = cuts.take(cuts.next().rows if window.chunks else len(window))
        contents = _contents_of(feed, rows, cuts, bounds)
        whole = _count_whole(rows, contents) or 1
        cuts.give_back(len(rows) - whole)
        for place in range(whole):
            # Not while others are on their way: a transform may ask for rows, which it would wait for in the cache.
            outputs = list(makers[rows.stream(place)].outputs(rows.raw_sample(contents, place)))
            if len(outputs) != 1:
                given = f"{len(outputs)} samples for row {rows.rows[place]}"
                raise InvalidArgument("transforms", given, "one for each row where rows are asked for; iterate instead")
            yield outputs[0]


def _contents_of(feed: Feed, window: Window, cuts: WindowCuts, bounds: AheadBounds) -> list[Content]:
    """Read the objects of some rows; chunks that rows asked for before have left are not read again.

    Where chunks turn out larger than all were to be together, the last ones are left for another time.
    """
    shelf = feed.resources.shelf_for_rows
    contents, sharing = _found(window, shelf)
    if not sharing:
        return contents
    reader = feed.resources.reader_for_rows(bounds)
    limited = cuts.limited(window, list(sharing))
    came_bytes = 0
    with closing(reader.read(limited, list(sharing))) as arrived:
        for at, content in arrived:
            place = window.in_chunk(at)
            if place is None:
                contents[at] = content
                continue
            held = HeldChunk(0)
            held.fill(content)
            for each in sharing[at]:
                contents[each] = held
            if isinstance(content, bytes):
                cuts.learn(len(content))
                came_bytes += len(content)
                if place.is_shared:
                    shelf.put(place.key, held)
            if came_bytes > bounds.max_bytes and _is_whole(window, contents, 0):
                break
    return contents


def _found(window: Window, shelf: RowShelf) -> tuple[list[Content], dict[int, list[int]]]:
    """Return what is there of each object; what is to be read, each with all objects that it is read for."""
    contents: list[Content] = [None] * len(window.objects)
    wanted: dict[object, list[int]] = {}  # positions by what is to be read for them
    for at in range(len(contents)):
        place = window.in_chunk(at)
        if place is not None:
            contents[at] = shelf.find(place.key)
        if contents[at] is None and at not in window.unreadable:
            wanted.setdefault(at if place is None else place.key, []).append(at)
    return contents, {positions[0]: positions for positions in wanted.values()}


def _count_whole(window: Window, contents: Sequence[Content]) -> int:
    """Return how many rows from the first on have all that they need."""
    return next((row for row in range(len(window)) if not _is_whole(window, contents, row)), len(window))


def _is_whole(window: Window, contents: Sequence[Content], row: int) -> bool:
    own = range(window.starts[row], window.starts[row + 1])
    return all(contents[at] is not None or at in window.unreadable for at in own)


class RowMakers:
    """What makes the rows that one process asks for by number: kept, so that their bad ones are counted together."""

    def __init__(self) -> None:
        self._start_over()
        _all.add(self)

    def _start_over(self) -> None:
        """Leave everything to the parent of a fork: its locks, its counts."""
        self._lock = threading.RLock()  # a collector that runs in its midst may ask for rows, too
        self._makers: list[SampleMaker] = []

    def of(self, corpus: Corpus) -> list[SampleMaker]:
        """Return a maker for each stream; several threads may use them."""
        with self._lock:
            if not self._makers:
                self._makers = [
                    SampleMaker(replace(stream.recipe, policy=_for_rows(stream.recipe.policy)))
                    for stream in corpus.streams
                ]
            return self._makers

    @property
    def bad(self) -> int:
        """How many bad samples this process has met."""
        return sum(maker.counts.bad for maker in self._makers)


_all: weakref.WeakSet[RowMakers] = weakref.WeakSet()


def _start_all_over() -> None:
    for makers in list(_all):
        makers._start_over()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_start_all_over)


def _for_rows(policy: BadSamplePolicy) -> BadSamplePolicy:
    """Let nothing be left out."""
    on_bad_sample = policy.on_bad_sample
    if on_bad_sample == "skip":
        return replace(policy, on_bad_sample="raise")
    if not callable(on_bad_sample):
        return policy

    def made_or_raised(bad: BadSample, partial: dict[str, Any]) -> dict[str, Any]:
        made = on_bad_sample(bad, partial)
        if made is None:
            raise bad
        return made

    return replace(policy, on_bad_sample=made_or_raised)


def _checked(row: object, count: int) -> int:
    if isinstance(row, (bool, np.bool_)):
        raise TypeError(f"row {row!r}: rows are asked for by whole numbers, not by a mask")
    try:
        place = index(row)  # type: ignore[arg-type] # which is what is asked
    except TypeError:
        raise TypeError(f"row {row!r}: rows are asked for by whole numbers, not {type(row).__name__}") from None
    if not -count <= place < count:
        raise IndexError(f"row {place} of {count}")
    return place % count
