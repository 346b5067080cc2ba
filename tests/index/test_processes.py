"""An index is shared by processes of every kind; its copies go when it does."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflux_core._data.index import row_groups
from dataflux_core.errors import IndexUnusable
from tests.index.sources import opened, write_parquet

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from dataflux_core._data.index.sample_index import SampleIndex

COUNT = 40_000
TEXT = "x" * 60


def large(scratch: Path) -> SampleIndex:
    """An index that is mapped: two and a half megabytes."""
    return opened(pa.table({"n": np.arange(COUNT), "text": [TEXT] * COUNT}), scratch=str(scratch))


def lazy(scratch: Path) -> SampleIndex:
    path = scratch / "index.parquet"
    pq.write_table(pa.table({"n": np.arange(COUNT), "text": [TEXT] * COUNT}), path, row_group_size=1000)
    return opened(path, scratch=str(scratch))


def answer(index: SampleIndex, ours: Connection) -> None:
    order = np.random.default_rng(0).permutation(COUNT)
    taken = [index.take(order[start : start + 5000]).column("n").to_numpy() for start in range(0, COUNT, 5000)]
    ours.send((index.fingerprint, bool(np.array_equal(np.concatenate(taken), order))))
    ours.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("make", [large, lazy])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_of_every_kind_take_from_one_index(method: str, make: object, tmp_path: Path) -> None:
    index: SampleIndex = make(tmp_path)  # type: ignore[operator]
    index.take(np.arange(10))  # so that a fork inherits what has begun
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    processes = [context.Process(target=answer, args=(index, theirs)) for _ in range(2)]  # type: ignore[attr-defined]
    for process in processes:
        process.start()
    for _ in processes:
        assert ours.poll(60)
        assert ours.recv() == (index.fingerprint, True)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert list(tmp_path.glob("dataflux-index-*"))
    del index
    gc.collect()
    assert not list(tmp_path.glob("dataflux-index-*"))


def test_a_large_index_is_pickled_as_a_path(tmp_path: Path) -> None:
    index = large(tmp_path)
    assert len(pickle.dumps(index)) < 500
    small = opened([{"a": 1}])
    assert len(pickle.dumps(small)) < 2000


def test_a_copy_that_is_gone_is_named(tmp_path: Path) -> None:
    pickled = pickle.dumps(large(tmp_path))
    gc.collect()
    with pytest.raises(IndexUnusable, match="the copy of the index is gone; keep the dataset"):
        pickle.loads(pickled)


def test_what_was_mapped_before_its_maker_was_gone_stays(tmp_path: Path) -> None:
    index = large(tmp_path)
    again = pickle.loads(pickle.dumps(index))
    del index
    gc.collect()
    assert not list(tmp_path.glob("dataflux-index-*"))
    assert again.take(np.array([COUNT - 1])).to_pylist() == [{"n": COUNT - 1, "text": TEXT}]


def test_threads_take_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups.RowGroups.__init__, "__defaults__", (200_000,))
    index = lazy(tmp_path)

    def right(seed: int) -> bool:
        rows = np.random.default_rng(seed).integers(0, COUNT, 500)
        return bool(np.array_equal(index.take(rows).column("n").to_numpy(), rows))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(right, range(24)))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_another_thread_decodes_is_not_stuck(tmp_path: Path) -> None:
    index = lazy(tmp_path)
    index.take(np.array([0]))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with index._decoding._groups._files.lock:  # type: ignore[attr-defined]
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    pid = os.fork()
    if not pid:
        signal.alarm(30)
        os._exit(0 if index.take(np.array([COUNT - 1])).num_rows == 1 else 1)
    _, status = os.waitpid(pid, 0)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


SCRIPT = """
import os, signal, sys, numpy as np, pyarrow as pa
from dataflux_core._data.index.opening import open_index
from dataflux_core._data.index.sample_index import IndexOptions
index = open_index(pa.table({"n": np.arange(10**6)}), IndexOptions(scratch=sys.argv[1]))
pid = os.fork()
if not pid:
    sys.exit(0)
os.waitpid(pid, 0)
assert index.take(np.array([5])).num_rows == 1
assert len(os.listdir(sys.argv[1])) == 1
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("end", "left"), [("exit", 0), ("kill", 1)])
def test_copies_go_when_their_maker_ends_or_when_the_next_one_needs_some(end: str, left: int, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path), end], check=not left, timeout=60)
    assert len(list(tmp_path.iterdir())) == left
    index = large(tmp_path)
    other = large(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert index.fingerprint == other.fingerprint


def open_files() -> int:
    listed = Path("/proc/self/fd")  # of Linux
    return len(list(listed.iterdir())) if listed.is_dir() else 0


def test_opening_and_dropping_leaves_no_file_open(tmp_path: Path) -> None:
    def once() -> None:
        write_parquet([{"a": number} for number in range(100)], tmp_path / "a.parquet")
        opened(tmp_path / "a.parquet").take(np.array([1]))
        large(tmp_path)

    once()
    gc.collect()
    before = open_files()
    for _ in range(5):
        once()
    gc.collect()
    assert open_files() <= before
