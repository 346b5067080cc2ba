"""The tutorial on training does what it says, read from top to bottom by somebody who types it in."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.docs.test_documents import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = ROOT / "docs/tutorial/train-from-a-bucket.md"
KILLED_AT = 23
STEPS = 38


class Reader:
    """Somebody at a terminal."""

    def __init__(self, directory: Path) -> None:
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])  # noqa: PTH120 - links stay
        self.surroundings: dict[str, Any] = {
            "cwd": directory,
            "env": {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
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

    def killed(self, line: str) -> list[str]:
        """Kill a training once it has come so far."""
        with subprocess.Popen(line.split(), start_new_session=True, **self.surroundings) as training:
            assert training.stdout is not None
            lines = []
            for printed in training.stdout:
                lines.append(printed.strip())
                if printed.startswith(f"step {KILLED_AT} "):
                    training.kill()
            return lines


def steps_of(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("step ")]


@pytest.mark.timeout(600)
def test_a_killed_training_goes_on_to_the_same_loss(tmp_path: Path) -> None:
    page = PAGE.read_text()
    for name, script in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(script)
    reader = Reader(tmp_path)
    make, serve, index, look, train, forget, again, go_on = re.findall(r"^\$ (.*)$", page, flags=re.MULTILINE)
    reader.run(make)
    with reader.served(serve):
        assert reader.run(index).startswith("300 samples, 9 columns")
        assert reader.run(look).startswith("300 0000 (32, 32, 3) red")
        unbroken = steps_of(reader.run(train).splitlines())
        assert len(unbroken) == STEPS
        reader.run(forget)
        broken = steps_of(reader.killed(again))
        assert KILLED_AT <= len(broken) < STEPS
        assert broken == unbroken[: len(broken)]
        resumed = reader.run(go_on).splitlines()
    kept = len(broken) // 5 * 5  # a checkpoint every five steps
    assert resumed[0] == f"going on after step {kept}, in epoch 1"
    assert steps_of(resumed) == unbroken[kept:]
