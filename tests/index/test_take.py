"""Rows are taken in any order, exactly, from wherever they lie."""

from __future__ import annotations

import gc
import pickle
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._data.index import mapped, parquet_index, row_groups, scratch
from dataflux_core._data.index.parquet_index import ParquetIndex
from tests.index.sources import Row, all_rows, opened, write_parquet

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from dataflux_core._data.index.sample_index import SampleIndex

ROWS: list[Row] = [
    {"id": str(number), "n": number, "some": None if number % 3 else "x" * number} for number in range(50)
]


@pytest.fixture(
    params=[
        "in memory",
        "mapped",
        "mapped in chunks",
        "row groups",
        "row groups held one at a time",
        "row groups too large to hold",
        "three files",
    ]
)
def index(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleIndex:
    """The same fifty rows, however they are kept."""
    if request.param in {"mapped", "mapped in chunks"}:
        monkeypatch.setattr(mapped, "_SMALL_BYTES", 0)
    if request.param == "mapped in chunks":
        monkeypatch.setattr(mapped, "_CHUNK_ROWS", 7)
        table = pa.concat_tables([pa.Table.from_pylist(ROWS[start : start + 5]) for start in range(0, 50, 5)])
        return opened(table)
    if request.param in {"in memory", "mapped"}:
        return opened(ROWS)
    if request.param == "three files":
        for number in range(3):
            write_parquet(ROWS[number * 20 : number * 20 + 20], tmp_path / f"{number}.parquet", group=6)
        return opened(tmp_path / "*.parquet")
    held = {"row groups": 10**9, "row groups held one at a time": 700, "row groups too large to hold": 1}
    monkeypatch.setattr(row_groups.RowGroups.__init__, "__defaults__", (held[request.param],))
    return opened(write_parquet(ROWS, tmp_path / "a.parquet", group=7))


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="none"),
        pytest.param([0], id="the first"),
        pytest.param([49, 0, 49, 7, 6], id="any order, repeats"),
        pytest.param(list(range(50)), id="all"),
        pytest.param(list(range(5, 40)), id="a slice over several groups"),
        pytest.param(list(range(49, -1, -1)), id="backwards"),
        pytest.param([3] * 20, id="one, many times"),
    ],
)
def test_rows_come_in_the_order_asked_for(index: SampleIndex, rows: list[int]) -> None:
    for _ in range(3):  # held by then, or copied
        assert index.take(np.array(rows, np.int64)).to_pylist() == [ROWS[row] for row in rows]


@pytest.mark.parametrize("rows", [[50], [-1], [0, 99], [2**62]])
def test_a_row_out_of_range_is_an_index_error(index: SampleIndex, rows: list[int]) -> None:
    with pytest.raises(IndexError, match="out of range for 50 samples"):
        index.take(np.array(rows))


@pytest.mark.parametrize("rows", [np.array([0.5]), np.array([[1]]), np.array(["1"])])
def test_rows_are_whole_numbers_in_one_dimension(index: SampleIndex, rows: NDArray[np.int64]) -> None:
    with pytest.raises(TypeError, match="rows are taken by whole numbers"):
        index.take(rows)


def test_a_pickled_index_is_the_same(index: SampleIndex) -> None:
    again = pickle.loads(pickle.dumps(index))
    assert (again.fingerprint, again.columns, again.home.base) == (index.fingerprint, index.columns, index.home.base)
    assert all_rows(again) == all_rows(index) == ROWS


def test_batches_are_all_rows_in_order(index: SampleIndex) -> None:
    assert pa.Table.from_batches(list(index.batches())).to_pylist() == ROWS
    numbers = pa.Table.from_batches(list(index.batches(["n"])))
    assert (numbers.column_names, numbers.column("n").to_pylist()) == (["n"], list(range(50)))


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6), st.lists(st.integers(0, 10**6), max_size=40), st.integers(1, 5)
)
@settings(max_examples=60, deadline=None)
def test_any_rows_of_any_files_are_those_of_one_table(files: list[int], picks: list[int], group: int) -> None:
    total = sum(files)
    rows = [pick % total for pick in picks]
    with tempfile.TemporaryDirectory() as directory:
        first = 0
        for number, count in enumerate(files):
            table = pa.table({"n": list(range(first, first + count))})
            pq.write_table(table, Path(directory) / f"{number}.parquet", row_group_size=group)
            first += count
        index = opened(f"{directory}/*.parquet")
        assert len(index) == total
        assert index.take(np.array(rows, np.int64)).column("n").to_pylist() == rows


def test_random_rows_are_taken_from_a_copy_once_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_index, "MIN_COPY_BYTES", 1)
    monkeypatch.setattr(row_groups.RowGroups.__init__, "__defaults__", (1,))
    index = opened(write_parquet(ROWS, tmp_path / "a.parquet", group=5))
    assert isinstance(index, ParquetIndex)
    other = pickle.loads(pickle.dumps(index))
    copy = index._footers.copies / "decoded.arrow"
    for start in range(0, 50, 10):
        index.take(np.arange(start, start + 10))
    assert not copy.exists()  # in order each row group is decoded once
    order = np.random.default_rng(0).permutation(50)
    assert index.take(order).to_pylist() == [ROWS[row] for row in order]
    assert copy.exists()
    index.take(np.array([0]))
    other.take(np.array([0]))  # finds the copy, which is as good as the file
    (tmp_path / "a.parquet").unlink()
    assert other.take(order).to_pylist() == [ROWS[row] for row in order]
    del index
    gc.collect()
    assert not copy.exists()


def test_a_copy_that_another_process_is_slow_to_make_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_index, "MIN_COPY_BYTES", 1)
    monkeypatch.setattr(row_groups.RowGroups.__init__, "__defaults__", (1,))
    waits: list[float] = []

    def locked(path: Path, *, wait_s: float) -> AbstractContextManager[bool]:
        waits.append(wait_s)
        return scratch.locked(path)

    monkeypatch.setattr(parquet_index, "locked", locked)
    index = opened(write_parquet(ROWS, tmp_path / "a.parquet", group=5))
    assert isinstance(index, ParquetIndex)
    copies = index._footers.copies
    (copies / "decoded.arrow.lock").touch()
    order = np.random.default_rng(0).permutation(50)
    with scratch.locked(copies / "decoded.arrow.lock") as is_ours:
        assert is_ours
        for _ in range(3):
            assert index.take(order).to_pylist() == [ROWS[row] for row in order]
    assert waits == [60.0]
    pickle.loads(pickle.dumps(index)).take(order)
    assert (copies / "decoded.arrow").exists()
    (tmp_path / "a.parquet").unlink()
    assert index.take(order).to_pylist() == [ROWS[row] for row in order]  # it still looks whether one is there


def test_without_room_for_a_copy_rows_are_taken_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_index, "MIN_COPY_BYTES", 1)
    monkeypatch.setattr(parquet_index, "MAX_COPY_BYTES", 1)
    index = opened(write_parquet(ROWS, tmp_path / "a.parquet", group=5), scratch=str(tmp_path))
    order = np.random.default_rng(0).permutation(50)
    for _ in range(3):
        assert index.take(order).to_pylist() == [ROWS[row] for row in order]
    assert not list(tmp_path.glob("**/*.arrow"))
