"""Records that are kept for the next who asks stay as they were, whoever asks, however many do."""

from __future__ import annotations

import gc
import gzip
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dataflux_core._data.flare.chunk_records import ChunkRecords, RawRecords
from dataflux_core._data.flare.sample_decoders import RecordOf
from dataflux_core.flare import Playlist
from dataflux_core.streaming import StreamingDataset
from tests.fetching.hostile import Hostile
from tests.flare.datasets import lines
from tests.flare.read_streams import put, spec_of
from tests.flare.test_read_records import npz, parquet

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def in_place(sample: dict[str, Any]) -> dict[str, Any]:
    """Work on what came as many transforms do."""
    for column, value in sample.items():
        if isinstance(value, list):
            value.append(0)
        elif isinstance(value, dict):
            value["a"].append(0)
        elif isinstance(value, np.void):
            value["a"] += 1
        else:
            sample[column] /= 2
    return sample


PAIRS = np.array([(1, 2), (3, 4)], [("a", "i4"), ("b", "i4")])


@pytest.mark.parametrize(
    ("encoding", "chunk"),
    [
        pytest.param("npy", npy(np.full((2, 3), 64.0)), id="rows of an array"),
        pytest.param("npy", npy(PAIRS), id="rows of an array that have names"),
        pytest.param("npz", npz(n=np.full((2, 3), 64.0)), id="rows of several arrays"),
        pytest.param("parquet", parquet([{"n": [1]}, {"n": [2]}]), id="rows with lists"),
        pytest.param("parquet", parquet([{"n": {"a": [1]}}, {"n": {"a": [2]}}]), id="rows with structs"),
    ],
)
def test_what_a_transform_does_in_place_is_not_seen_by_the_next(server: Hostile, encoding: str, chunk: bytes) -> None:
    spec = spec_of(put(server, [chunk], "kept"), [chunk], encoding=encoding, records=[2])
    dataset = StreamingDataset(Playlist([spec]), transforms=in_place)
    assert len({repr(dataset[0]) for _ in range(3)}) == 1


def test_two_threads_that_open_a_chunk_at_once_both_get_their_records(
    server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(put(server, [lines([0, 1])], "raced"), [lines([0, 1])], encoding="jsonl", records=[2])
    dataset = StreamingDataset(Playlist([spec]))
    opened, has_begun, may_go_on = RecordOf._opened, threading.Event(), threading.Event()

    def late(maker: RecordOf, *arguments: Any) -> Any:
        if not has_begun.is_set():
            has_begun.set()
            may_go_on.wait(60)
        return opened(maker, *arguments)

    monkeypatch.setattr(RecordOf, "_opened", late)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(dataset.__getitem__, 0)
        has_begun.wait(60)
        second = threads.submit(dataset.__getitem__, 1)
        done, _ = wait([second], timeout=0.5)  # it has to wait for the first
        may_go_on.set()
        assert (first.result(60), second.result(10), dataset[0]) == ({"n": 0}, {"n": 1}, {"n": 0})
        assert not done


UNFOLDED_BYTES = 2**20


@pytest.mark.parametrize("encoding", ["raw", "jsonl"])
@pytest.mark.parametrize("is_by_row", [False, True], ids=["an epoch", "rows by number"])
def test_what_chunks_unfold_to_is_bounded(server: Hostile, encoding: str, *, is_by_row: bool) -> None:
    """Some KiB each unfold to a MiB; of an epoch few MiB may be held, of rows asked for by number 64."""
    said: dict[str, Any] = {"encoding": encoding}
    content = json.dumps("0" * (UNFOLDED_BYTES // 4 - 3)).encode() + b"\n"
    if encoding == "raw":
        said |= {"dtype": "uint8", "shape": [UNFOLDED_BYTES // 4]}
        content = bytes(UNFOLDED_BYTES // 4)
    chunks = [gzip.compress(content * 4)] * 90
    spec = spec_of(put(server, chunks, encoding), chunks, records=[4] * 90, compression="gzip", **said)
    dataset = StreamingDataset(Playlist([spec]), prefetch_bytes=8 * UNFOLDED_BYTES)
    most = 0
    gc.collect()  # what earlier tests have left
    for at, _ in enumerate((dataset[row] for row in range(0, 360, 4)) if is_by_row else dataset):
        if at % 10 == 0:
            most = max(most, sum(type(each) in {RawRecords, ChunkRecords} for each in gc.get_objects()))
    assert most <= (66 if is_by_row else 12)
