"""Measure how fast a source gives samples."""

from __future__ import annotations

import logging
import os
import resource
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from dataflux_core._data.samples.choice import Auto
from dataflux_core._data.samples.collation import collate
from dataflux_core._data.samples.image import Image
from dataflux_core._data.samples.kinds import extension_of, kind_of_content, kind_of_extension
from dataflux_core._data.samples.maker import SampleMaker
from dataflux_core._plan.bottleneck import Phase, Setting, verdict_of
from dataflux_core.errors import BadSample, ExtraMissing, IndexUnusable
from dataflux_core.streaming import StreamingDataset, StreamStats

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from dataflux_core._data.epoch.keywords import DataType
    from dataflux_core._data.samples.encoded import Decoder, Encoded
    from dataflux_core._data.samples.kinds import Kind
    from dataflux_core._plan.bottleneck import Verdict
    from dataflux_core.streaming import Batch, StreamingKeywords

_LOOKED_UP = 1024  # rows at once, as datasets do
_INDEX_PART, _FETCHED_PART = 0.05, 0.4  # of the time; the rest is for whole samples
_MOST_INDEX_S = 1.0
_LEAST_STEADY = 0.25  # of a measurement's time: after the first batch


@dataclass(frozen=True, slots=True)
class Measuring:
    """What is measured, and for how long."""

    seconds: float
    batch_size: int
    workers: int
    keywords: StreamingKeywords  # without data_type
    data_type: Mapping[str, Kind] | Kind | None  # None: by extension
    size: tuple[int, int] | None  # that images are decoded to: height, width


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it."""

    samples: int  # of the index
    columns: tuple[str, ...]
    open_s: float
    sample_bytes: float  # mean
    index: Phase
    fetched: Phase
    whole: Phase
    setting: Setting
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class SizedAuto:
    """Decode images to a size, all else as it is."""

    size: tuple[int, int]

    def __call__(self, encoded: Encoded) -> Any:  # noqa: ANN401 - what it gives is what the file is
        kind = kind_of_extension(extension_of(encoded.url)) or kind_of_content(encoded.content)
        return Image(size=self.size)(encoded) if kind == "image" else Auto()(encoded)


def measured(source: str, measuring: Measuring) -> Measured:
    """Read a source in three ways, one after the other; raises what a dataset raises, ExtraMissing without torch.

    Raises IndexUnusable where not one sample comes.
    """
    loaders = _loader_of(measuring)  # an extra that is missing is said at once, as is what else cannot be
    began_s = time.perf_counter()
    decoded = _dataset(source, measuring, _data_type(measuring))
    open_s = time.perf_counter() - began_s
    decodes = measuring.data_type != "bytes"
    undecoded = _dataset(source, measuring, "bytes") if decodes else decoded
    binding = undecoded._feed.corpus.streams[0].binding  # noqa: SLF001 - of this package
    index = _look_up(undecoded, min(_MOST_INDEX_S, _INDEX_PART * measuring.seconds), measuring)
    fetched_s = measuring.seconds * (_FETCHED_PART if decodes else 1 - _INDEX_PART)
    sizes = _Sizes(binding.loaded)
    with _each_kind_once():
        fetched = whole = _run(undecoded, loaders, fetched_s, measuring, sizes.add)
        if decodes:
            left_s = measuring.seconds * (1 - _INDEX_PART - _FETCHED_PART)
            whole = _run(decoded, loaders, left_s, measuring, lambda _: None)
    sample_bytes = sizes.mean or _read_for_each(undecoded)
    setting = Setting(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        requests=measuring.keywords.get("num_downloading_workers") or 0,
        workers=measuring.workers,
        sample_bytes=sample_bytes,
        resizes=measuring.size is not None,
    )
    verdict = verdict_of(index, fetched, whole, setting)
    rows = len(binding.index)
    return Measured(rows, binding.loaded, open_s, sample_bytes, index, fetched, whole, setting, verdict)


def _dataset(source: str, measuring: Measuring, data_type: DataType) -> StreamingDataset:
    keywords = measuring.keywords.copy()
    keywords["data_type"] = data_type
    return StreamingDataset(source, **keywords)


class _Sizes:
    """Adds up the bytes of samples that are not decoded."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._samples = self._bytes = 0

    def add(self, batch: Batch) -> None:
        self._samples += _count(batch)
        values = (value for column in self._columns for value in batch.get(column, ()))
        self._bytes += sum(len(value) for value in values if isinstance(value, bytes))

    @property
    def mean(self) -> float:
        return self._bytes / self._samples if self._samples else 0.0


def _read_for_each(dataset: StreamingDataset) -> float:
    """Return the bytes that were read for a sample: records of a playlist are never seen as bytes."""
    stats = dataset.stats()
    return stats.bytes_read / stats.samples if stats.samples else 0.0


def _data_type(measuring: Measuring) -> DataType:
    """Return decoders; images are resized by them where a size was given."""
    kinds, size = measuring.data_type, measuring.size
    if size is None:
        return cast("DataType", kinds)
    if kinds is None:
        return SizedAuto(size)
    if isinstance(kinds, str):
        return Image(size=size) if kinds == "image" else kinds
    sized: dict[str, Decoder | Kind] = {
        column: Image(size=size) if kind == "image" else kind for column, kind in kinds.items()
    }
    return cast("DataType", sized)


