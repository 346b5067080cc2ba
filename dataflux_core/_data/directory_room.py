"""Tell whether what a directory lacks has room there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._data.directory_errors import TARGET, blamed
from dataflux_core._data.directory_plan import nearest
from dataflux_core._plan.text import counted, human_bytes

if TYPE_CHECKING:
    from dataflux_core._data.directory_plan import DirectoryPlan


# What network file systems call a block is what they transfer at once, often 1 MiB.
_MAX_BLOCK_BYTES = 4096


class Shortage(NamedTuple):
    """What there is too little of, with the next step."""

    told: str
    advice: str


def shortage(plan: DirectoryPlan) -> Shortage | None:
    """Say what the file system of the directory has too little of, None where of nothing; raises FileNotWritten.

    Counted is the least that the files can take there, in whole blocks, unless they are compressed or packed. A file
    that is replaced gives its blocks back, though only once the new one is whole.
    """
    with blamed(TARGET, plan.directory):
        found = os.statvfs(nearest(plan.directory))
    free_bytes, needed_bytes = found.f_bavail * found.f_frsize, _least_bytes(plan, found.f_frsize)
    if found.f_blocks and needed_bytes > free_bytes:
        return Shortage(
            f"{human_bytes(needed_bytes)} more are needed there, {human_bytes(free_bytes)} are free",
            "make room there, or choose to ignore the free space where the file system compresses or packs files",
        )
    # A file system that makes room for files as they come, such as Btrfs, counts none.
    if found.f_files and len(plan.missing) > found.f_favail + plan.replaced:
        return Shortage(
            f"{counted(len(plan.missing), 'file')} are to be made there, {found.f_favail:,} more can be",
            "remove some, or choose to ignore the free space where the file system makes room for more as they come",
        )
    return None


def _least_bytes(plan: DirectoryPlan, block_bytes: int) -> int:
    """Return what the missing files take in whole blocks, less the most that those which they replace give back."""
    block = max(1, min(block_bytes, _MAX_BLOCK_BYTES))
    sizes = plan.objects.columns.sizes
    taken = sum(-(-sizes[position] // block) for position in plan.missing) * block
    return taken - plan.replaced_bytes - plan.replaced * (block - 1)
