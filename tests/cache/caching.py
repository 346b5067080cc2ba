"""What the tests keep in caches, what their processes do with them, how they look at what is there."""

from __future__ import annotations

import os
import random
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c

from dataflux_core._data.cache.audit import audited
from dataflux_core._data.cache.node import NodeCache
from dataflux_core._data.cache.options import CacheOptions
from dataflux_core._data.cache.place import FOLDER
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._wire.objects import crc32c_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._data.cache.audit import Verdict
    from dataflux_core._data.cache.claim import Claim
    from dataflux_core._data.cache.options import Retention

SIZE = 4000
PATIENCE_S = 60.0


def url_of(number: int) -> str:
    return f"gs://bucket/train/{number:06d}.jpg"


def content_of(number: int, size: int = SIZE) -> bytes:
    return (b"%08d " % number * (size // 9 + 1))[:size]


def size_of(number: int) -> int:
    """Sizes that differ, none of them a multiple of a disk's blocks."""
    return 500 + zlib.crc32(b"%d" % number) % 7000


def remote(numbers: Sequence[int], *, generation: int = 0) -> RemoteObjects:
    """Say of objects what an index would that knows all."""
    contents = [content_of(number) for number in numbers]
    return RemoteObjects(
        [url_of(number) for number in numbers],
        [len(content) for content in contents],
        [crc32c_text(google_crc32c.value(content)) for content in contents],
        [generation] * len(numbers) if generation else None,
    )


def unknown(numbers: Sequence[int]) -> RemoteObjects:
    """Say nothing but where they are."""
    return RemoteObjects([url_of(number) for number in numbers])


def cache_at(path: Path, limit: int | None = None, retention: Retention = "keep") -> NodeCache:
    return NodeCache(CacheOptions(path, limit, retention))


def fill(cache: NodeCache, numbers: Sequence[int]) -> None:
    with cache.claim(remote(numbers)) as claim:
        for position in claim.ours:
            assert claim.store(position, content_of(numbers[position]))


def held(cache: NodeCache, numbers: Sequence[int]) -> list[int]:
    """Return which of these the cache gives, byte for byte."""
    with cache.claim(remote(numbers)) as claim:
        found = [numbers[position] for position in claim.held]
        for position in claim.held:
            assert claim.read(position) == content_of(numbers[position])
    return found


def verdict_of(path: Path, *, repair: bool = False) -> Verdict:
    with audited(path) as audit:
        return audit.verify(repair=repair)


def files_of(path: Path) -> dict[str, int]:
    """Return the size of every file of an object that is there, by name."""
    found: dict[str, int] = {}
    for directory, _, names in os.walk(path / FOLDER / "objects"):
        for name in names:
            file = Path(directory, name)
            try:
                found[str(file)] = file.stat().st_size
            except FileNotFoundError:
                continue
    return found


@dataclass(slots=True)
class Observer:
    """Adds up the files of a cache again and again; knows nothing of its ledger.

    Files come and go while it looks, but no name is used twice: those that it sees in two rounds were there together
    in between, at no less than the size of the first.
    """

    path: Path
    peak: int = 0
    rounds: int = 0

    def look(self) -> None:
        first = files_of(self.path)
        second = files_of(self.path)
        self.peak = max(self.peak, sum(size for name, size in first.items() if name in second))
        self.rounds += 1


def take(claim: Claim, numbers: Sequence[int], *, sized: bool) -> dict[str, int]:
    """Have each object of a claim, as a dataset would; compare every byte."""

    def expected(position: int) -> bytes:
        number = numbers[position]
        return content_of(number, size_of(number)) if sized else content_of(number)

    counts = {"hit": 0, "fetched": 0}

    def fetch(position: int) -> None:
        counts["fetched"] += 1
        claim.store(position, expected(position))

    for kind in (claim.held, list(claim.ours), list(claim.past), claim.theirs):
        for position in kind:
            if kind is claim.held:
                content = claim.read(position)
            else:
                content = claim.wait(position, PATIENCE_S) if kind is claim.theirs else None
            if content is None:
                fetch(position)
            else:
                counts["hit"] += 1
                if content != expected(position):
                    raise ValueError(f"{url_of(numbers[position])} has the bytes of another")
    return counts


def work(cache: NodeCache, count: int, seed: int, epochs: int = 1, window: int = 16) -> dict[str, int]:
    """Go through objects whose sizes the index does not always know, in an order of the seed."""
    luck = random.Random(seed)
    totals = {"hit": 0, "fetched": 0}
    for _ in range(epochs):
        order = luck.sample(range(count), count)
        for start in range(0, count, window):
            numbers = order[start : start + window]
            objects = RemoteObjects(
                [url_of(number) for number in numbers],
                [size_of(number) if luck.random() < 0.7 else -1 for number in numbers],
            )
            with cache.claim(objects) as claim:
                for name, value in take(claim, numbers, sized=True).items():
                    totals[name] += value
    return totals
