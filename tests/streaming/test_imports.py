"""What importing costs and brings along; torch before, after, or never."""

from __future__ import annotations

import subprocess

import pytest

from tests.processes import STRICT_PYTHON

_LOADS = "from torch.utils.data import DataLoader\n"
_MAKES = """
from dataflux_core.streaming import StreamingDataset
dataset = StreamingDataset([{"n": n} for n in range(20)], columns_to_load=[], shuffle=True, rank=1, world=2)
"""
_NO_TORCH = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchdata", "av", "PIL", "obstore"}:
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Refusing())
"""


def ran(script: str) -> str:
    done = subprocess.run(
        [*STRICT_PYTHON, "-c", script],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_brings_neither_torch_nor_decoders_and_starts_nothing() -> None:
    """Of pandas nothing is said: pyarrow imports it where it is installed."""
    script = """
import logging, signal, sys, threading
before = signal.getsignal(signal.SIGINT), threading.active_count(), logging.getLogger().level
import dataflux_core.streaming
assert (signal.getsignal(signal.SIGINT), threading.active_count(), logging.getLogger().level) == before
assert not logging.getLogger().handlers
heavy = {"torch", "torchdata", "av", "PIL", "obstore", "polars", "click", "uvloop", "matplotlib"}
print(sorted(heavy & set(sys.modules)))
"""
    assert ran(script).strip() == "[]"


def test_a_dataset_does_all_without_torch() -> None:
    script = (
        _NO_TORCH
        + _MAKES
        + """
first = [sample["n"] for sample in dataset]
assert len(first) == len(dataset) == 10
iterator = iter(dataset)
seen = [next(iterator)["n"] for _ in range(4)]
dataset.load_state_dict(dataset.state_dict())
rest = [number for batch in dataset.batches(4) for number in batch["n"].tolist()]
assert len(set(seen + rest)) == 10
print(dataset[-1], dataset.state_dict()["epoch"])
"""
    )
    assert ran(script).strip() == "{'n': 19} 2"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(_LOADS + _MAKES, id="before a dataset is made"),
        pytest.param(_MAKES + "assert 'torch' not in sys.modules\n" + _LOADS, id="after a dataset was made"),
    ],
)
def test_torch_may_be_imported(script: str) -> None:
    """Else a loader would take the dataset for one that is asked row by row: all rows, in order, on every rank."""
    check = """
given = [sorted(number for batch in DataLoader(dataset, 3, num_workers=workers) for number in batch["n"].tolist())
         for workers in (0, 2)]
again = StreamingDataset([{"n": n} for n in range(20)], columns_to_load=[], shuffle=True, rank=1, world=2)
assert given == [sorted(sample["n"] for sample in again) for _ in range(2)], given
assert dataset.state_dict()["epoch"] == 2
assert isinstance(dataset, StreamingDataset)
"""
    ran("import sys\n" + script + check)
