from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarking" / "emulator_cost.py"


def test_the_benchmark_prints_one_line() -> None:
    output = subprocess.check_output([sys.executable, str(SCRIPT), "--smoke"], text=True)
    figures = json.loads(output)
    assert figures["page_sequential_us"] > 0
    assert figures["read_memory_us"] > 0
