"""Each example runs, in a process of its own, and says what it should."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.processes import STRICT_PYTHON

ROOT = Path(__file__).parents[2]
HELPERS = {"made_bucket.py"}
SAYS = {
    "numpy_loop.py": "epoch 2: 100% right",
    "train_with_resume.py": "each of 200 samples came once",
    "mix_two_sources.py": "epoch 1: 120 of web, 30 of books",
    "clips_of_media.py": "films (4, 5, 24, 32, 3) uint8\nrecordings (8, 1, 2000) 4000",
}


@pytest.mark.parametrize("name", sorted(SAYS))
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    ran = subprocess.run(
        [*STRICT_PYTHON, ROOT / "examples" / name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stdout
    assert SAYS[name] in ran.stdout


def test_no_example_is_left_out() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {*SAYS, *HELPERS}
