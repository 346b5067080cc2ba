"""Playlists of numbers, which tell at a glance what came of them, how often."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflux_core.flare import Playlist
from dataflux_core.streaming import StreamingDataset
from tests.flare.read_streams import spec_of, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from dataflux_core.flare import StreamSpec

COUNT = 103
CUTS = (10, 0, 25, 3, 40, 25)  # records of each chunk


def lines(numbers: Iterable[int]) -> bytes:
    return b"".join(json.dumps({"n": number}).encode() + b"\n" for number in numbers)


def cut(counts: Sequence[int] = CUTS) -> Iterator[range]:
    """Yield the numbers of each chunk."""
    start = 0
    for count in counts:
        yield range(start, start + count)
        start += count


def json_chunks(counts: Sequence[int] = CUTS) -> list[bytes]:
    return [lines(numbers) for numbers in cut(counts)]


def raw_chunks(counts: Sequence[int]) -> list[bytes]:
    return [np.arange(numbers.start, numbers.stop, dtype="<f4").tobytes() for numbers in cut(counts)]


def numbered_spec(
    url: str, counts: Sequence[int] = CUTS, name: str = "x", *, has_records: bool = True, **headers: Any
) -> StreamSpec:
    """Describe the chunks of numbers below a URL."""
    if has_records:
        headers["records"] = list(counts)
    urls = [f"{url}/{number}" for number in range(len(counts))]
    return spec_of(urls, json_chunks(counts), name, encoding="jsonl", **headers)


def served_numbers(folder: Path, counts: Sequence[int] = CUTS) -> Path:
    """Write the chunks of numbers that a server of this folder then has below /d."""
    write(folder / "d", json_chunks(counts))
    return folder


def numbered(url: str, counts: Sequence[int] = CUTS, *, has_records: bool = True, **keywords: Any) -> StreamingDataset:
    """Make a dataset of {"n": 0}, {"n": 1}, …, shuffled, of chunks below a URL."""
    playlist = Playlist([numbered_spec(url, counts, has_records=has_records)])
    return StreamingDataset(playlist, **{"shuffle": True, **keywords})
