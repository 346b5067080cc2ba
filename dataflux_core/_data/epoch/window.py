"""Hold some rows of one or several indexes with the objects to be read for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflux_core._data.samples.encoded import Encoded, RawSample
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflux_core._plan.remote import RemoteObjects


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
        )

    def owners(self) -> list[int]:
        """Return the row of each object."""
        return [row for row in range(len(self.rows)) for _ in range(self.starts[row + 1] - self.starts[row])]

    def stream(self, place: int) -> int:
        """Return of which stream a row is."""
        return self.streams[place] if self.streams else 0

    def raw_sample(self, contents: Sequence[bytes | DatafluxError | None], place: int) -> RawSample:
        """Put together what has come for one row; `contents` are of all objects."""
        columns: dict[str, Encoded | DatafluxError] = {}
        for at, column in enumerate(self.columns[place], self.starts[place]):
            content = contents[at]
            if content is None:
                content = NotReadable(self.unreadable[at])
            columns[column] = Encoded(content, self.objects.urls[at]) if isinstance(content, bytes) else content
        return RawSample(self.rows[place], self.ids[place], columns, self.values[place])
