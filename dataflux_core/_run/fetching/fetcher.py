"""Read objects wherever they lie: in buckets, on web servers, on disk."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._run.advice import advising_datasets, for_datasets
from dataflux_core._run.fetching.bucket_source import BucketSource
from dataflux_core._run.fetching.doubts import Doubts
from dataflux_core._run.fetching.local_files import read_file
from dataflux_core._run.fetching.merging import merged
from dataflux_core._run.fetching.options import UNRANGED_BYTES
from dataflux_core._run.fetching.quota import Quota
from dataflux_core._run.fetching.sorting import columns_of, crc32c_of, sort_objects
from dataflux_core._run.fetching.sorting import size_of as listed_size_of
from dataflux_core._run.fetching.stats import FetchStats
from dataflux_core._run.fetching.stop_signal import StopSignal
from dataflux_core._run.fetching.tally import Tally
from dataflux_core._run.fetching.web_origin import Ways
from dataflux_core._run.fetching.web_reading import WebTools
from dataflux_core._run.fetching.web_source import WebSource
from dataflux_core._run.reading.memory import held_bytes
from dataflux_core._wire.urls import web_url
from dataflux_core._wire.web import Span, Wanted
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from dataflux_core._plan.remote import RemoteObjects
    from dataflux_core._run.client_source import ClientSource
    from dataflux_core._run.fetching.merging import Source
    from dataflux_core._run.fetching.options import FetchOptions
    from dataflux_core._run.fetching.sorting import Sorted
    from dataflux_core._run.reading.direct import Part
    from dataflux_core._wire.web import Content

log = logging.getLogger(__name__)

Arriving: TypeAlias = "Generator[tuple[int, Part], None, None]"


class _Process:
    """What one process reads with: never another's connections, locks or client."""

    def __init__(self, options: FetchOptions, client: ClientSource) -> None:
        self.tally = Tally()
        self.lock = threading.RLock()  # a collector that runs in its midst may close what was dropped
        self.signals: set[StopSignal] = set()  # of reads under way
        self.proven: set[str] = set()  # sources that have given something
        self.max_held_bytes = max(1, (options.max_held_bytes or held_bytes()) // options.max_reads)
        self.quota = Quota(options.max_requests)
        self.tools = WebTools(options, self.quota, Ways(options), self.max_held_bytes)
        self.buckets = BucketSource(options, client, self.quota, self.tally, self.max_held_bytes)
        self.web = WebSource(self.tools, self.tally)


class Fetcher:
    """Reads objects of gs://, s3://, http(s):// and local paths, together within one process's limits.

    Several threads may read at once, each in a `read` of its own. A forked child starts afresh, with counts of its own.
    """

    def __init__(self, options: FetchOptions, client: ClientSource = None) -> None:
        self._options = options
        self._source = client
        self._is_closed = False
        self._inherited: list[_Process] = []  # never closed: TLS would say goodbye on a parent's connections
        self._process = _Process(options, client)
        _fetchers.add(self)

    @property
    def stats(self) -> FetchStats:
        """What this process has fetched; a read's requests are counted when it ends."""
        return self._process.tally.read()

    @property
    def heard(self) -> int:
        """A number that changes while servers answer: for whoever asks whether anything moves at all."""
        return sum(share.transport.heard for share in self._process.quota.shares)

    def read(self, objects: RemoteObjects, *, following: int = 0) -> Arriving:
        """Yield (position, bytes) as they arrive, each position once, or the error about that one object.

        Who will ask for so many more, `following`, gets all of them soonest, not these.

        Raises what concerns all of them: CredentialsMissing, AccessDenied where nothing of a bucket can be had,
        BucketNotFound, EndpointUnreachable, ExtraMissing; Stopped where the fetcher is closed meanwhile. Closing the
        generator ends what is under way.
        """
        with self._reading() as signal:
            process = self._process
            found = sort_objects(objects)
            sources: list[Source] = [
                partial(self._read_bucket, objects, found, bucket, following) for bucket in found.buckets
            ]
            sources += [partial(self._read_web, objects, found)] if found.web else []
            sources += [partial(self._read_files, objects, found)] if found.files else []
            tally = process.tally
            for position, error in found.wrong:
                tally.add(FetchStats(errors=1))
                yield position, error
            if len(sources) > 1:
                arriving = merged(sources, signal, process.max_held_bytes)
            else:
                arriving = sources[0](signal) if sources else _nothing()
            with closing(arriving):
                yield from _counted(arriving, tally)
            log.debug("fetch.done objects=%d sources=%d wrong=%d", len(objects), len(sources), len(found.wrong))

    def read_range(self, url: str, start: int, stop: int, *, version: str = "", size: int = UNKNOWN_SIZE) -> Content:
        """Return bytes [start, stop) of a web URL, fewer where it ends before, with its version and its whole size.

        With the `version` that an earlier range came with, another one raises VersionChanged. Raises besides
        InvalidArgument, ServiceRefused, AccessDenied, ObjectChanged, ConnectionBroken, EndpointUnreachable.
        """
        if not 0 <= start < stop:
            raise InvalidArgument("start, stop", f"{start}, {stop}", "a range of at least one byte")
        wanted = Wanted(url, web_url(url), size, "", Span(start, stop), version, UNRANGED_BYTES)
        with self._reading() as signal:
            return self._process.web.read_range(wanted, signal)

    def close(self) -> None:
        """End all reads, which raise Stopped in their threads; a fetcher that is closed reads no more."""
        self._is_closed = True
        process = self._process
        with process.lock:
            for signal in tuple(process.signals):
                signal.stop()

    @contextmanager
    def _reading(self) -> Iterator[StopSignal]:
        process = self._process
        process_id = os.getpid()
        signal = StopSignal()
        try:
            with process.lock:
                if self._is_closed:
                    raise RuntimeError("the fetcher is closed; make another")
                process.signals.add(signal)
            try:
                yield signal
            finally:
                if os.getpid() == process_id:
                    with process.lock:
                        process.signals.discard(signal)
        finally:
            signal.close()

    def _read_bucket(
        self, objects: RemoteObjects, found: Sorted, bucket: str, following: int, signal: StopSignal
    ) -> Arriving:
        positions = found.buckets[bucket]
        process = self._process
        doubts = Doubts(process.proven)
        source = f"gs://{bucket}"
        wanted = columns_of(objects, found, positions)
        following = following * len(positions) // len(objects)  # as many of each bucket as now
        with advising_datasets(), closing(process.buckets.read(bucket, wanted, signal, following)) as arriving:
            for place, part in arriving:
                yield from doubts.sift(source, positions[place], for_datasets(part, source))
        doubts.settle()

    def _read_web(self, objects: RemoteObjects, found: Sorted, signal: StopSignal) -> Arriving:
        doubts = Doubts(self._process.proven)
        with closing(self._process.web.read(objects, found, doubts, signal)) as arriving:
            yield from arriving
        yield from doubts.settle_web()

    def _read_files(self, objects: RemoteObjects, found: Sorted, signal: StopSignal) -> Arriving:
        for position in found.files:
            signal.check()
            part = read_file(
                found.places[position].name,
                size=listed_size_of(objects, position),
                crc32c=crc32c_of(objects, position),
                max_bytes=self._options.max_object_bytes,
            )
            if isinstance(part, bytes):
                self._process.tally.add(FetchStats(received_bytes=len(part)))
            yield position, part

    def _start_over(self) -> None:
        """Leave everything to the parent: its locks may be held, its connections are its own."""
        self._inherited.append(self._process)
        self._process = _Process(self._options, self._source)


def _counted(arriving: Arriving, tally: Tally) -> Arriving:
    """Count what is handed out."""
    objects = errors = 0
    try:
        for position, part in arriving:
            if isinstance(part, bytes):
                objects += 1
            else:
                errors += 1
            yield position, part
    finally:
        tally.add(FetchStats(objects, errors))


def _nothing() -> Arriving:
    yield from ()


_fetchers: weakref.WeakSet[Fetcher] = weakref.WeakSet()


def _start_all_over() -> None:
    for fetcher in list(_fetchers):
        fetcher._start_over()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_start_all_over)
