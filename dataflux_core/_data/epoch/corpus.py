"""Put together the samples of one or several streams with the orders in which they come."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dataflux_core._data.epoch.window import Window
from dataflux_core._data.samples.maker import SampleMaker
from dataflux_core._plan.order.state import Identity
from dataflux_core._plan.remote import UNKNOWN_BYTES, RemoteObjects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dataflux_core._data.epoch.window import InChunk
    from dataflux_core._data.samples.recipe import Recipe
    from dataflux_core._plan.order.deal import Deal
    from dataflux_core._plan.order.orders import Order


class Ordering(Protocol):
    """Gives the order of each epoch. With node-affine shares it depends on how positions are dealt."""

    @property
    def count(self) -> int:
        """Tell how many samples an epoch has."""

    def order(self, epoch: int, deal: Deal) -> Order: ...

    def name(self, deal: Deal) -> str:
        """Say what the orders depend on, for states: the same text, the same orders."""


class Index(Protocol):
    """Which samples there are."""

    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...


class Rows(Protocol):
    """An index with what its rows are made of: columns of URLs and values, or streams of a playlist."""

    source: str  # as its maker named it

    @property
    def index(self) -> Index: ...

    @property
    def loaded(self) -> tuple[str, ...]: ...

    def window(self, rows: NDArray[np.int64]) -> Window:
        """Look rows up, (n,)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows with how samples are made of them."""

    binding: Rows
    recipe: Recipe

    def __len__(self) -> int:
        return len(self.binding.index)


@dataclass(frozen=True, slots=True)
class Corpus:
    """All samples of a dataset: those of the second stream are numbered on from those of the first."""

    streams: Sequence[Stream]
    ordering: Ordering

    def __len__(self) -> int:
        return sum(len(stream) for stream in self.streams)

    @property
    def sources(self) -> list[str]:
        """Return what each stream comes from, as its maker named it."""
        return [stream.binding.source for stream in self.streams]

    @property
    def positions(self) -> int:
        """Return how many samples an epoch has."""
        return self.ordering.count

    def identity(self, deal: Deal) -> Identity:
        """Return what a state must agree in."""
        fingerprints = [stream.binding.index.fingerprint for stream in self.streams]
        index = (
            fingerprints[0]
            if len(fingerprints) == 1
            else md5(" ".join(fingerprints).encode(), usedforsecurity=False).hexdigest()
        )
        return Identity(index, self.ordering.name(deal), self.positions)

    def makers(self) -> list[SampleMaker]:
        """Make what makes samples, anew for each process that iterates."""
        return [SampleMaker(stream.recipe) for stream in self.streams]

    def window(self, sample_ids: NDArray[np.int64]) -> Window:
        """Look samples up, (n,)."""
        if len(self.streams) == 1:
            return self.streams[0].binding.window(sample_ids)
        firsts = np.cumsum([0, *(len(stream) for stream in self.streams)])
        streams = np.searchsorted(firsts, sample_ids, side="right") - 1
        windows: dict[int, Window] = {}
        for stream in np.unique(streams).tolist():
            rows = sample_ids[streams == stream] - firsts[stream]
            windows[stream] = self.streams[stream].binding.window(rows)
        return _interleaved(windows, streams.tolist())


def _interleaved(windows: dict[int, Window], streams: list[int]) -> Window:
    """Put rows of several windows into one, in the order that `streams` names."""
    taken = dict.fromkeys(windows, 0)
    places = []
    for stream in streams:
        places.append((windows[stream], taken[stream]))
        taken[stream] += 1
    starts = [0]
    columns = _ObjectColumns()
    unreadable: dict[int, str] = {}
    chunks: list[InChunk | None] = []
    for window, place in places:
        for at in range(window.starts[place], window.starts[place + 1]):
            if at in window.unreadable:
                unreadable[len(columns.urls)] = window.unreadable[at]
            columns.add(window.objects, at)
            chunks.append(window.in_chunk(at))
        starts.append(len(columns.urls))
    return Window(
        [window.rows[place] for window, place in places],
        [window.ids[place] for window, place in places],
        [window.columns[place] for window, place in places],
        starts,
        RemoteObjects(columns.urls, columns.sizes, columns.crc32cs, columns.generations),
        unreadable,
        [window.values[place] for window, place in places],
        streams,
        chunks if any(window.chunks for window in windows.values()) else (),
    )


class _ObjectColumns:
    """Columns of objects that grow."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.sizes: list[int] = []
        self.crc32cs: list[str] = []
        self.generations: list[int] = []

    def add(self, objects: RemoteObjects, at: int) -> None:
        self.urls.append(objects.urls[at])
        self.sizes.append(UNKNOWN_BYTES if objects.sizes is None else objects.sizes[at])
        self.crc32cs.append("" if objects.crc32cs is None else objects.crc32cs[at])
        self.generations.append(0 if objects.generations is None else objects.generations[at])
