"""Hold some rows of one or several indexes with the objects to be read for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dataflux_core._data.samples.encoded import Encoded, RawSample
from dataflux_core._data.samples.packed import HeldChunk, Packed
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflux_core._data.flare.chunks import Chunks, Piece
    from dataflux_core._plan.remote import RemoteObjects

Key: TypeAlias = "tuple[Chunks, Piece]"  # whoever has it keeps the chunks: an id() would be another's afterwards
Content: TypeAlias = bytes | HeldChunk | DatafluxError | None  # of an object; None: it has not come


class InChunk(NamedTuple):
    """Where an object lies that is a record among others: in a chunk of a playlist, or a part of one."""

    chunks: Chunks
    piece: Piece
    record: int | None  # of the piece; None: all that it has
    records: int  # that the piece has; -1: not known
    cache_name: str  # of the chunk in the node's cache; "": it is not kept there

    @property
    def is_shared(self) -> bool:
        """Whether other rows may need the same piece."""
        return self.record is not None and self.records > 1

    @property
    def key(self) -> Key:
        """The same for all records of one piece."""
        return self.chunks, self.piece


class NotReadable(DatafluxError):
    """A row names no object in one of its columns."""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows as columns; the objects of row i are those from starts[i] on, one for each of columns[i]."""

    rows: Sequence[int]  # of the index
    ids: Sequence[str]
    columns: Sequence[tuple[str, ...]]  # loaded
    starts: Sequence[int]  # one more than rows
    objects: RemoteObjects
    unreadable: Mapping[int, str]  # by object: why there is nothing to be read
    values: Sequence[Mapping[str, Any]]  # what the index itself says
    streams: Sequence[int] = field(default=())  # of each row, where there are several
    chunks: Sequence[InChunk | None] = field(default=())  # of each object, where there are any
    ahead_bytes: int = 0  # that a chunk of unknown size may have, to be received before its turn; 0: any

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Window:
        """Return rows [start, stop) of it."""
        first, end = self.starts[start], self.starts[stop]
        return Window(
            self.rows[start:stop],
            self.ids[start:stop],
            self.columns[start:stop],
            [at - first for at in self.starts[start : stop + 1]],
            self.objects.picked(range(first, end)),
            {at - first: why for at, why in self.unreadable.items() if first <= at < end},
            self.values[start:stop],
            self.streams[start:stop],
            self.chunks[first:end],
            self.ahead_bytes,
        )

    def owners(self) -> list[int]:
        """Return the row of each object."""
        return [row for row in range(len(self.rows)) for _ in range(self.starts[row + 1] - self.starts[row])]

    def stream(self, place: int) -> int:
        """Return of which stream a row is."""
        return self.streams[place] if self.streams else 0

    def is_kept(self, at: int) -> bool:
        """Whether an object is one for the node's cache: neither a file of this machine nor a part of a chunk."""
        place = self.in_chunk(at)
        return not self.objects.urls[at].startswith("/") if place is None else bool(place.cache_name)

    def for_cache(self, positions: Sequence[int]) -> RemoteObjects:
        """Return objects as the cache names them: chunks by what they hold, where that is known."""
        picked = self.objects.picked(positions)
        if not self.chunks:
            return picked
        places = [self.chunks[at] for at in positions]
        names = [url if place is None else place.cache_name for url, place in zip(picked.urls, places, strict=True)]
        return replace(picked, urls=names)

    def in_chunk(self, at: int) -> InChunk | None:
        """Return the chunk that an object lies in, None where it is one by itself."""
        return self.chunks[at] if self.chunks else None

    def raw_sample(self, contents: Sequence[Content], place: int) -> RawSample:
        """Put together what has come for one row; `contents` are of all objects."""
        columns: dict[str, Encoded | Packed | DatafluxError] = {}
        for at, column in enumerate(self.columns[place], self.starts[place]):
            content = contents[at]
            if content is None:
                columns[column] = NotReadable(self.unreadable[at])
            elif isinstance(content, HeldChunk):
                columns[column] = self._packed(at, content)
            else:
                columns[column] = Encoded(content, self.objects.urls[at]) if isinstance(content, bytes) else content
        return RawSample(self.rows[place], self.ids[place], columns, self.values[place])

    def _packed(self, at: int, held: HeldChunk) -> Packed | DatafluxError:
        place = self.in_chunk(at)
        if isinstance(held.content, DatafluxError) or place is None:
            return held.content if isinstance(held.content, DatafluxError) else NotReadable("no chunk")
        return Packed(held, place.piece.chunk, place.record, place.records, self.objects.urls[at])
