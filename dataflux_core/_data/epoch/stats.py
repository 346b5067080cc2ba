"""Count what a dataset does, how long its consumer waits."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self


@dataclass(slots=True)
class StreamStats:
    """What one dataset did so far, in this process and in the workers of its last DataLoader; all are sums.

    `waiting_s` is the time that the training loop was kept waiting, of the `elapsed_s` that it has been at work: where
    it is a good part, training waits for data. Loops over a DataLoader with workers are seen by `dataset.watch(loader)`
    alone. What it waits for is told by `fetching_s`, in which bytes were waited for, and `decoding_s`, in which
    decoders and transforms worked, both of all workers together.
    """

    samples: float = 0  # handed out, or by workers to their loader
    rows: float = 0  # of the index, read
    objects: float = 0  # whose bytes were asked for
    bytes_read: float = 0  # over the network, or from local files
    requests: float = 0
    retries: float = 0
    hits: float = 0  # objects that the cache had
    misses: float = 0
    evictions: float = 0
    cache_bytes: float = 0  # read from the cache
    bad_samples: float = 0
    fetching_s: float = 0.0
    decoding_s: float = 0.0
    waiting_s: float = 0.0
    elapsed_s: float = 0.0

    @property
    def samples_per_s(self) -> float:
        """Samples handed out in a second of the training loop."""
        return self.samples / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def waiting_share(self) -> float:
        """The part of its time that the consumer was kept waiting, 0 to 1."""
        return min(1.0, self.waiting_s / self.elapsed_s) if self.elapsed_s else 0.0

    def values(self) -> tuple[float, ...]:
        return astuple(self)

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(*values)

    def __add__(self, other: StreamStats) -> StreamStats:
        return StreamStats(*(mine + theirs for mine, theirs in zip(self.values(), other.values(), strict=True)))

    def copy(self) -> StreamStats:
        return replace(self)

    def __str__(self) -> str:
        return " ".join(
            f"{field.name}={getattr(self, field.name):.{3 if field.name.endswith('_s') else 0}f}"
            for field in fields(self)
        )
