"""Find the processes of one test among all that run."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

# In the environment of the programs of one test, which their guardians inherit. Tests that other processes run at the
# same time have buckets of the same names.
MARK = f"DATAFLUX_TEST_MARK_{os.getpid()}"


def guardians(mark: str) -> list[int]:
    """Return the guardians of programs that were started with `mark` in their environment."""
    return [pid for pid in _of(mark) if "guardian.py" in command_line(pid)]


def settled_guardians(mark: str) -> list[int]:
    """Return the guardians whose parents have ended: each is started by a process that ends at once."""
    programs = _of(mark)
    return [pid for pid in guardians(mark) if _parent_of(pid) not in programs]


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def others(mark: str) -> list[int]:
    """Return the programs, with their helpers, that were started with `mark` in their environment."""
    return [pid for pid in _of(mark) if "guardian.py" not in command_line(pid)]


def command_line(pid: int) -> str:
    return " ".join(_entries(pid, "cmdline"))


def _of(mark: str) -> list[int]:
    return [pid for pid in _numbers() if f"{MARK}={mark}" in _environment(pid)]


def _numbers() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> list[str]:
    return _entries(pid, "environ")


def _entries(pid: int, file: str) -> list[str]:
    with suppress(OSError):  # it has just ended
        return Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace").split("\0")
    return []
