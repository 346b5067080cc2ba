"""Fetch what a directory lacks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._data.large_files import LargeFiles
from dataflux_core._data.target_tree import TargetTree
from dataflux_core._data.writers import Writers
from dataflux_core._plan.columns import ObjectColumns
from dataflux_core._run.reading.client_reader import ClientReader
from dataflux_core._run.reading.pieces import read_pieces
from dataflux_core._run.reading.reader import read_groups
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._wire.objects import crc32c_number
from dataflux_core.errors import ObjectChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from dataflux_core._data.directory_plan import DirectoryPlan
    from dataflux_core._run.clients import Client
    from dataflux_core._run.reading.direct import GroupBytes
    from dataflux_core._run.reading.reader import ReadOptions
    from dataflux_core.errors import ChecksumMismatch

LARGE_BYTES = 64 * 1024**2  # an object of more is never whole in memory


@dataclass(frozen=True, slots=True)
class DirectoryProgress:
    """How far a download to a directory has come."""

    files: int  # written
    received_bytes: int
    total_files: int  # to be written
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Fetching:
    """What is fetched, how, who is told."""

    client: Client
    bucket: str
    plan: DirectoryPlan
    options: ReadOptions
    observer: Callable[[DirectoryProgress], None]


def fetch_missing(fetching: Fetching) -> None:
    """Write every file that the plan misses; raises FileNotWritten or another DatafluxError, every file then whole."""
    plan = fetching.plan
    plan.directory.mkdir(parents=True, exist_ok=True)
    streams = fetching.client.access is not None  # else a client's own methods give whole objects
    sizes = plan.objects.sizes
    small = [position for position in plan.missing if not streams or sizes[position] <= LARGE_BYTES]
    large = [position for position in plan.missing if streams and sizes[position] > LARGE_BYTES]
    with TargetTree(plan.directory) as tree, Writers() as writers:
        fetch = _Fetch(fetching, tree, writers)
        if small:
            fetch.write_small(small)
        if large:
            fetch.write_large(large)
        writers.finish()
        fetch.report()


class _Fetch:
    def __init__(self, fetching: Fetching, tree: TargetTree, writers: Writers) -> None:
        self._fetching = fetching
        self._plan = fetching.plan
        self._tree = tree
        self._writers = writers
        self._total_bytes = self._plan.missing_bytes
        self._received_bytes = 0

    def write_small(self, positions: Sequence[int]) -> None:
        """Write each group of objects as it is read."""
        with closing(self._groups(_picked(self._plan.objects, positions))) as groups:
            for group, parts in groups:
                task = partial(self._write_group, positions[group.start : group.stop], parts)
                self._writers.submit(task, sum(map(len, parts)))
                self._received_bytes += sum(map(len, parts))
                self.report()

    def write_large(self, positions: Sequence[int]) -> None:
        """Write each object a piece at a time; read once more what has come damaged."""
        damaged = self._write_pieces(positions, self._count)
        if damaged and not self._fetching.options.rule.never:
            damaged = self._write_pieces(sorted(damaged), _ignore)
        for error in damaged.values():
            raise error

    def _write_pieces(self, positions: Sequence[int], count: Callable[[bytes], None]) -> dict[int, ChecksumMismatch]:
        """Write the objects at `positions`; return what is wrong with those that came damaged, by position."""
        fetching, plan = self._fetching, self._plan
        pieces = read_pieces(
            fetching.client.access,  # type: ignore[arg-type] # large objects are told apart only where there is one
            fetching.bucket,
            _picked(plan.objects, positions),
            [plan.checksums[position] for position in positions],
            fetching.options.rule,
            max_requests=fetching.options.max_requests,
        )
        files = LargeFiles(plan, self._tree, self._writers)
        with closing(pieces):
            for piece in pieces:
                files.write(positions[piece.position], piece)
                count(piece.content)
                self.report()
        self._writers.finish()
        return files.damaged

    def _count(self, content: bytes) -> None:
        self._received_bytes += len(content)

    def report(self) -> None:
        """Tell the observer how far it is."""
        files, total = self._writers.files, len(self._plan.missing)
        self._fetching.observer(DirectoryProgress(files, self._received_bytes, total, self._total_bytes))

    def _groups(self, objects: ObjectColumns) -> Generator[GroupBytes, None, None]:
        fetching = self._fetching
        client, options, stats = fetching.client, fetching.options, DownloadStats()
        if client.access is not None:
            return read_groups(client.access, fetching.bucket, objects, options, stats)
        reader = ClientReader(client.client, fetching.bucket, client.retry, stats)
        return reader.read(objects, max_composite_bytes=options.max_composite_bytes)

    def _write_group(self, positions: Sequence[int], parts: Sequence[bytes]) -> int:
        plan = self._plan
        for position, content in zip(positions, parts, strict=True):
            name, path, listed = plan.objects.names[position], plan.paths[position], plan.checksums[position]
            # The service's own checksums have been checked; what differs now has been replaced since it was listed.
            if listed and google_crc32c.value(content) != crc32c_number(listed):
                raise ObjectChanged(name, crc32c_number(listed), google_crc32c.value(content))
            self._tree.write(name, path or "", content)
        return len(parts)


def _ignore(content: bytes) -> None:
    del content  # received before, so it would be counted twice


def _picked(objects: ObjectColumns, positions: Sequence[int]) -> ObjectColumns:
    generations = objects.generations
    return ObjectColumns(
        [objects.names[position] for position in positions],
        [objects.sizes[position] for position in positions],
        None if generations is None else [generations[position] for position in positions],
    )
