"""A model trained on a bucket, killed and gone on with: the same losses and weights, each sample once."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from dataflux_core.emulator import Emulator, Memory
from tests.processes import wait_until
from tests.streaming.loaders import Cell
from tests.streaming.streams import MANY_WORKERS
from tests.streaming.training import EPOCHS, train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = MANY_WORKERS

COUNT = 30
_WORKERS_S = 180.0  # for eight workers to import torch each, on a machine with fewer cores
SAMPLES = sorted((epoch, number) for epoch in range(EPOCHS) for number in range(COUNT))


def array(number: int) -> bytes:
    file = io.BytesIO()
    np.save(file, np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8))
    return file.getvalue()


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    index = "url,n\n" + "".join(f"gs://demo/{number}.npy,{number}\n" for number in range(COUNT))
    objects = {"index.csv": index.encode(), **{f"{number}.npy": array(number) for number in range(COUNT)}}
    with Emulator(buckets={"demo": Memory(objects)}) as running:
        yield running


def start(gcs: Emulator, folder: Path, cell: Cell, steps: int = 0) -> subprocess.Popen[bytes]:
    told = [str(folder), "gs://demo/index.csv", str(cell.workers), cell.method, str(steps)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.streaming.training", *told],
        env={**os.environ, **gcs.environ},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(gcs: Emulator, folder: Path, cell: Cell) -> dict[str, Any]:
    """Go on to the end, in this process."""
    os.environ.update(gcs.environ)
    return train(folder, "gs://demo/index.csv", cell.workers, cell.method)


def is_same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    weights = zip(first["model"].values(), second["model"].values(), strict=True)
    return first["losses"] == second["losses"] and all(torch.equal(one, other) for one, other in weights)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("workers", "steps"),
    [
        (2, 5),
        (0, 11),
        *(pytest.param(workers, steps, marks=pytest.mark.matrix) for workers in (0, 1, 3) for steps in (1, 8, 9)),
    ],
)
def test_a_model_killed_midway_ends_as_one_that_was_not(
    gcs: Emulator, tmp_path: Path, workers: int, steps: int
) -> None:
    """Bit for bit: in the same cell batches, losses and weights are those of an unbroken run."""
    cell = Cell(1, workers)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = finish(gcs, tmp_path / "whole", cell)
    assert sorted(whole["seen"]) == SAMPLES
    killed = start(gcs, tmp_path / "killed", cell, steps)
    _, said = killed.communicate(timeout=100)
    assert killed.returncode == -signal.SIGKILL, said.decode()
    done = finish(gcs, tmp_path / "killed", cell)
    assert done["seen"] == whole["seen"]
    assert is_same(done, whole)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("cells", "seed"),
    [
        ([Cell(1, 2), Cell(1, 0)], 0),
        *(
            pytest.param([Cell(1, first, method), Cell(1, then, method), Cell(1, 0)], seed, marks=pytest.mark.matrix)
            for first, then in ((0, 8), (2, 8), (8, 2), (8, 8))
            for method in ("fork", "spawn", "forkserver")
            for seed in range(2)
        ),
    ],
    ids=str,
)
@pytest.mark.timeout(500)
def test_killed_at_any_moment_each_sample_is_trained_on_once(
    gcs: Emulator, tmp_path: Path, cells: list[Cell], seed: int
) -> None:
    """What the last checkpoint says and what follows it are every sample of every epoch, once."""
    luck = random.Random(seed)
    checkpoint = tmp_path / "checkpoint.pt"
    for cell in cells[:-1]:
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = start(gcs, tmp_path, cell)
        assert wait_until(
            lambda before=before, process=process: (
                process.poll() is not None  # type: ignore[misc]
                or (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before)
            ),
            _WORKERS_S,
        )
        for _ in range(luck.randrange(20_000)):  # any moment: between two checkpoints or in the middle of one
            checkpoint.stat()
        process.kill()
        process.wait()
        # Of any dataset: torch's workers ask whether their parent is another than at their start. A forkserver stays;
        # those that were starting when theirs was killed never had it.
        if cell.method != "fork":
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert sorted(finish(gcs, tmp_path, cells[-1])["seen"]) == SAMPLES
