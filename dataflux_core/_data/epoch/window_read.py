"""Read the objects of a window: from the cache what is there, the rest from where it lies."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from dataflux_core._data.cache.claim import Claim
    from dataflux_core._data.cache.node import NodeCache
    from dataflux_core._plan.remote import RemoteObjects
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

    @property
    def fetched(self) -> FetchStats:
        """What did not come from the cache."""
        return self._fetcher.stats

    @property
    def heard(self) -> int:
        """A number that changes while bytes come in, also those of objects that are not whole yet."""
        return self._fetcher.heard

    def close(self) -> None:
        """End reads that are under way in other threads."""
        self._fetcher.close()

    def read(self, objects: RemoteObjects, wanted: Sequence[int], *, following: int = 0) -> Arrived:
        """Yield (position, bytes or the error about it) of the wanted ones, each once, as they come.

        So many more are wanted after these, of which the cache may have some.
        """
        local = [position for position in wanted if objects.urls[position].startswith("/")]
        remote = [position for position in wanted if not objects.urls[position].startswith("/")]
        if self._cache is None or not remote:
            yield from self._fetched(objects, wanted, following)
            return
        if local:
            yield from self._fetched(objects, local, following)
        claimed = objects.picked(remote)
        with self._cache.claim(claimed) as claim:
            for at, content in self._claimed(claim, claimed, following):
                yield remote[at], content

    def _claimed(self, claim: Claim, objects: RemoteObjects, following: int) -> Arrived:
        damaged = []
        for position in tuple(claim.held):
            content = claim.read(position)
            if content is None:
                damaged.append(position)
            else:
                yield position, content
        missing = sorted({*claim.ours, *claim.past, *damaged})
        yield from self._fetched_and_stored(claim, objects, missing, following)
        given_up = []
        for position in tuple(claim.theirs):
            content = claim.wait(position, _OTHERS_S)
            if content is None:
                given_up.append(position)
            else:
                yield position, content
        if given_up:
            yield from self._fetched_and_stored(claim, objects, given_up, following)

    def _fetched_and_stored(
        self, claim: Claim, objects: RemoteObjects, positions: Sequence[int], following: int
    ) -> Arrived:
        with closing(self._fetched(objects, positions, following)) as arrived:
            for position, content in arrived:
                if isinstance(content, bytes):
                    claim.store(position, content)
                yield position, content

    def _fetched(self, objects: RemoteObjects, positions: Sequence[int], following: int) -> Arrived:
        if not positions:
            return
        with closing(self._fetcher.read(objects.picked(positions), following=following)) as arrived:
            for at, content in arrived:
                yield positions[at], content
