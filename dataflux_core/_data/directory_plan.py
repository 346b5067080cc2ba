"""Decide what a directory still lacks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._data.target_tree import TargetTree
from dataflux_core._plan.paths import MAX_PATH_BYTES, PathPlan, UnsafeNames, plan_paths
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core.errors import UnsafeName


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


def plan_directory(
    objects: ObjectColumns,
    checksums: Sequence[str],
    directory: Path,
    *,
    unsafe_names: UnsafeNames = "refuse",
    strip_prefix: str = "",
) -> DirectoryPlan:
    """Give each object a path, see which files are there; nothing is written. Raises UnsafeName, FileNotWritten.

    A file is there where its size is the listed one, as well as its crc32c where that is listed.
    """
    directory = directory.absolute()
    if directory.exists() and not directory.is_dir():
        raise InvalidArgument("directory", str(directory), "a directory, or a path where one can be made")
    found = plan_paths(
        _stripped(objects.names, strip_prefix),
        unsafe=unsafe_names,
        max_path_bytes=min(MAX_PATH_BYTES, _max_path_bytes(directory)) - len(os.fsencode(directory)) - 1,
        folds_case=_folds_case(directory),
    )
    missing = _missing(objects, checksums, directory, found)
    return DirectoryPlan(directory, objects, checksums, found.paths, missing, found.skipped)


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


def _folds_case(directory: Path) -> bool:
    """Tell whether the file system takes one case for the other, by a name that is there; nothing is written."""
    nearest = _nearest(directory).resolve()
    for path in (nearest, *nearest.parents):
        swapped = path.with_name(path.name.swapcase()) if path.name else path
        if swapped != path:
            return swapped.exists() and swapped.samefile(path)
    return False
