"""Put the pieces of large objects together on disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dataflux_core._data.target_tree import checksum_of
from dataflux_core._wire.objects import crc32c_number, crc32c_text
from dataflux_core.errors import ChecksumMismatch

if TYPE_CHECKING:
    from dataflux_core._data.directory_plan import DirectoryPlan
    from dataflux_core._data.target_tree import NewFile, TargetTree
    from dataflux_core._data.writers import Writers
    from dataflux_core._run.reading.ranged import Piece


@dataclass(slots=True, eq=False)
class _Growing:
    file: NewFile
    left_bytes: int


class LargeFiles:
    """Files of which some pieces are there; those that are not whole in the end go away with their tree."""

    def __init__(self, plan: DirectoryPlan, tree: TargetTree, writers: Writers) -> None:
        self.damaged: dict[int, ChecksumMismatch] = {}  # by position: came whole, but not as they are stored
        self._plan = plan
        self._tree = tree
        self._writers = writers
        self._growing: dict[int, _Growing] = {}

    def write(self, position: int, piece: Piece) -> None:
        """Put a piece in its place; after the last one the file is checked on another thread."""
        growing = self._growing.get(position)
        if growing is None:
            file = self._tree.create(self._plan.place(position))
            growing = self._growing[position] = _Growing(file, self._plan.objects.columns.sizes[position])
        growing.file.write_at(piece.start, piece.content)
        growing.left_bytes -= len(piece.content)
        if not growing.left_bytes:
            del self._growing[position]
            self._writers.submit(partial(self._finish, position, growing.file, piece.crc32c), 0)

    def drop(self, position: int) -> None:
        """Remove what there is of a file: no more of it will come."""
        growing = self._growing.pop(position, None)
        if growing is not None:
            growing.file.discard()

    def _finish(self, position: int, file: NewFile, crc32c: str) -> int:
        if crc32c and (found := checksum_of(file.descriptor)) != crc32c_number(crc32c):
            file.discard()
            self.damaged[position] = ChecksumMismatch(
                self._plan.objects.columns.names[position], crc32c, crc32c_text(found)
            )
            return 0
        file.commit()
        return 1
