"""Rows that are asked for by number: what is bad is said and counted, what is no number is refused."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dataflux_core.errors import BadSample, InvalidArgument, TooManyBadSamples
from dataflux_core.streaming import StreamingDataset
from tests.processes import PATIENCE_S
from tests.streaming.streams import filed, numbered, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("raise", id="raise"),
        pytest.param("skip", id="skip"),
        pytest.param(lambda bad, partial: None, id="a function that leaves it out"),  # noqa: ARG005 - as it is called
    ],
)
def test_a_bad_row_raises_whatever_loops_do_about_it(policy: Any, tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 3, bad=[1], on_bad_sample=policy)
    with pytest.raises(BadSample, match="row 1 ") as caught:
        dataset[1]
    assert isinstance(caught.value.__cause__, ValueError)
    assert dataset.stats().bad_samples == 1
    assert numbers(dataset[[0, 2]]) == [0, 2]


def test_a_row_is_mended_by_a_function(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 3, bad=[1], on_bad_sample=lambda bad, partial: {**partial, "n": -bad.row})
    assert dataset[1]["n"] == -1


def test_rows_that_are_filled_are_counted_and_limited(tmp_path: Path) -> None:
    dataset = filed(
        tmp_path / "f", 3, bad=[1], on_bad_sample="fill", fill_value={"url": None}, max_bad_samples=3, shuffle=False
    )
    for _ in range(3):
        assert dataset[1]["url"] is None
    assert dataset.stats().bad_samples == 3
    with pytest.raises(TooManyBadSamples, match="4 bad samples altogether, 3 are allowed"):
        dataset[1]


def test_bad_rows_of_many_threads_are_all_counted(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 3, bad=[1], on_bad_sample="fill", fill_value={"url": None}, max_bad_in_a_row=None)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: dataset[1], range(64)))
    assert dataset.stats().bad_samples == 64


@pytest.fixture
def impatient() -> Iterator[None]:
    """Let threads take turns as often as the interpreter can."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual_s)


@pytest.mark.usefixtures("impatient")
def test_threads_that_ask_at_once_share_one_reader_and_one_count(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 2, bad=[1], on_bad_sample="fill", fill_value={"url": None}, max_bad_in_a_row=None)
    for _ in range(40):
        again = pickle.loads(pickle.dumps(dataset))  # which has read nothing yet
        at_once = threading.Barrier(8)

        def ask(_: int, again: Any = again, at_once: threading.Barrier = at_once) -> None:
            at_once.wait()
            again[1]

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(ask, range(8)))
        assert len(again._feed.resources._readers) == 1
        assert again.stats().bad_samples == 8
        again.close()
        assert again._feed.resources._readers == []


def tell_of(dataset: StreamingDataset, writing: Connection) -> None:
    writing.send((dataset[0]["url"], dataset.stats().bad_samples, dataset.stats().bytes_read))


def test_a_forked_child_reads_rows_though_its_parents_locks_are_held(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 3, bad=[1], on_bad_sample="fill", fill_value={"url": None})
    dataset[1]
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with dataset._feed.resources._lock, dataset._feed.row_makers._lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    reading, writing = multiprocessing.get_context("fork").Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=tell_of, args=(dataset, writing))
    try:
        child.start()
        assert reading.poll(PATIENCE_S), "the child waits for ever"
        assert reading.recv() == ([0], 0, 3)
    finally:
        done.set()
        holder.join()
        child.kill()
        child.join()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param([1.5], "row 1.5: rows are asked for by whole numbers, not float", id="a fraction"),
        pytest.param(["0"], "row '0': rows are asked for by whole numbers, not str", id="a text"),
        pytest.param([None], "row None: .* not NoneType", id="nothing"),
        pytest.param(True, "row True: rows are asked for by whole numbers, not by a mask", id="a truth value"),
        pytest.param([True, False], "not by a mask", id="a mask"),
        pytest.param(np.array([True, False]), "not by a mask", id="a mask of numpy"),
        pytest.param(np.array([0.0]), "not float64", id="fractions of numpy"),
        pytest.param(1.5, "not float", id="a fraction alone"),
    ],
)
def test_what_is_no_row_is_refused(rows: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        numbered(3)[rows]


def test_whole_numbers_of_any_kind_are_rows() -> None:
    dataset: Any = numbered(5)
    assert numbers(dataset[np.array([0, -1])]) == [0, 4]
    assert dataset[np.uint8(3)]["n"] == 3
    assert dataset[np.array(2)]["n"] == 2


def test_rows_that_give_several_samples_are_for_loops() -> None:
    dataset = StreamingDataset([{"n": 0}], columns_to_load=[], transforms=lambda sample: [sample, sample])
    with pytest.raises(InvalidArgument, match="2 samples for row 0"):
        dataset[0]
