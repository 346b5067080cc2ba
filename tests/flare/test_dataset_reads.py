"""What a dataset reads of chunks is its own, is read again after an error, is bounded, ends when it is left."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from dataflux_core.flare import Playlist
from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.fetching.hostile import Hostile
from tests.flare.datasets import lines
from tests.flare.read_streams import put, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


def numbered_from(server: Hostile, start: int) -> StreamingDataset:
    chunks = [lines(range(start, start + 4))]
    urls = put(server, chunks, f"from-{start}")
    return StreamingDataset(Playlist([spec_of(urls, chunks, encoding="jsonl", records=[4])]))


def test_a_mix_never_gives_rows_of_a_dataset_that_is_gone(server: Hostile) -> None:
    """Mixes read with what their first dataset reads with, whose shelf outlives the second."""
    first = numbered_from(server, 0)
    for start in range(100, 1600, 100):
        mix = MixedDataset([first, numbered_from(server, start)])
        assert [mix[row]["n"] for row in range(4, 8)] == list(range(start, start + 4))
        del mix
        gc.collect()