def _look_up(dataset: StreamingDataset, seconds: float, measuring: Measuring) -> Phase:
    """Look rows up, in the order of an epoch, without reading what they name."""
    corpus = dataset._feed.corpus  # noqa: SLF001 - of this package
    luck = np.random.default_rng(0)
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()
    rows, elapsed_s = 0, 0.0
    while elapsed_s < seconds or not rows:
        count = min(_LOOKED_UP, len(corpus))
        start = rows % max(1, len(corpus) - count + 1)
        wanted = np.arange(start, start + count, dtype=np.int64)
        if measuring.keywords.get("shuffle"):
            wanted = luck.integers(0, len(corpus), count, np.int64)
        corpus.window(wanted)
        rows += count
        elapsed_s = time.perf_counter() - began_s
    return Phase(rows, elapsed_s, cpu_s=_cpu_s() - began_cpu_s)


def _run(
    dataset: StreamingDataset, passes_of: _PassesOf, seconds: float, measuring: Measuring, seen: Callable[[Batch], None]
) -> Phase:
    """Take batches for some seconds, epoch after epoch, at least one."""
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()
    samples = first_samples = 0
    first_s = elapsed_s = 0.0
    first_stats = StreamStats()
    passes = passes_of(dataset)
    with closing(passes.batches()) as batches:
        for batch in batches:
            elapsed_s = time.perf_counter() - began_s
            samples += _count(batch)
            if not first_samples:
                first_samples, first_s, first_stats = samples, elapsed_s, dataset.stats()
            seen(batch)
            if elapsed_s >= seconds:
                break
    if not samples:
        raise _nothing(dataset)
    stats = dataset.stats()
    if elapsed_s - first_s < _LEAST_STEADY * elapsed_s:  # too little came after the first batch to tell anything
        first_samples, begin_s, first_stats = 0, 0.0, StreamStats()
    else:
        begin_s = first_s
    return Phase(
        samples,
        elapsed_s,
        first_samples,
        begin_s,
        stats.fetching_s - first_stats.fetching_s,
        stats.decoding_s - first_stats.decoding_s,
        _cpu_s() - began_cpu_s,  # of workers as well, which have ended
        max(1, measuring.workers),
        int(stats.bad_samples) if passes.first_bad is None else passes.first_bad,
        first_s,
        passes.begun,
    )


def _loader_of(measuring: Measuring) -> _PassesOf:
    """Return what gives batches of a dataset, epoch after epoch."""
    if not measuring.workers:
        return lambda dataset: _Passes(dataset, lambda: dataset.batches(measuring.batch_size))
    try:
        from torch.utils.data import DataLoader  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ExtraMissing("loader workers", "torch") from error

    def loaded(dataset: StreamingDataset) -> _Passes:
        loader: Any = DataLoader(
            cast("Any", dataset),  # an iterable one to torch, not to its types
            batch_size=measuring.batch_size,
            num_workers=measuring.workers,
            collate_fn=collate,
            persistent_workers=True,
        )
        return _Passes(dataset, lambda: iter(loader))

    return loaded


class _Passes:
    """Goes over a dataset again and again, as long as it gives anything."""

    def __init__(self, dataset: StreamingDataset, epoch: Callable[[], Any]) -> None:
        self._dataset = dataset
        self._epoch = epoch
        self.begun = 0
        self.first_bad: int | None = None  # bad samples, once the first pass is over

    def batches(self) -> Generator[Batch, None, None]:
        is_empty = False
        while not is_empty:
            is_empty = True
            batches = self._epoch()
            self.begun += 1
            for batch in batches:
                is_empty = False
                yield batch
            if self.first_bad is None:
                self.first_bad = int(self._dataset.stats().bad_samples)


def _nothing(dataset: StreamingDataset) -> IndexUnusable:
    """Say that there is nothing to be measured, with a reason."""
    corpus = dataset._feed.corpus  # noqa: SLF001 - of this package
    problem = f"not one of its {len(corpus):,} samples can be had"
    try:
        dataset[0]
    except BadSample as bad:
        problem += f", the first because {bad.reason}"
    return IndexUnusable(corpus.sources[0], problem, "look at the files, --columns-to-load, --data-type")


@contextmanager
def _each_kind_once() -> Iterator[None]:
    """Let each kind of bad sample be told of once, not in each pass."""
    told: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not isinstance(record.args, tuple):
            return True
        kind = str(record.args[1:2])
        is_known = kind in told
        told.add(kind)
        return not is_known

    logger = logging.getLogger(SampleMaker.__module__)
    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)


def _count(batch: Batch) -> int:
    return len(next(iter(batch.values()), ()))


def _cpu_s() -> float:
    """Return what this process and its children that have ended have used."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


if TYPE_CHECKING:
    _PassesOf = Callable[[StreamingDataset], _Passes]
