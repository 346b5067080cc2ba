"""Stream samples from a bucket, an index, a folder or a playlist into a training loop."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from dataflux_core._data.epoch.keywords import IterationKeywords, StreamingKeywords, check_known
from dataflux_core._data.epoch.loaders import declare_iterable, notice_forks
from dataflux_core._data.epoch.making import feed_of
from dataflux_core._data.epoch.mixing import MixKeywords, check_mix_keywords, mixed_feed
from dataflux_core._data.epoch.options import check_batch_size
from dataflux_core._data.epoch.random_access import samples_of_rows
from dataflux_core._data.epoch.stats import StreamStats
from dataflux_core._data.samples.collation import Batch, collate
from dataflux_core._data.samples.encoded import Sample
from dataflux_core._data.samples.pipeline import Translation, one_to_one
from dataflux_core._plan.text import shortened
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
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
    "one_to_one",
]


if TYPE_CHECKING:
    # For type checkers datasets are torch's; at run time they are declared to be where torch is there.
    from torch.utils.data import Dataset, IterableDataset

    class _Iterable(IterableDataset[Sample]): ...

    class _ByRow(Dataset[Sample]): ...
else:

    class _Iterable: ...

    class _ByRow: ...


class _Streaming(_Iterable):
    """What every dataset of samples can do."""

    _feed: Feed

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._prepare()

    def _prepare(self) -> None:
        declare_iterable(type(self))
        notice_forks(self)

    @property  # type: ignore[misc] # only ever read
    def __class__(self) -> type:
        # What torch's DataLoader asks for before it knows what to do with a dataset; torch may have come after this.
        kind = type(self)
        declare_iterable(kind)
        return kind

    def _look(self) -> None:
        """Notice a loader that is about to start its workers; called before this process forks."""
        self._feed.look(self)

    def __getstate__(self) -> Feed:
        self._look()
        return self._feed

    def __setstate__(self, feed: Feed) -> None:
        self._feed = feed
        self._prepare()

    def __repr__(self) -> str:
        rows = len(self._feed.corpus)
        return f"<{type(self).__name__} of {rows:,} rows from {', '.join(self._feed.corpus.sources)}>"

    def __len__(self) -> int:
        return self._feed.rows

    def __iter__(self) -> Iterator[Sample]:
        return self._feed.samples()

    def batches(self, batch_size: int, *, drop_last: bool = False) -> Iterator[Batch]:
        """Give the samples of an epoch in batches of numpy arrays.

        The last batch may be smaller, unless it is dropped. Whatever cannot be stacked stays a list.
        """
        check_batch_size(batch_size)
        return _batched(iter(self), batch_size, drop_last=drop_last)

    @overload
    def __getitem__(self, rows: int) -> Sample: ...
    @overload
    def __getitem__(self, rows: slice | Sequence[int]) -> list[Sample]: ...
    def __getitem__(self, rows: int | slice | Sequence[int]) -> Sample | list[Sample]:
        if isinstance(rows, slice):
            return samples_of_rows(self._feed, range(len(self._feed.corpus))[rows])
        if isinstance(rows, SupportsIndex) and not getattr(rows, "ndim", 0):  # arrays claim to be numbers
            return samples_of_rows(self._feed, [rows])[0]
        if hasattr(rows, "__iter__") and not isinstance(rows, str | bytes):
            return samples_of_rows(self._feed, list(rows))
        raise TypeError(f"rows are asked for by whole numbers, slices or lists of them, not {type(rows).__name__}")

    def by_row(self) -> RowDataset:
        """Return the rows themselves as a dataset for samplers of your own: its length is the index's.

        What the workers of a loader over it do, stats() does not tell.
        """
        return RowDataset(self._feed)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be epoch number `epoch`, 0 being the first; without it, each goes on to the next."""
        self._feed.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return how far the samples that were handed out have brought the epoch, as what JSON can hold.

        The same on every rank after as many batches, under one kilobyte. Called in the process that consumes the
        samples, also of a DataLoader with workers: what they have read ahead counts for nothing. Where rows may give
        other than one sample each (transforms that are neither Translations nor marked with `one_to_one`, bad samples
        that are left out), keep the state of every rank; it has up to 32 bytes more for each worker of any rank. Raises
        StateMismatch where the consumer cannot be known.
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
    """The samples that an index names, read from where they lie as they are wanted: one dict each.

    An iteration is an epoch, the next one the next epoch; a torch DataLoader takes the dataset as it is.

    What is read:
        src: an index (.parquet, .csv, .tsv, .json, .jsonl, the texts also compressed), a wildcard of such files, a
            split_file_texts.txt that names one a line, a directory, whose files of one base name are one sample; local,
            gs://, s3://, files also https://. Or a Listing, a list of dicts, a table of pyarrow, pandas, polars. Or a
            Flare playlist (.yaml, .yml, a flare.Playlist): its records, in chunks on web servers.
        columns_to_load: columns of URLs that are fetched and decoded. By default those with a column `NAME.size` beside
            them, else those called url, uri, path, or so with something and "_" before. Of a playlist: streams, whose
            records are put side by side; by default all, which then have to belong together.
        index_col_name: column of the ids, which must differ (of up to 50 million rows). By default `id` where there is
            one (compared up to a million rows), else the row's number.
        columns_to_keep: other columns that samples have, as they are; by default all.
        filter: a pyarrow.compute expression; evaluated before anything is ordered or counted.
        max_samples: the first so many that the filter lets through.
        root: where relative URLs and the names of a Listing begin: a directory, or a URL such as "gs://bucket". By
            default at the index file; at the working directory where the samples are in memory.
        storage_client: a storage.Client, or a function that makes one, which another process can be sent; by default
            one is made of the environment.

    What samples become:
        data_type: "auto" (by extension, else by the first bytes), "image", "video", "audio", "text", "json", "npy",
            "bytes", a decoder of `dataflux_core.decoders`, a function of its Encoded; or a mapping of columns to these.
        transforms: one function or several: a dict in; out a dict, None to drop the sample, a list or a generator of
            several. A Translation can be undone; `one_to_one` marks a function that gives one dict for each.
        on_bad_sample: "raise" a BadSample; "skip" it; "fill" what is lacking with the decoder's blank or
            `fill_value[column]`; or a function of the BadSample and what there is of the sample, which returns a dict
            or None. Errors about credentials and permissions are raised in any case.
        max_bad_in_a_row, max_bad_samples: so many are borne in one process before TooManyBadSamples is raised: 100 in a
            row, without limit in all; None is no limit.

    The order:
        shuffle: False, the index's own; True: another in each epoch, by `seed`, any whole number (0).
        block_samples: so many neighbours stay together, blocks and their samples shuffled; 0: over the whole, which is
            the default but for playlists: there some chunks stay together. This and ranks_per_node change nothing
            unless it shuffles.
        ranks_per_node: the ranks of a node keep to a share of the samples, for its cache; 0: they do not. States then
            fit the same ranks only.
        rank, world: as given; by default torch.distributed's, else those of RANK and WORLD_SIZE, else 0 of 1.
        tail: what does not divide by the ranks: "pad" with repeats, "drop" it, or leave ranks "uneven".
        batch_size: samples dealt to one loader worker at a time, 1; of large chunks by default as many as lie together.
            Given as the loader's, it makes batches the same for any number of workers.

    Fetching, for each process, by default its part of what the loader workers of a rank share:
        num_downloading_workers: requests in flight at most, of 1024 together, each 64 at least; they take no threads.
        prefetch_samples: read ahead at most, by default 4096, or sixteen times the requests; one row always is.
        prefetch_bytes: the same in bytes, of 512 MiB together, each 32 MiB at least; a number, or a text such as
            "64MB" or "1GiB".
        strategy: of small objects on gs://, "auto" has composites made of up to 32 of them where that is sooner, which
            are temporaries in their bucket; "direct" writes nothing there; "compose" always has.
        stream_options: a flare.StreamOptions of how the chunks of a playlist are read, also by loader workers: hedging,
            seconds, max_chunk_bytes. Requests and bytes ahead the keywords above say.

    The cache:
        dst: a local directory, shared by all processes of the machine; by default nothing is kept.
        cache_limit: bytes of files that it never exceeds, as a number or a text; None: no limit, 0: no cache.
        retention: "keep" what is there, until nobody asked for it for a week; "lru" makes room for what comes.

    Raises TypeError for a keyword that there is not, InvalidArgument, IndexUnusable, ExtraMissing, of playlists
    PlaylistInvalid and RecordsUnusable, where it is made; CacheUnusable, BadSample and the errors of the service where
    samples are read. Closed by nobody: an iteration that ends, or is dropped, ends its reads.
    """

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
    """The samples of several datasets, drawn in given amounts, in one order.

    It iterates, resumes and counts as one of them does. Their decoders, transforms, shuffle and block_samples are
    theirs; ranks, seed and batch_size are the mix's. Rows of the second are numbered on from those of the first.

    How much an epoch draws, exactly; one of three, each with a number for every dataset:
        proportion: shares in any unit, of `epoch_samples`; a dataset that runs out starts anew. Without, or with 0,
            until the first dataset runs out.
        repeat: times, with fractions; by default each once.
        choose: samples.

    In which order:
        schedule: "random", where luck decides which is next, within stretches of 128; "interleaved", evenly;
            "consecutive", one dataset after the other.
        batches: "mixed"; or "one": each batch_size samples in a row are of one dataset, amounts rounded to whole ones,
            which are dealt whole, too: with tail="pad" a rank repeats a batch, with "drop" it lacks one. Each row has
            to give one sample, so "skip", a function as on_bad_sample and generators are refused.

    The other keywords are those of StreamingDataset: seed, tail, batch_size, rank, world, num_downloading_workers,
    prefetch_samples, prefetch_bytes. All datasets need the same dst, cache_limit, retention, storage_client. Raises
    InvalidArgument for what cannot be mixed, a mix among them.
    """

    def __init__(self, datasets: Sequence[StreamingDataset], **keywords: Unpack[MixKeywords]) -> None:
        check_mix_keywords(keywords)
        check_known(keywords, MixKeywords)
        if not isinstance(datasets, Sequence) or not all(isinstance(each, StreamingDataset) for each in datasets):
            raise InvalidArgument("datasets", shortened(repr(datasets), 100), "a list of StreamingDatasets")
        super().__init__(mixed_feed([dataset._feed for dataset in datasets], keywords))  # noqa: SLF001 - of this module


def _batched(samples: Iterator[Sample], batch_size: int, *, drop_last: bool) -> Iterator[Batch]:
    while batch := list(islice(samples, batch_size)):
        if len(batch) == batch_size or not drop_last:
            yield collate(batch)


class RowDataset(_ByRow):
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
