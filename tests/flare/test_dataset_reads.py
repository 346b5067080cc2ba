"""What a dataset reads of chunks is its own, is read again after an error, is bounded, ends when it is left."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from dataflux_core.flare import Playlist, StreamSpec
from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.flare.datasets import lines
from tests.flare.read_streams import put, spec_of
from tests.processes import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fetching.hostile import Hostile


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


@pytest.mark.parametrize("small", [0, 1, 4], ids=lambda small: f"after {small} small ones")
@pytest.mark.parametrize("records", [1, 2], ids=["a record each", "two records each"])
@pytest.mark.parametrize("has_cache", [False, True], ids=["no cache", "a cache"])
def test_large_chunks_of_unknown_size_wait_for_room(
    server: Hostile, small: int, records: int, has_cache: bool, tmp_path: Path
) -> None:
    size, bound = 200_000, 1_000_000
    line = lines([1])
    chunks = [line * records] * small + [b'{"n": "' + b"x" * size + b'"}\n' + line * (records - 1)] * 30
    spec = StreamSpec.of("x", put(server, chunks), {"encoding": "jsonl", "records": [records] * len(chunks)})
    dst = tmp_path / "cache" if has_cache else None
    for _ in range(1 + has_cache):  # over the network, then from the disk
        dataset = StreamingDataset(Playlist([spec]), dst, prefetch_bytes=bound)
        iterator, taken = iter(dataset), 0

        def has_too_much() -> bool:
            large = max(0, taken // records - small)  # noqa: B023 - as it is now
            stats = dataset.stats()  # noqa: B023
            return stats.bytes_read + stats.cache_bytes > bound + size * (large + 4)

        for taken in range(1, len(chunks) * records + 1):
            assert next(iterator)["n"]
            assert not has_too_much()
            if taken in (1, small * records + 1, (small + 5) * records):
                assert not wait_until(has_too_much, 0.3)
    assert len(server.seen) <= 2 * len(chunks)


def test_who_waits_for_room_keeps_nothing_of_the_cache_from_others(server: Hostile, tmp_path: Path) -> None:
    """One consumer has stopped; another one of the same node gets all, at once."""
    chunks = [lines([number]) for number in range(4)] + [b'{"n": "' + b"x" * 400_000 + b'"}\n'] * 16
    spec = StreamSpec.of("x", put(server, chunks), {"encoding": "jsonl", "records": [1] * len(chunks)})
    datasets = [StreamingDataset(Playlist([spec]), tmp_path / "cache", prefetch_bytes=1_000_000) for _ in range(2)]
    stopped = iter(datasets[0])
    for _ in range(5):
        next(stopped)
    assert sum(1 for _ in datasets[1]) == len(chunks)
    assert sum(1 for _ in stopped) == len(chunks) - 5
