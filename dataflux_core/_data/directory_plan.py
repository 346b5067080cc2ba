"""Decide what a directory still lacks."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from dataflux_core._data.claimed_tree import check_target
from dataflux_core._data.directory_errors import TARGET, blamed
from dataflux_core._data.target_tree import Place, Present, TargetTree
from dataflux_core._plan.globs import choose
from dataflux_core._plan.paths import MAX_PATH_BYTES, PathPlan, UnsafeNames, plan_paths
from dataflux_core.errors import InvalidArgument, UnsafeName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dataflux_core._data.directory_objects import DirectoryObjects

_LOOKED_AT = 1000  # names: a directory of numbers alone may be long
_COARSE_NS = 2_000_000_000  # what the clocks of the coarsest file systems, FAT's, count in


@dataclass(frozen=True, slots=True)
class PathRules:
    """Which names become files, of which path."""

    unsafe_names: UnsafeNames = "refuse"
    strip_prefix: str = ""
    include: Sequence[str] = ()  # globs of what is left of a name without the prefix
    exclude: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DirectoryPlan:
    """Where every object goes; `missing` are the positions of those to be fetched."""

    directory: Path
    objects: DirectoryObjects  # that were chosen
    paths: Sequence[str | None]
    missing: Sequence[int]
    skipped: Sequence[UnsafeName]
    retimed: Sequence[tuple[int, Present]] = ()  # files that are there, of another time than that of their object
    replaced: int = 0  # files that missing ones take the place of
    replaced_bytes: int = 0
    left_out: int = 0  # objects that the globs did not choose
    unmatched: tuple[str, ...] = ()  # globs to include that chose nothing

    @property
    def present(self) -> int:
        """Files that are there already."""
        return len(self.paths) - len(self.missing) - len(self.skipped)

    @property
    def missing_bytes(self) -> int:
        return sum(self.objects.columns.sizes[position] for position in self.missing)

    def place(self, position: int) -> Place:
        """Say where an object's file belongs."""
        return self.objects.place(position, self.paths[position] or "")


def plan_directory(
    objects: DirectoryObjects,
    directory: Path,
    rules: PathRules,
    *,
    folds_case: bool | None = None,
    looked_at: Callable[[int, int], None] | None = None,
) -> DirectoryPlan:
    """Give each chosen object a path, see which files are there. Raises UnsafeName, FileNotWritten, InvalidArgument.

    A file is there where its size is the listed one, as well as its crc32c where that is listed. Nothing is written.
    Where it is not known whether the file system folds case, names that are there tell. `looked_at` is told now and
    then how many files it has looked for, of how many.
    """
    directory = directory.absolute()
    with blamed(TARGET, directory):
        check_target(directory)
        stripped = _stripped(objects.columns.names, rules.strip_prefix)
        chosen = choose(stripped, include=rules.include, exclude=rules.exclude)
        left_out = len(stripped) - len(chosen.positions)
        if left_out:
            objects = objects.picked(chosen.positions)
            stripped = [stripped[position] for position in chosen.positions]
        with _whole_names(rules.strip_prefix):
            found = plan_paths(
                stripped,
                unsafe=rules.unsafe_names,
                max_path_bytes=min(MAX_PATH_BYTES, _max_path_bytes(directory)) - len(os.fsencode(directory)) - 1,
                folds_case=_folds_case(directory) if folds_case is None else folds_case,
            )
        skipped = [UnsafeName(rules.strip_prefix + error.name, error.reason) for error in found.skipped]
        seen = _look(objects, directory, found, looked_at)
    return DirectoryPlan(
        directory,
        objects,
        found.paths,
        seen.missing,
        skipped,
        seen.retimed,
        seen.replaced,
        seen.replaced_bytes,
        left_out,
        chosen.unmatched,
    )


@contextmanager
def _whole_names(prefix: str) -> Iterator[None]:
    """Let an error name the object, as the caller knows it, not what is left without `prefix`."""
    try:
        yield
    except UnsafeName as error:
        raise UnsafeName(prefix + error.name, error.reason) from error


def _stripped(names: Sequence[str], prefix: str) -> Sequence[str]:
    if not prefix:
        return names
    for name in names:
        if not name.startswith(prefix):
            raise InvalidArgument("strip_prefix", repr(prefix), f"the beginning of every name, as of {name!r}")
    return [name[len(prefix) :] for name in names]


@dataclass(slots=True)
class _Findings:
    """What is there of some objects."""

    missing: list[int] = field(default_factory=list)
    retimed: list[tuple[int, Present]] = field(default_factory=list)
    replaced: int = 0
    replaced_bytes: int = 0


def _look(
    objects: DirectoryObjects, directory: Path, plan: PathPlan, looked_at: Callable[[int, int], None] | None
) -> _Findings:
    wanted = [position for position, path in enumerate(plan.paths) if path is not None]
    if not directory.exists():
        return _Findings(wanted)
    seen = _Findings()
    with TargetTree(directory) as tree:
        for done, position in enumerate(wanted):
            if looked_at is not None:
                looked_at(done, len(wanted))
            place = objects.place(position, plan.paths[position] or "")
            present = tree.look(place, objects.columns.sizes[position], objects.checksum(position))
            if present is None or not present.is_whole:
                seen.missing.append(position)
                seen.replaced += present is not None
                seen.replaced_bytes += 0 if present is None else present.size
            elif place.mtime_ns is not None and not _is_same_time(present.mtime_ns, place.mtime_ns):
                seen.retimed.append((position, present))
    return seen


def _is_same_time(found_ns: int, wanted_ns: int) -> bool:
    """Compare the times of a file; one of whole seconds may be all that its file system can keep."""
    is_coarse = found_ns % 1_000_000_000 == 0
    return found_ns == wanted_ns or (is_coarse and 0 <= wanted_ns - found_ns < _COARSE_NS)


def nearest(directory: Path) -> Path:
    """Return the directory itself where it is there, or the one above that is."""
    return next(parent for parent in (directory, *directory.parents) if parent.exists())


def _max_path_bytes(directory: Path) -> int:
    return os.pathconf(nearest(directory), "PC_PATH_MAX") - 1  # its final NUL


def _folds_case(directory: Path) -> bool:
    """Tell whether the file system that files go to takes one case for the other.

    That is the one of the nearest directory that is there. It may be mounted, unlike the directory above it, so the
    first name inside that has two cases tells; where there is none, the names above have to.
    """
    above = nearest(directory).resolve()
    inside: list[Path] = []
    with suppress(PermissionError):  # a directory may be open to those who know its names
        inside.extend(islice(above.iterdir(), _LOOKED_AT))
    for path in (*inside, above, *above.parents):
        twin = _twin(path)
        if twin != path:
            return twin.exists() and twin.samefile(path)
    return False


def _twin(path: Path) -> Path:
    return path.with_name(path.name.swapcase()) if path.name else path
