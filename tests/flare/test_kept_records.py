"""Records that are kept for the next who asks stay as they were, whoever asks, however many do."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dataflux_core.flare import Playlist
from dataflux_core.streaming import StreamingDataset
from tests.fetching.hostile import Hostile
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
