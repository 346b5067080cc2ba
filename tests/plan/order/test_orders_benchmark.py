"""The benchmark of the orders answers, its answers are what the orders promise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_benchmark_of_the_orders_answers_on_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarking.order_quality", "--smoke", "--picture", str(tmp_path / "order.png")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert all(took > 0 for took in answer["us_per_id"].values())
    labels = answer["labels_in_a_batch"]
    assert abs(labels["1"] - answer["labels_at_best"]) < 4
    assert labels["10"] > 1.5 * labels["100"]
    hits = answer["hits_of_second_epoch"]
    assert hits["the same share, what came first stays"][-1] == 1
    assert max(hits["any share, what came first stays"]) < 0.3
    assert (tmp_path / "order.png").stat().st_size > 10_000
