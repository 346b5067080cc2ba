"""Type in what a tutorial says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.docs.test_documents import ROOT
from tests.processes import FEW_CORES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Reader:
    """Somebody at a terminal."""

    def __init__(self, directory: Path) -> None:
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])  # noqa: PTH120 - links stay
        self.surroundings: dict[str, Any] = {
            "cwd": directory,
            # One thread of torch: more of them, of three processes on two cores, wait for each other at full speed.
            "env": {
                **os.environ,
                "PATH": path,
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": f"error,{FEW_CORES}",
                "OMP_NUM_THREADS": "1",
            },
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }
        self.surroundings["env"].pop("STORAGE_EMULATOR_HOST", None)

    def run(self, line: str) -> str:
        ran = subprocess.run(line.split(), check=False, timeout=200, **self.surroundings)
        assert ran.returncode == 0, f"{line}\n{ran.stdout}"
        return str(ran.stdout)

    @contextmanager
    def serving(self, line: str, said: str) -> Iterator[subprocess.Popen[str]]:
        """Have a server running, from when it says that it does."""
        with subprocess.Popen(line.split(), **self.surroundings) as server:
            assert server.stdout is not None
            try:
                assert any(said in printed for printed in server.stdout), f"{line}: it has ended"
                yield server
            finally:
                server.send_signal(signal.SIGINT)

    @contextmanager
    def served(self, line: str) -> Iterator[None]:
        """Have a server running, do what it says."""
        with subprocess.Popen([*line.split(), "--port", "0"], **self.surroundings) as server:
            assert server.stdout is not None
            try:
                told = next(printed for printed in server.stdout if printed.startswith("export "))
                self.surroundings["env"].update(item.split("=", 1) for item in told.split()[1:])
                yield
            finally:
                server.send_signal(signal.SIGINT)

    def seen(self, line: str, beginning: str, act: Callable[[], None]) -> list[str]:
        """Run to the end; act when a line is printed that begins so."""
        with subprocess.Popen(line.split(), start_new_session=True, **self.surroundings) as running:
            assert running.stdout is not None
            lines = []
            for printed in running.stdout:
                lines.append(printed.strip())
                if printed.startswith(beginning):
                    act()
            assert running.wait() == 0, "\n".join(lines)
            return lines

    def killed(self, line: str, beginning: str) -> list[str]:
        """Kill what runs when it prints a line that begins so."""
        with subprocess.Popen(line.split(), start_new_session=True, **self.surroundings) as running:
            assert running.stdout is not None
            lines = []
            for printed in running.stdout:
                lines.append(printed.strip())
                if printed.startswith(beginning):
                    running.kill()
            return lines


def steps_of(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("step ")]
