"""Tell whether what a directory lacks has room there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dataflux_core._data.directory_errors import TARGET, blamed
from dataflux_core._data.directory_plan import nearest
from dataflux_core._plan.text import counted, human_bytes

if TYPE_CHECKING:
    from dataflux_core._data.directory_plan import DirectoryPlan


def shortage(plan: DirectoryPlan) -> str:
    """Say what the file system of the directory has too little of, "" where nothing; raises FileNotWritten.

    Counted is the least that the files can take there, unless they are compressed. A file that is replaced gives its
    bytes back, though only once the new one is whole.
    """
    with blamed(TARGET, plan.directory):
        found = os.statvfs(nearest(plan.directory))
    free_bytes, needed_bytes = found.f_bavail * found.f_frsize, plan.missing_bytes - plan.replaced_bytes
    if found.f_blocks and needed_bytes > free_bytes:
        return f"{human_bytes(needed_bytes)} more are needed there, {human_bytes(free_bytes)} are free"
    # A file system that makes room for files as they come, such as Btrfs, counts none.
    if found.f_files and len(plan.missing) > found.f_favail + plan.replaced:
        return f"{counted(len(plan.missing), 'file')} are to be made there, {found.f_favail:,} more can be"
    return ""
