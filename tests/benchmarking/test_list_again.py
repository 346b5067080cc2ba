from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_listing_again_answers_on_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarking.list_again", "--smoke"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["exact"]
    assert answer["refresh"]["calls"] <= answer["floor_calls"] + 1 <= answer["cold"]["calls"]
