"""Every way in which the bytes of objects are fetched."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from google.auth.credentials import Credentials
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from dataflux_core import download
from dataflux_core._data import directory_fetch
from dataflux_core._plan import schedule, strategy
from dataflux_core._plan.columns import columns_of
from dataflux_core._run import access
from dataflux_core._run.reading import ranged, reader_processes
from dataflux_core._run.transport import Endpoint
from tests.download.buckets import DIRECT, eager, lazy, parallel, threaded

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from google.api_core.retry import Retry

    from dataflux_core._plan.columns import Wanted

    Read: TypeAlias = Callable[..., list[bytes]]

# Composites of four: many of them, so that a share of all calls hits some.
COMPOSED_BY_FOUR = download.DataFluxDownloadOptimizationParams(400)
LARGE_BYTES = 10_000  # the least that a file is written in pieces
PIECE_BYTES = 4_000
# Small and large objects: the large ones are read in pieces where a way does that.
SIZES = [100] * 200 + [0] * 3 + [20_000] * 3
QUICK: Retry = DEFAULT_RETRY.with_delay(initial=0.01, multiplier=1.5, maximum=0.1).with_timeout(60.0)
IMPATIENT: Retry = QUICK.with_timeout(0.1)


@dataclass(frozen=True)
class Way:
    """One way to fetch; `read(client, bucket, objects, retry)` gives the bytes of every object."""

    name: str
    read: Read
    composes: bool = False
    ranges: bool = False


def _by_driver(driver: Read, params: Any) -> Read:
    def read(client: Any, bucket: str, objects: Wanted, retry: Any = QUICK) -> list[bytes]:
        return driver(client, bucket, objects, params, retry_config=retry)

    return read


def _to_disk(max_composite_bytes: int, client: Any, bucket: str, objects: Wanted, retry: Any = QUICK) -> list[bytes]:
    """Fetch to files, read them back; files that an error leaves behind are refused unless they are whole."""
    options = download.DirectoryOptions(max_composite_bytes=max_composite_bytes, retry_config=retry, strategy="compose")
    columns = columns_of(objects)
    with tempfile.TemporaryDirectory() as directory:
        try:
            download.download_to_directory(bucket, objects, directory, storage_client=client, options=options)
        finally:
            sizes = {path: path.stat().st_size for path in Path(directory).rglob("*") if path.is_file()}
            listed = {Path(directory, name): size for name, size in zip(columns.names, columns.sizes, strict=True)}
            assert sizes.items() <= listed.items()
        return [Path(directory, name).read_bytes() for name in columns.names]


WAYS = [
    Way("composed", _by_driver(eager, COMPOSED_BY_FOUR), composes=True, ranges=True),
    Way("direct", _by_driver(eager, DIRECT), ranges=True),
    Way("threaded, composed", _by_driver(threaded, COMPOSED_BY_FOUR), composes=True, ranges=True),
    Way("lazy, composed", _by_driver(lazy, COMPOSED_BY_FOUR), composes=True, ranges=True),
    Way("lazy, direct", _by_driver(lazy, DIRECT), ranges=True),
    Way("processes, composed", _by_driver(parallel, COMPOSED_BY_FOUR), composes=True),
    Way("processes, direct", _by_driver(parallel, DIRECT)),
    Way("to disk, composed and ranged", partial(_to_disk, 400), composes=True, ranges=True),
    Way("to disk, direct and ranged", partial(_to_disk, 0), ranges=True),
]
BY_NAME = {way.name: way for way in WAYS}


def lower_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few bytes be a large object, few objects pay for processes, an answer that stalls be given up soon."""
    monkeypatch.setattr(directory_fetch, "LARGE_BYTES", LARGE_BYTES)
    monkeypatch.setattr(schedule, "RANGED_BYTES", LARGE_BYTES)
    monkeypatch.setattr(strategy, "TOGETHER_BYTES", LARGE_BYTES)
    monkeypatch.setattr(ranged, "PIECE_BYTES", PIECE_BYTES)
    monkeypatch.setattr(reader_processes, "_MIN_REQUESTS", 1)
    monkeypatch.setattr(reader_processes, "spare_cores", lambda: 1)
    monkeypatch.setattr(access, "Endpoint", partial(Endpoint, stall_timeout_s=1))


class Renewable(Credentials):
    """Credentials that have a new token for each one that is refused."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.refreshes = 0

    def refresh(self, request: object) -> None:  # noqa: ARG002 - nobody is asked
        self.refreshes += 1
        self.token = f"token-{self.refreshes}"
        self.expiry = (datetime.now(timezone.utc) + timedelta(hours=1)).replace(tzinfo=None)


def renewable_client(endpoint: str) -> Any:
    return storage.Client("p", Renewable(), client_options={"api_endpoint": endpoint})
