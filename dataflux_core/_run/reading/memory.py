"""Find out how many bytes a download may hold at once."""

from __future__ import annotations

import os
import re
from multiprocessing import parent_process
from pathlib import Path

_MIN_HELD_BYTES = 64 * 1024**2
_UNKNOWN_HELD_BYTES = 1024**3
_SHARE = 4
_CGROUP = Path("/sys/fs/cgroup")


def held_bytes() -> int:
    """Return the default bound: a quarter of the memory available; in a loader worker, of which others are, less."""
    available = min(_machine_bytes(), _container_bytes())
    if available == float("inf"):
        return _UNKNOWN_HELD_BYTES
    siblings = 1 if parent_process() is None else os.cpu_count() or 1
    return int(max(_MIN_HELD_BYTES, available / _SHARE / siblings))


def _machine_bytes() -> float:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"), re.MULTILINE)
    except OSError:
        found = None
    if found is not None:
        return int(found.group(1)) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2
    except (ValueError, OSError):
        return float("inf")


def _container_bytes() -> float:
    """Return what a version 2 control group leaves; page cache counts as used there, so it is a lower bound."""
    try:
        limit = (_CGROUP / "memory.max").read_text("ascii").strip()
        used = (_CGROUP / "memory.current").read_text("ascii").strip()
        return float("inf") if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return float("inf")
