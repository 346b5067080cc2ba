"""Stream samples from a bucket, an index or a folder into a training loop."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from dataflux_core._data.epoch.keywords import IterationKeywords, StreamingKeywords, check_known
from dataflux_core._data.epoch.loaders import declare_iterable, notice_forks
from dataflux_core._data.epoch.making import feed_of
from dataflux_core._data.epoch.mixing import MixKeywords, mixed_feed
from dataflux_core._data.epoch.options import check_batch_size
from dataflux_core._data.epoch.random_access import samples_of_rows
from dataflux_core._data.epoch.stats import StreamStats
from dataflux_core._data.samples.collation import Batch, collate
from dataflux_core._data.samples.encoded import Sample
from dataflux_core._data.samples.pipeline import Translation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeVar

    from typing_extensions import Unpack

    from dataflux_core._data.epoch.feed import Feed

    T = TypeVar("T")

__all__ = [
    "Batch",
    "IterationKeywords",
    "MixKeywords",
    "MixedDataset",
    "RowDataset",
    "Sample",
    "StreamStats",
    "StreamingDataset",
    "StreamingKeywords",
    "Translation",
    "collate",
]


class _Streaming:
    """What every dataset of samples can do."""

    _feed: Feed

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._prepare()

    def _prepare(self) -> None:
        declare_iterable(type(self))
        notice_forks(self)

    def look(self) -> None:
        """Notice a loader that is about to start its workers; called before this process forks."""
        self._feed.noticing.look(self)

    def __getstate__(self) -> Feed:
        self.look()
        return self._feed

    def __setstate__(self, feed: Feed) -> None:
        self._feed = feed
        self._prepare()

    def __len__(self) -> int:
        return self._feed.rows

    def __iter__(self) -> Iterator[Sample]:
        return self._feed.samples()

    def batches(self, batch_size: int, *, drop_last: bool = False) -> Iterator[Batch]:
        """Yield the samples of an epoch in batches of numpy arrays.

        The last batch may be smaller, unless it is dropped. Whatever cannot be stacked stays a list.
        """
        check_batch_size(batch_size)
        samples = iter(self)
        while batch := list(islice(samples, batch_size)):
            if len(batch) == batch_size or not drop_last:
                yield collate(batch)

    @overload
    def __getitem__(self, rows: int) -> Sample: ...
    @overload
    def __getitem__(self, rows: slice | Sequence[int]) -> list[Sample]: ...
    def __getitem__(self, rows: int | slice | Sequence[int]) -> Sample | list[Sample]:
        if isinstance(rows, slice):
            return samples_of_rows(self._feed, range(len(self._feed.corpus))[rows])
        if isinstance(rows, SupportsIndex):
            return samples_of_rows(self._feed, [rows.__index__()])[0]
        if hasattr(rows, "__iter__") and not isinstance(rows, str | bytes):
            return samples_of_rows(self._feed, list(rows))
        raise TypeError(f"rows are asked for by whole numbers, slices or lists of them, not {type(rows).__name__}")

    def by_row(self) -> RowDataset:
        """Return the rows themselves as a dataset for samplers of your own: its length is the index's."""
        return RowDataset(self._feed)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be epoch number `epoch`, 0 being the first; without it, each goes on to the next."""
        self._feed.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return how far the samples that were handed out have brought the epoch, as what JSON can hold.

        Under one kilobyte, the same on every rank after as many batches. Called in the process that consumes the
        samples, also of a DataLoader with workers: what they have read ahead counts for nothing. Where rows give
        other than one sample each (transforms that drop or multiply, bad samples that are left out), keep the state
        of every rank. Raises StateMismatch where the consumer cannot be known.
        """
        return self._feed.told()

    def load_state_dict(self, state_dict: object) -> None:
        """Let the next iteration go on from a state, with any number of ranks and workers, each sample exactly once.

        A list of the states of all ranks, and the state of a torchdata StatefulDataLoader, are taken as well. With as
        many ranks and workers as before, batches are those of an unbroken run. Raises StateMismatch for the state of
        another index, seed or order.
        """
        self._feed.load(state_dict)

    def close(self) -> None:
        """Let go of connections and of the cache; whoever goes on using the dataset opens them again."""
        self._feed.resources.close()

    def stats(self) -> StreamStats:
        """Return what was done so far, by this process and the workers of the last DataLoader."""
        return self._feed.stats()

    def watch(self, batches: Iterable[T], *, progress: bool = False) -> Iterator[T]:
        """Yield what `batches` (a DataLoader, say) gives, counting into `stats()` how long the consumer waits for it.

        With `progress` a line on stderr says so as well.
        """
        return self._feed.watched(batches, shows_bar=progress)


class StreamingDataset(_Streaming):
    """..."""

    def __init__(
        self,
        src: Any,  # noqa: ANN401 - whatever tables there are
        dst: str | Path | None = None,
        **keywords: Unpack[StreamingKeywords],
    ) -> None:
        check_known(keywords, StreamingKeywords)
        super().__init__(feed_of(src, dst, keywords))

    def backward(self, sample: Sample) -> Sample:
        """Undo the transforms on a sample, or on what a model made of it; InvalidArgument where one cannot be."""
        return self._feed.corpus.streams[0].recipe.pipeline.backward(sample)


class MixedDataset(_Streaming):
    """..."""

    def __init__(self, datasets: Sequence[StreamingDataset], **keywords: Unpack[MixKeywords]) -> None:
        check_known(keywords, MixKeywords)
        super().__init__(mixed_feed([dataset._feed for dataset in datasets], keywords))  # noqa: SLF001 - of this module


class RowDataset:
    """The rows of an index, asked for by number: what torch calls a map-style dataset."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __len__(self) -> int:
        return len(self._feed.corpus)

    def __getitem__(self, row: int) -> Sample:
        return samples_of_rows(self._feed, [row])[0]

    def __getitems__(self, rows: Sequence[int]) -> list[Sample]:
        """Return several rows, read at once, as torch's DataLoader asks for a batch."""
        return samples_of_rows(self._feed, rows)
