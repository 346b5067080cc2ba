"""Hold what is known of the objects that become files."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._data.target_tree import Place
from dataflux_core._plan.columns import ObjectColumns, Wanted, columns_of
from dataflux_core._wire.times import nanoseconds
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_TIME = -(2**63)  # none that `nanoseconds` returns


@dataclass(frozen=True, slots=True)
class DirectoryObjects:
    """Objects as columns, with the times that their files are to have."""

    columns: ObjectColumns
    times_ns: Sequence[int] | None = None  # since 1970; None: no file's time is set

    def checksum(self, position: int) -> str:
        """Return the listed crc32c, "" where none is."""
        return "" if self.columns.checksums is None else self.columns.checksums[position]

    def place(self, position: int, path: str) -> Place:
        """Say where an object's file belongs."""
        mtime_ns = _NO_TIME if self.times_ns is None else self.times_ns[position]
        return Place(self.columns.names[position], path, None if mtime_ns == _NO_TIME else mtime_ns)

    def picked(self, positions: Sequence[int]) -> DirectoryObjects:
        """Return those at some positions, in that order."""
        times_ns = self.times_ns
        return DirectoryObjects(
            self.columns.picked(positions),
            None if times_ns is None else array("q", (times_ns[position] for position in positions)),
        )


def directory_objects(objects: Wanted, *, with_times: bool) -> DirectoryObjects:
    """Take the objects that a caller names; raises InvalidArgument."""
    columns = columns_of(objects)
    if not with_times or "updated" not in getattr(objects, "fields", ()):
        return DirectoryObjects(columns)
    texts: list[str] = objects.column("updated")  # type: ignore[union-attr, assignment] # a listing: a text column
    return DirectoryObjects(columns, _times_ns(columns.names, texts))


def _times_ns(names: Sequence[str], texts: Sequence[str]) -> Sequence[int]:
    return array("q", map(_time_ns, names, texts))


def _time_ns(name: str, text: str) -> int:
    try:
        return nanoseconds(text) if text else _NO_TIME  # another program may have left some out
    except ValueError as error:
        expected = f"of {name!r} a time as the service writes it, such as 2026-11-01T08:30:00.123Z"
        raise InvalidArgument("updated", repr(text), expected) from error
