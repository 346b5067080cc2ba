"""Decide what a directory still lacks."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from dataflux_core._data.target_tree import TargetTree
from dataflux_core._plan.paths import MAX_PATH_BYTES, PathPlan, UnsafeNames, plan_paths
from dataflux_core.errors import InvalidArgument, UnsafeName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dataflux_core._plan.columns import ObjectColumns

_LOOKED_AT = 1000  # names: a directory of numbers alone may be long


@dataclass(frozen=True, slots=True)
class DirectoryPlan:
    """Where every object goes; `missing` are the positions of those to be fetched."""

    directory: Path
    objects: ObjectColumns
    checksums: Sequence[str]  # crc32c of each object, "" where it is not listed
    paths: Sequence[str | None]
    missing: Sequence[int]
    skipped: Sequence[UnsafeName]

    @property
    def present(self) -> int:
        """Files that are there already."""
        return len(self.paths) - len(self.missing) - len(self.skipped)

    @property
    def missing_bytes(self) -> int:
        return sum(self.objects.sizes[position] for position in self.missing)


def plan_directory(  # noqa: PLR0913 - what, what is known of it, whereto, how
    objects: ObjectColumns,
    checksums: Sequence[str],
    directory: Path,
    *,
    unsafe_names: UnsafeNames = "refuse",
    strip_prefix: str = "",
    may_probe: bool = False,
) -> DirectoryPlan:
    """Give each object a path, see which files are there. Raises UnsafeName, FileNotWritten.

    A file is there where its size is the listed one, as well as its crc32c where that is listed. Nothing is written,
    unless it `may_probe` the file system by a file that is removed at once.
    """
    directory = directory.absolute()
    if directory.exists() and not directory.is_dir():
        raise InvalidArgument("directory", str(directory), "a directory, or a path where one can be made")
    stripped = _stripped(objects.names, strip_prefix)
    with _whole_names(strip_prefix):
        found = plan_paths(
            stripped,
            unsafe=unsafe_names,
            max_path_bytes=min(MAX_PATH_BYTES, _max_path_bytes(directory)) - len(os.fsencode(directory)) - 1,
            folds_case=_folds_case(directory, may_probe=may_probe),
        )
    skipped = [UnsafeName(strip_prefix + error.name, error.reason) for error in found.skipped]
    missing = _missing(objects, checksums, directory, found)
    return DirectoryPlan(directory, objects, checksums, found.paths, missing, skipped)


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


def _missing(objects: ObjectColumns, checksums: Sequence[str], directory: Path, plan: PathPlan) -> list[int]:
    wanted = [position for position, path in enumerate(plan.paths) if path is not None]
    if not directory.exists():
        return wanted
    with TargetTree(directory) as tree:
        return [
            position
            for position in wanted
            if not tree.has(
                objects.names[position], plan.paths[position] or "", objects.sizes[position], checksums[position]
            )
        ]


def _nearest(directory: Path) -> Path:
    return next(parent for parent in (directory, *directory.parents) if parent.exists())


def _max_path_bytes(directory: Path) -> int:
    return os.pathconf(_nearest(directory), "PC_PATH_MAX") - 1  # its final NUL


def _folds_case(directory: Path, *, may_probe: bool) -> bool:
    """Tell whether the file system that files go to takes one case for the other.

    That is the one of the nearest directory that is there. It may be mounted, unlike the directory above it, so only
    names inside it are sure to tell: those of a file that is made and removed again.
    """
    nearest = _nearest(directory).resolve()
    if may_probe:
        with suppress(OSError):  # where nothing may be written: perhaps all is there already
            return _probed(nearest)
    return _seen(nearest)


def _probed(directory: Path) -> bool:
    probe = directory / f".dataflux-{secrets.token_hex(8)}.part"
    try:
        probe.touch(exist_ok=False)
        return _twin(probe).exists()
    finally:
        probe.unlink(missing_ok=True)


def _seen(directory: Path) -> bool:
    """Tell it from the first name inside that has two cases; where there is none, from those above."""
    inside: list[Path] = []
    with suppress(PermissionError):  # a directory may be open to those who know its names
        inside.extend(islice(directory.iterdir(), _LOOKED_AT))
    for path in (*inside, directory, *directory.parents):
        twin = _twin(path)
        if twin != path:
            return twin.exists() and twin.samefile(path)
    return False


def _twin(path: Path) -> Path:
    return path.with_name(path.name.swapcase()) if path.name else path
