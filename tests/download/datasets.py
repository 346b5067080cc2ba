"""Datasets as training code writes them, over objects of a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core import download
from tests.download.ways import COMPOSED_BY_FOUR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass
class MapStyle:
    """Gives single objects, or batches of them, by index."""

    bucket: str
    objects: Sequence[tuple[str, int]]
    client: Any = None  # None: each process makes its own from the environment

    def __len__(self) -> int:
        return len(self.objects)

    def __getitem__(self, index: int) -> bytes:
        return download.download_single(self.client, self.bucket, self.objects[index][0])

    def __getitems__(self, indices: Sequence[int]) -> list[bytes]:
        chosen = [self.objects[index] for index in indices]
        return download.dataflux_download("p", self.bucket, chosen, self.client, COMPOSED_BY_FOUR, strategy="compose")


@dataclass
class Streamed:
    """Gives the objects that fall to one loader worker, one after the other, while the next are read."""

    bucket: str
    objects: Sequence[tuple[str, int]]
    client: Any = None

    def share(self, worker: int, workers: int) -> Iterator[bytes]:
        chosen = self.objects[worker::workers]
        return download.dataflux_download_lazy(
            "p", self.bucket, chosen, self.client, COMPOSED_BY_FOUR, strategy="compose"
        )
