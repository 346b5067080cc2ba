"""Fetch what a directory lacks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dataflux_core._data.large_files import LargeFiles
from dataflux_core._data.writers import Writers
from dataflux_core._run.reading.client_reader import ClientReader
from dataflux_core._run.reading.direct import bytes_of
from dataflux_core._run.reading.pieces import read_pieces
from dataflux_core._run.reading.reader import read_groups
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from dataflux_core._data.directory_plan import DirectoryPlan
    from dataflux_core._data.target_tree import TargetTree
    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._run.clients import Client
    from dataflux_core._run.reading.direct import GroupBytes, Part
    from dataflux_core._run.reading.options import ReadOptions
    from dataflux_core._run.reading.stats import DownloadStats
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
    """What is fetched, how, who is told; `stats` counts it."""

    client: Client
    bucket: str
    plan: DirectoryPlan
    options: ReadOptions
    observer: Callable[[DirectoryProgress], None]
    stats: DownloadStats
    max_waiting_bytes: int | None = None  # read, but not written; None: as many as are of use


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of fetching what was missing."""

    retimed: int  # files whose times were set
    failed: Mapping[int, DatafluxError]  # by position, in that order; empty unless errors are returned


def fetch_missing(fetching: Fetching, tree: TargetTree) -> Fetched:
    """Write every file that the plan misses below `tree`, set the times of others.

    Raises FileNotWritten or another DatafluxError, every file then whole.
    """
    plan = fetching.plan
    streams = fetching.client.access is not None  # else a client's own methods give whole objects
    sizes = plan.objects.columns.sizes
    large_bytes = min(LARGE_BYTES, fetching.max_waiting_bytes or LARGE_BYTES)
    small = [position for position in plan.missing if not streams or sizes[position] <= large_bytes]
    large = [position for position in plan.missing if streams and sizes[position] > large_bytes]
    with Writers(fetching.max_waiting_bytes) as writers:
        retimed = sum(tree.set_time(plan.place(position), present) for position, present in plan.retimed)
        fetch = _Fetch(fetching, tree, writers)
        if small:
            fetch.write_small(small)
        if large:
            fetch.write_large(large)
        writers.finish()
        fetch.report()
    return Fetched(retimed, dict(sorted(fetch.failed.items())))


class _Fetch:
    def __init__(self, fetching: Fetching, tree: TargetTree, writers: Writers) -> None:
        self._fetching = fetching
        self._plan = fetching.plan
        self._tree = tree
        self._writers = writers
        self._total_bytes = self._plan.missing_bytes
        self._received_bytes = 0
        self.failed: dict[int, DatafluxError] = {}  # by position

    def write_small(self, positions: Sequence[int]) -> None:
        """Write each group of objects as it is read."""
        with closing(self._groups(self._plan.objects.columns.picked(positions))) as groups:
            for group, read in groups:
                came, parts = self._came(positions[group.start : group.stop], read)
                size = sum(map(len, parts))
                self._writers.submit(partial(self._write_group, came, parts), size)
                self._received_bytes += size
                self.report()

    def _came(self, positions: Sequence[int], read: Sequence[Part]) -> tuple[Sequence[int], list[bytes]]:
        """Return which objects came, with their bytes; keep the errors of the others."""
        if self._fetching.options.on_error == "raise":
            return positions, bytes_of(read)
        failed = {
            position: part for position, part in zip(positions, read, strict=True) if isinstance(part, DatafluxError)
        }
        self.failed.update(failed)
        came = [position for position in positions if position not in failed]
        return came, bytes_of(part for part in read if not isinstance(part, DatafluxError))

    def write_large(self, positions: Sequence[int]) -> None:
        """Write each object a piece at a time; read once more what has come damaged."""
        damaged = self._write_pieces(positions, self._count)
        if damaged and not self._fetching.options.rule.never:
            self._fetching.stats.retries += len(damaged)
            damaged = self._write_pieces(sorted(damaged), _ignore)
        for position, error in damaged.items():
            if self._fetching.options.on_error == "raise":
                raise error
            self.failed[position] = error
        self._fetching.stats.objects_direct += sum(position not in self.failed for position in positions)

    def _write_pieces(self, positions: Sequence[int], count: Callable[[bytes], None]) -> dict[int, ChecksumMismatch]:
        """Write the objects at `positions`; return what is wrong with those that came damaged, by position."""
        fetching, plan = self._fetching, self._plan
        files = LargeFiles(plan, self._tree, self._writers)

        def fail(at: int, error: DatafluxError) -> None:
            files.drop(positions[at])
            self.failed[positions[at]] = error

        pieces = read_pieces(
            fetching.client.access,  # type: ignore[arg-type] # large objects are told apart only where there is one
            fetching.bucket,
            plan.objects.columns.picked(positions),
            fetching.options,
            fetching.stats,
            fail=fail,
        )
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
        client, options, stats = fetching.client, fetching.options, fetching.stats
        if client.access is not None:
            return read_groups(client.access, fetching.bucket, objects, options, stats)
        return ClientReader(client.client, fetching.bucket, client.retry, options, stats).read(objects)

    def _write_group(self, positions: Sequence[int], parts: Sequence[bytes]) -> int:
        plan = self._plan
        for position, content in zip(positions, parts, strict=True):
            self._tree.write(plan.place(position), content)
        return len(parts)


def _ignore(content: bytes) -> None:
    del content  # received before, so it would be counted twice
