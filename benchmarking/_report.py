"""Put what was measured on one line of JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarking._measure import Contest, Run


def print_line(question: str, conditions: Mapping[str, Any], contest: Contest, runs: Mapping[str, list[Run]]) -> bool:
    """Print the answer to a question; tell whether our own clients were exact.

    The first of the contest's clients is the one that the others are compared with.
    """
    count = contest.expected.count
    line = {
        "question": question,
        "command": " ".join(["python -m", f"benchmarking.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
        **conditions,
        "objects": count,
        "clients": {label: summary(took, count) for label, took in runs.items()},
        "times_slower_than": times_slower(contest, runs),
        "host": host(),
    }
    print(json.dumps(line))
    ours = [client.label for client in contest.clients if client.peer == "ours"]
    return all(run.exact for label in ours for run in runs[label])


def summary(runs: Sequence[Run], count: int) -> dict[str, Any]:
    """Sum up the runs of one client."""
    good = [run for run in runs if not run.error]
    if not good:
        return {"error": runs[0].error}
    cpu_s = statistics.median(run.cpu_s for run in good)
    return {
        "seconds": [round(run.seconds, 4) for run in good],
        "median_s": round(median_s(runs), 4),
        "cpu_s": round(cpu_s, 4),
        "cpu_us_per_object": round(cpu_s / count * 1e6, 3),
        "server_cpu_s": round(statistics.median(run.server_cpu_s for run in good), 4),
        "calls": dict(good[-1].calls or {}),
        "exact": all(run.exact for run in runs),
    }


def times_slower(contest: Contest, runs: Mapping[str, list[Run]]) -> dict[str, Any]:
    """Compare the medians with our first client's; below 1 that client was quicker."""
    medians_s = {label: median_s(took) for label, took in runs.items() if not any(run.error for run in took)}
    base, *others = [client for client in contest.clients if client.label in medians_s]
    ratios: dict[str, Any] = {other.label: round(medians_s[other.label] / medians_s[base.label], 2) for other in others}
    for peer in dict.fromkeys(client.peer for client in others):
        labels = [client.label for client in others if client.peer == peer]
        if len(labels) > 1 and peer != base.peer:
            best = min(labels, key=medians_s.__getitem__)
            ratios[f"best of {peer}"] = {"label": best, "ratio": ratios[best]}
    return {base.label: ratios}


def median_s(runs: Sequence[Run]) -> float:
    """Return the median of the seconds."""
    return statistics.median(run.seconds for run in runs)


def host() -> dict[str, Any]:
    """Say where this was measured."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "load": round(os.getloadavg()[0], 2),  # of the last minute, this benchmark's own included
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "commit": commit(),
    }


def commit() -> str:
    """Name the commit, with a + where the tree differs from it."""
    found = subprocess.run(["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False)  # noqa: S607
    return found.stdout.strip()
