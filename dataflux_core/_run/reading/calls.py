"""Read what one call asks for, in the way that its client allows."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflux_core._run.reading.ahead import read_ahead
from dataflux_core._run.reading.client_reader import ClientReader
from dataflux_core._run.reading.reader import read_groups
from dataflux_core._run.reading.reader_processes import read_in_processes

if TYPE_CHECKING:
    from collections.abc import Generator

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._run.clients import Client
    from dataflux_core._run.reading.direct import GroupBytes, Part
    from dataflux_core._run.reading.options import ReadOptions
    from dataflux_core._run.reading.stats import DownloadStats

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Download:
    """One call: what is read, from where, how."""

    client: Client
    bucket: str
    objects: ObjectColumns
    options: ReadOptions
    stats: DownloadStats


def read_all(download: Download) -> list[Part]:
    """Return the bytes of every object, in order."""
    access = download.client.access
    if access is None:
        return _collected(download, _through_client(download, threads=1))
    return _collected(
        download, read_groups(access, download.bucket, download.objects, download.options, download.stats)
    )


def read_on_threads(download: Download, *, threads: int) -> list[Part]:
    """Return the bytes of every object, in order, with `threads` groups in flight at once.

    With a plain client no thread is started: one thread keeps any number of groups in flight, for less CPU.
    """
    access = download.client.access
    if access is None:
        return _collected(download, _through_client(download, threads=threads))
    options = replace(download.options, max_groups=threads)
    return _collected(download, read_groups(access, download.bucket, download.objects, options, download.stats))


def read_on_processes(download: Download, *, processes: int) -> list[Part]:
    """Return the bytes of every object, in order.

    A client that is not plain stays on threads of this process: what it is made of cannot be sent to another.
    """
    access = download.client.access
    if access is None:
        return read_on_threads(download, threads=processes)
    began_s = time.monotonic()
    contents: list[Part] = [b""] * len(download.objects)
    options = replace(download.options, max_processes=processes)
    with closing(read_in_processes(access, download.bucket, download.objects, options, download.stats)) as arriving:
        for position, content in arriving:
            contents[position] = content
    _report(download, began_s)
    return contents


def read_lazily(download: Download) -> Generator[Part, None, None]:
    """Yield the bytes of every object, in order, while the next ones are read."""
    began_s = time.monotonic()
    access = download.client.access
    if access is None:
        groups = _through_client(download, threads=1)
    else:
        options = replace(download.options, order="listed")
        groups = read_ahead(access, download.bucket, download.objects, options, download.stats)
    with closing(groups):
        for _, parts in groups:
            yield from parts
    _report(download, began_s)


def _through_client(download: Download, *, threads: int) -> Generator[GroupBytes, None, None]:
    client = download.client
    reader = ClientReader(client.client, download.bucket, client.retry, download.options, download.stats)
    return reader.read(download.objects, threads=threads)


def _collected(download: Download, groups: Generator[GroupBytes, None, None]) -> list[Part]:
    began_s = time.monotonic()
    contents: list[Part] = [b""] * len(download.objects)
    with closing(groups):
        for group, parts in groups:
            contents[group.start : group.stop] = parts
    _report(download, began_s)
    return contents


def _report(download: Download, began_s: float) -> None:
    download.stats.elapsed_s = time.monotonic() - began_s
    log.info("download.done bucket=%s objects=%d %s", download.bucket, len(download.objects), download.stats)
