"""Read objects of a bucket on Google Cloud Storage for a fetcher."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.strategy import Series
from dataflux_core._run.client_source import given_client
from dataflux_core._run.fetching.quota import SharedPace
from dataflux_core._run.fetching.stats import FetchStats
from dataflux_core._run.reading.client_reader import ClientReader
from dataflux_core._run.reading.options import ReadOptions
from dataflux_core._run.reading.reader import FIRST_REQUESTS, Lent, Reading, each_group
from dataflux_core._run.reading.stats import DownloadStats

if TYPE_CHECKING:
    from collections.abc import Generator

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._run.access import Access
    from dataflux_core._run.client_source import ClientSource
    from dataflux_core._run.clients import Client
    from dataflux_core._run.fetching.options import FetchOptions
    from dataflux_core._run.fetching.quota import Quota
    from dataflux_core._run.fetching.stop_signal import StopSignal
    from dataflux_core._run.fetching.tally import Tally
    from dataflux_core._run.reading.direct import GroupBytes, Part

_CLIENT_THREADS = 32  # with a client that is used through its methods, one request each

_USUAL_BYTES = 256 * 1024  # of an object whose size is not known, before any has come
_LEAST_UNKNOWN = 8  # of these are read at once
_WEIGHT = 0.1  # of the newest size


@dataclass(frozen=True, slots=True)
class Asked:
    """What one reading is asked for."""

    bucket: str
    objects: ObjectColumns
    options: ReadOptions


class BucketSource:
    """Buckets as one process reads them: with one client, made when the first object is asked for."""

    def __init__(
        self, options: FetchOptions, source: ClientSource, quota: Quota, tally: Tally, max_held_bytes: int
    ) -> None:
        self._options = options
        self._source = source
        self._quota = quota
        self._tally = tally
        self._usual_bytes = float(_USUAL_BYTES)
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._flowing: set[str] = set()  # buckets whose composites have arrived
        self._read_options = ReadOptions(
            options.max_composite_bytes,
            options.rule,
            strategy=options.strategy,
            optimize=options.optimize,
            max_requests=options.max_requests,
            max_held_bytes=max_held_bytes,
            on_error="return",
        )

    def read(
        self, bucket: str, objects: ObjectColumns, signal: StopSignal, following: int
    ) -> Generator[tuple[int, Part], None, None]:
        """Yield every position of `objects` with its bytes or its error, as they arrive; more are asked for later."""
        series = Series(following, is_flowing=bucket in self._flowing)
        read_options = replace(self._read_options, series=series)
        unknown = [position for position, size in enumerate(objects.sizes) if size == UNKNOWN_SIZE]
        if not unknown:
            yield from self._parts(Asked(bucket, objects, read_options), signal)
            return
        known = [position for position, size in enumerate(objects.sizes) if size != UNKNOWN_SIZE]
        for positions, options in ((known, read_options), (unknown, self._options_alone())):
            if not positions:
                continue
            with closing(self._parts(Asked(bucket, objects.picked(positions), options), signal)) as parts:
                for at, part in parts:
                    if positions is unknown and isinstance(part, bytes):
                        self._usual_bytes += _WEIGHT * (len(part) - self._usual_bytes)
                    yield positions[at], part

    def _options_alone(self) -> ReadOptions:
        """Say how to read what nobody knows the size of: a composite of it, or many at once, might hold too much."""
        most = (self._read_options.max_held_bytes or 0) // int(self._usual_bytes + 1)
        max_groups = max(_LEAST_UNKNOWN, min(self._options.max_requests, most))
        return replace(self._read_options, max_composite_bytes=0, max_groups=max_groups)

    def _parts(self, asked: Asked, signal: StopSignal) -> Generator[tuple[int, Part], None, None]:
        client = self._opened()
        stats = DownloadStats()
        try:
            if client.access is None:
                threads = min(_CLIENT_THREADS, self._options.max_requests)
                reader = ClientReader(client.client, asked.bucket, client.retry, asked.options, stats)
                groups = reader.read(asked.objects, threads=threads)
            else:
                groups = self._groups(client.access, asked, signal, stats)
            with closing(groups):
                for group, parts in groups:
                    yield from enumerate(parts, group.start)
        finally:
            requests = sum(stats.requests.values())
            if stats.groups_composed:
                self._flowing.add(asked.bucket)
            self._tally.add(FetchStats(0, 0, requests, stats.retries, stats.received_bytes))

    def _groups(
        self, access: Access, asked: Asked, signal: StopSignal, stats: DownloadStats
    ) -> Generator[GroupBytes, None, None]:
        most = self._options.max_requests
        with self._quota.lend(access.endpoint) as share:
            pace = SharedPace(share, ceiling=most, start=min(FIRST_REQUESTS, most))
            lent = Lent(access, share.transport, pace)
            reading = Reading(lent, asked.bucket, asked.objects, asked.options, signal.bell)
            signal.tell(reading.stop)
            yield from each_group(reading, stats)

    def _opened(self) -> Client:
        """Return the client, one for all threads; raises CredentialsMissing, InvalidArgument."""
        with self._lock:
            if self._client is None:
                from dataflux_core._run.clients import MODIFIED_RETRY, client_of  # noqa: PLC0415 - slow import

                self._client = self._timed(client_of(given_client(self._source), None, MODIFIED_RETRY))
            return self._client

    def _timed(self, client: Client) -> Client:
        if client.access is None:
            return client
        endpoint = replace(
            client.access.endpoint,
            connect_timeout_s=self._options.connect_timeout_s,
            stall_timeout_s=self._options.stall_timeout_s,
        )
        return replace(client, access=replace(client.access, endpoint=endpoint))
