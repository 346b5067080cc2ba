"""Records that are kept for the next who asks stay as they were, whoever asks, however many do."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

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
            may_go_on.wait(10)
        return opened(maker, *arguments)

    monkeypatch.setattr(RecordOf, "_opened", late)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(dataset.__getitem__, 0)
        has_begun.wait(10)
        second = threads.submit(dataset.__getitem__, 1)
        done, _ = wait([second], timeout=0.5)  # it has to wait for the first
        may_go_on.set()
        assert (first.result(10), second.result(10), dataset[0]) == ({"n": 0}, {"n": 1}, {"n": 0})
        assert not done
