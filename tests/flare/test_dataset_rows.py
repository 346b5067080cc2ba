"""Many rows of a playlist, asked for by number at once: within prefetch_bytes, each chunk once, in their order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.emulator import Emulator, Latency, Memory
from dataflux_core.errors import BadSample
from dataflux_core.flare import Playlist, StreamOptions, StreamSpec
from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.flare.datasets import lines
from tests.flare.read_streams import put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fetching.hostile import Hostile

COUNT, SIZE = 40, 100_000
PREFETCH = 8 * SIZE
AT_ONCE = StreamOptions(patience_s=0)
UNSEEN = 10 * COUNT  # rows of chunks of ten lines


def chunk(number: int, size: int = SIZE) -> bytes:
    """Return ten lines that tell their numbers."""
    plain = lines(range(10 * number, 10 * number + 10))
    return plain[:-2] + b" " * (size - len(plain)) + plain[-2:]


@pytest.fixture(scope="module")
def strict() -> Iterator[Emulator]:
    """A server that refuses whatever is beyond eight requests at once, which take their time."""
    contents = {f"d/{number}": chunk(number) for number in range(COUNT)}
    with Emulator(buckets={"b": Memory(contents)}, latency=Latency(read_s=0.05), max_in_flight=8) as running:
        yield running


def over(url: str, sizes: list[int] | None = None, count: int = COUNT, **keywords: Any) -> StreamingDataset:
    headers: dict[str, Any] = {"encoding": "jsonl", "records": [10] * count} | ({"sizes": sizes} if sizes else {})
    spec = StreamSpec.of("x", [f"{url}/{number}" for number in range(count)], headers)
    return StreamingDataset(Playlist([spec]), stream_options=AT_ONCE, **keywords)


def numbers(samples: list[dict[str, Any]]) -> list[int]:
    return [sample["n"] for sample in samples]


@pytest.mark.parametrize("sizes", [[SIZE] * COUNT, None], ids=["sizes known", "not known"])
def test_no_more_chunks_are_under_way_than_may_be_read_ahead(sizes: list[int] | None, strict: Emulator) -> None:
    strict.reset_requests()
    dataset = over(f"{strict.endpoint}/b/d", sizes, prefetch_bytes=PREFETCH)
    rows = random.Random(1).sample(range(UNSEEN), 200)
    assert numbers(dataset.by_row().__getitems__(rows)) == rows
    assert dataset.stats().requests == COUNT
    with pytest.raises(BadSample, match="429"):
        over(f"{strict.endpoint}/b/d", sizes)[:]


@pytest.mark.parametrize("has_cache", [False, True], ids=["no cache", "a cache"])
def test_chunks_that_turn_out_larger_than_others_are_left_for_another_time(
    has_cache: bool, server: Hostile, tmp_path: Path
) -> None:
    """At no moment has more come than what samples were made of, the bound, and a chunk."""
    small, large, bound = 3, 600_000, 2_000_000
    chunks = [chunk(number, 1000 if number < small else large) for number in range(COUNT)]
    put(server, chunks)
    most = 0.0

    def seen(sample: dict[str, Any]) -> dict[str, Any]:
        nonlocal most
        made_of = sum(map(len, chunks[: sample["n"] // 10]))
        most = max(most, dataset.stats().bytes_read - made_of)
        return sample

    dst = tmp_path / "cache" if has_cache else None
    dataset = over(f"{server.url}/d", dst=dst, prefetch_bytes=bound, transforms=seen)
    assert numbers(dataset[:]) == list(range(UNSEEN))
    assert bound / 2 < most <= bound + large


def test_each_chunk_is_asked_for_once_in_whatever_order_rows_are_named(server: Hostile) -> None:
    put(server, [chunk(number, 1000) for number in range(COUNT)])
    dataset = over(f"{server.url}/d", [1000] * COUNT, prefetch_bytes=4000)
    rows = [number for last in range(10) for number in range(last, UNSEEN, 10)]
    assert numbers(dataset[rows]) == rows
    assert len(server.seen) == COUNT
    assert numbers(dataset[[-1, 0, -1, 0]]) == [UNSEEN - 1, 0, UNSEEN - 1, 0]


def test_rows_of_a_mix_come_in_their_order(server: Hostile) -> None:
    put(server, [chunk(number, 1000) for number in range(COUNT)])
    tables = StreamingDataset([{"n": -number} for number in range(5)], columns_to_load=[])
    mix = MixedDataset([over(f"{server.url}/d", [1000] * COUNT), tables], prefetch_bytes=4000)
    assert numbers(mix[[UNSEEN + 4, 17, UNSEEN + 1, 3]]) == [-4, 17, -1, 3]


def test_streams_side_by_side_share_the_bound(strict: Emulator) -> None:
    url = f"{strict.endpoint}/b/d"
    headers: dict[str, Any] = {"encoding": "jsonl", "records": [10] * COUNT, "sizes": [SIZE] * COUNT}
    specs = [StreamSpec.of(name, [f"{url}/{number}" for number in range(COUNT)], headers) for name in "xy"]
    dataset = StreamingDataset(Playlist(specs), stream_options=AT_ONCE, prefetch_bytes=PREFETCH)
    assert all(sample["x"] == sample["y"] for sample in dataset[::7])


@pytest.mark.parametrize("has_cache", [False, True], ids=["no cache", "a cache"])
def test_a_transform_may_ask_for_rows(has_cache: bool, server: Hostile, tmp_path: Path) -> None:
    put(server, [chunk(number, 1000) for number in range(COUNT)])
    others = over(f"{server.url}/d", [1000] * COUNT, dst=tmp_path / "cache" if has_cache else None)

    def summed(sample: dict[str, Any]) -> dict[str, Any]:
        return {"n": sample["n"] + others[UNSEEN - 1 - sample["n"]]["n"]}

    dst = tmp_path / "cache" if has_cache else None
    dataset = over(f"{server.url}/d", [1000] * COUNT, dst=dst, prefetch_bytes=4000, transforms=summed)
    assert set(numbers(dataset[::9])) == {UNSEEN - 1}


def test_a_chunk_that_is_gone_is_said_of_a_row_in_it(server: Hostile) -> None:
    put(server, [chunk(number, 1000) for number in range(COUNT)])
    del server.behaviours["/d/7"]
    dataset = over(f"{server.url}/d", [1000] * COUNT, prefetch_bytes=4000)
    with pytest.raises(BadSample, match="row 70 .*404"):
        dataset[:]
    assert numbers(dataset[:70]) == list(range(70))
