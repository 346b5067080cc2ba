"""Find out how many bytes a download may hold at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MAX_HELD_BYTES = 1024**3
_MIN_HELD_BYTES = 64 * 1024**2
_SHARE = 4
_CGROUP = Path("/sys/fs/cgroup")


def held_bytes() -> int:
    """Return the default bound: a gibibyte, or less where a quarter of the memory available is less."""
    available = min(_machine_bytes(), _container_bytes())
    return int(max(_MIN_HELD_BYTES, min(_MAX_HELD_BYTES, available / _SHARE)))


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
