"""Look at real processes and run real scripts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dataflux_core.fast_list import PageEvent

PATIENCE_S = 60.0
FEW_CORES = "ignore:This DataLoader will create:UserWarning"  # torch's opinion, of fewer cores than a test's workers
# Every warning is an error, but for this one and Google's of old Pythons.
STRICT_PYTHON = [sys.executable, "-W", "error", "-W", "ignore::FutureWarning", "-W", FEW_CORES]


def children_of(pid: int) -> list[int]:
    """Return the live child processes of `pid`; zombies are not alive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == pid and state != "Z":
                found.append(int(entry.name))
    return found


def listers_of(pid: int) -> list[int]:
    """Return the live lister processes of `pid`, not the servers that other tests may have started."""
    return [child for child in children_of(pid) if "lister_process" in _command_of(child)]


@dataclass
class Strike:
    """An observer of a listing: sends a signal to its lister processes as soon as one has brought a page."""

    sent: signal.Signals = signal.SIGKILL
    struck: list[int] = field(default_factory=list)

    def __call__(self, event: PageEvent) -> None:
        if event.lister and not self.struck:
            self.struck.extend(listers_of(os.getpid()))
            for pid in self.struck:
                os.kill(pid, self.sent)


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
    """Look again and again until `true()`; False where patience ends."""
    ends_s = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > ends_s:
            return False
        time.sleep(0.01)
    return True


def line_of(process: subprocess.Popen[str]) -> str:
    """Read a line of what a process prints and not a byte beyond it, which `communicate` would not find any more."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(process.stdout.fileno(), 1)):
        line += byte
    return line.decode()


def start_script(script: str, environ: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start `script` as its own program, in a process group of its own."""
    return subprocess.Popen(
        [*STRICT_PYTHON, "-c", script, *arguments],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
