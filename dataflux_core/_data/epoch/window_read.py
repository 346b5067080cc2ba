"""Read the objects of a window: from the cache what is there, the rest from where it lies."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from dataflux_core._data.epoch.chunk_read import ChunkReads

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from dataflux_core._data.cache.claim import Claim
    from dataflux_core._data.cache.node import NodeCache
    from dataflux_core._data.epoch.window import Window
    from dataflux_core._run.fetching.fetcher import Fetcher
    from dataflux_core._run.fetching.stats import FetchStats
    from dataflux_core.errors import DatafluxError

    Arrived = Generator[tuple[int, bytes | DatafluxError], None, None]

_OTHERS_S = 300.0  # for another process to fetch what it has begun


class WindowReader:
    """Reads objects through the cache of the node; used by several threads at once."""

    def __init__(self, fetcher: Fetcher, cache: NodeCache | None) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._chunks = ChunkReads()

    @property
    def has_cache(self) -> bool:
        return self._cache is not None

    @property
    def fetched(self) -> FetchStats:
        """What did not come from the cache."""
        return self._fetcher.stats + self._chunks.stats

    @property
    def heard(self) -> int:
        """A number that changes while bytes come in, also those of objects that are not whole yet."""
        return self._fetcher.heard + self._chunks.heard

    def close(self) -> None:
        """End reads that are under way in other threads."""
        self._fetcher.close()
        self._chunks.close()

    def read(self, window: Window, wanted: Sequence[int], *, following: int = 0) -> Arrived:
        """Yield (position, bytes or the error about it) of the wanted objects, each once, as they come.

        So many more are wanted after these, of which the cache may have some.
        """
        kept = [] if self._cache is None else [position for position in wanted if window.is_kept(position)]
        if self._cache is None or not kept:
            yield from self._fetched(window, wanted, following)
            return
        others = [position for position in wanted if not window.is_kept(position)]
        if others:
            yield from self._fetched(window, others, following)
        with self._cache.claim(window.for_cache(kept)) as claim:
            for at, content in self._claimed(claim, window, kept, following):
                yield kept[at], content

    def _claimed(self, claim: Claim, window: Window, kept: Sequence[int], following: int) -> Arrived:
        """Yield what is claimed by its number among the kept ones."""
        damaged = []
        for at in tuple(claim.held):
            content = claim.read(at)
            if content is None:
                damaged.append(at)
            else:
                yield at, content
        missing = sorted({*claim.ours, *claim.past, *damaged})
        yield from self._fetched_and_stored(claim, window, kept, missing, following)
        given_up = []
        for at in tuple(claim.theirs):
            content = claim.wait(at, _OTHERS_S)
            if content is None:
                given_up.append(at)
            else:
                yield at, content
        if given_up:
            yield from self._fetched_and_stored(claim, window, kept, given_up, following)

    def _fetched_and_stored(
        self, claim: Claim, window: Window, kept: Sequence[int], missing: Sequence[int], following: int
    ) -> Arrived:
        numbers = {kept[at]: at for at in missing}
        with closing(self._fetched(window, list(numbers), following)) as arrived:
            for position, content in arrived:
                if isinstance(content, bytes):
                    claim.store(numbers[position], content)
                yield numbers[position], content

    def _fetched(self, window: Window, positions: Sequence[int], following: int) -> Arrived:
        """Yield objects from where they lie; chunks are sent for before others are waited for."""
        single = [position for position in positions if window.in_chunk(position) is None]
        sent = self._chunks.send(window, positions) if window.chunks else []
        try:
            if single:
                picked = window.objects.picked(single)
                with closing(self._fetcher.read(picked, following=following)) as arrived:
                    for at, content in arrived:
                        yield single[at], content
            yield from self._chunks.arriving(sent)
        finally:
            self._chunks.drop(sent)
