"""Download many objects of one bucket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, overload

import google_crc32c

from dataflux_core._data.directory import DirectoryDownload, DirectoryOptions, download_to_directory
from dataflux_core._data.directory_fetch import DirectoryProgress
from dataflux_core._plan.columns import UNKNOWN_SIZE, ObjectColumns, Wanted, check_bucket, check_name, columns_of
from dataflux_core._plan.groups import MAX_SOURCES
from dataflux_core._plan.paths import name_of_path
from dataflux_core._plan.split import split
from dataflux_core._run.clients import MODIFIED_RETRY, client_of
from dataflux_core._run.reading.calls import Download, read_all, read_lazily, read_on_processes, read_on_threads
from dataflux_core._run.reading.client_reader import compose_through_client
from dataflux_core._run.reading.direct import changed_checksum
from dataflux_core._run.reading.leftovers import find_leftovers, remove_leftovers
from dataflux_core._run.reading.options import DownloadKeywords, OnError, ReadOptions, checked_count, options_of
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.retries import rule_of
from dataflux_core._wire.listing import COMPOSED_PREFIX
from dataflux_core.errors import DatafluxError, FileNotWritten, InvalidArgument, ObjectChanged

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import Unpack

__all__ = [
    "COMPOSED_PREFIX",
    "MAX_NUM_OBJECTS_TO_COMPOSE",
    "MODIFIED_RETRY",
    "DataFluxDownloadOptimizationParams",
    "DirectoryDownload",
    "DirectoryOptions",
    "DirectoryProgress",
    "DownloadKeywords",
    "DownloadStats",
    "FileNotWritten",
    "clean_composed_objects",
    "compose",
    "dataflux_download",
    "dataflux_download_lazy",
    "dataflux_download_parallel",
    "dataflux_download_threaded",
    "decompose",
    "download_single",
    "download_to_directory",
    "name_of_path",
]

MAX_NUM_OBJECTS_TO_COMPOSE = MAX_SOURCES


@dataclass
class DataFluxDownloadOptimizationParams:
    """How to download: groups of small objects are composed up to this many bytes; 0: nothing is composed."""

    max_composite_object_size: int  # bytes


@overload
def dataflux_download(
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = ...,  # noqa: ANN401 - a storage.Client or a fake of one
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = ...,
    threading_enabled: bool = ...,  # noqa: FBT001 - upstream's interface
    retry_config: Any = ...,  # noqa: ANN401 - google.api_core ships no types
    *,
    on_error: Literal["raise"] = "raise",
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes]: ...


@overload
def dataflux_download(
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = ...,  # noqa: ANN401 - as above
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = ...,
    threading_enabled: bool = ...,  # noqa: FBT001 - as above
    retry_config: Any = ...,  # noqa: ANN401 - as above
    *,
    on_error: Literal["return"],
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes | DatafluxError]: ...


def dataflux_download(  # noqa: PLR0913, PLR0917 - upstream's interface
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = None,
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = None,
    threading_enabled: bool = False,  # noqa: ARG001, FBT001, FBT002 - upstream's interface; any thread may call
    retry_config: Any = MODIFIED_RETRY,
    *,
    on_error: OnError = "raise",
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes] | list[bytes | DatafluxError]:
    """Return the stored bytes of every object, in the order of `objects`: (name, size in bytes) pairs or a Listing.

    Stored bytes are what the listing's size counts: an object with `Content-Encoding: gzip` comes back compressed,
    whatever the path. Small neighbours may travel as temporary composites; these lie under COMPOSED_PREFIX, have up to
    100,000,000 bytes unless the parameters say otherwise, and are removed whatever happens. Never returns short: raises
    ObjectChanged, ObjectNotFound, ChecksumMismatch, BucketNotFound, AccessDenied, or another DatafluxError.

    Keywords, the same for the threaded, parallel and lazy sisters:

    on_error: "raise", or "return" an error about one object in its place; what concerns them all is raised.
    strategy: "auto" composes or reads directly, whichever is better; "compose" what can be; "direct" writes nothing.
    optimize: what is better with "auto": "time" or "cost".
    prices: a costs.Prices, in the place of the list prices.
    max_memory: bytes in flight or not yet taken, at least 1 MiB; None: a quarter of what is free.
    max_requests: in flight at once; None: 2048, fewer where few files may be open.
    decompress: True gives what objects stored as gzip say; NotDecompressed names what is no gzip.
    stats: a DownloadStats to be filled in.
    """
    download = _download(
        project_name,
        bucket_name,
        objects,
        storage_client,
        dataflux_download_optimization_params,
        retry_config,
        options_of(keywords, on_error),
        keywords.get("stats"),
    )
    return [] if download is None else read_all(download)


@overload
def dataflux_download_threaded(
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = ...,  # noqa: ANN401 - a storage.Client or a fake of one
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = ...,
    threads: int = ...,
    retry_config: Any = ...,  # noqa: ANN401 - google.api_core ships no types
    *,
    on_error: Literal["raise"] = "raise",
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes]: ...


@overload
def dataflux_download_threaded(
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = ...,  # noqa: ANN401 - as above
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = ...,
    threads: int = ...,
    retry_config: Any = ...,  # noqa: ANN401 - as above
    *,
    on_error: Literal["return"],
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes | DatafluxError]: ...


def dataflux_download_threaded(  # noqa: PLR0913, PLR0917 - upstream's interface
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = None,
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = None,
    threads: int = 1,
    retry_config: Any = MODIFIED_RETRY,
    *,
    on_error: OnError = "raise",
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes] | list[bytes | DatafluxError]:
    """Do as `dataflux_download`, with at most `threads` groups in flight at once.

    With a plain storage.Client one thread keeps them all in flight: more would share its core and be slower. A
    client of another kind is called from `threads` threads.
    """
    checked_count("threads", threads)
    download = _download(
        project_name,
        bucket_name,
        objects,
        storage_client,
        dataflux_download_optimization_params,
        retry_config,
        options_of(keywords, on_error),
        keywords.get("stats"),
    )
    return [] if download is None else read_on_threads(download, threads=threads)


@overload
def dataflux_download_parallel(
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = ...,  # noqa: ANN401 - a storage.Client or a fake of one
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = ...,
    parallelization: int = ...,
    retry_config: Any = ...,  # noqa: ANN401 - google.api_core ships no types
    *,
    on_error: Literal["raise"] = "raise",
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes]: ...


@overload
def dataflux_download_parallel(
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = ...,  # noqa: ANN401 - as above
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = ...,
    parallelization: int = ...,
    retry_config: Any = ...,  # noqa: ANN401 - as above
    *,
    on_error: Literal["return"],
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes | DatafluxError]: ...


def dataflux_download_parallel(  # noqa: PLR0913, PLR0917 - upstream's interface
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = None,
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = None,
    parallelization: int = 1,
    retry_config: Any = MODIFIED_RETRY,
    *,
    on_error: OnError = "raise",
    **keywords: Unpack[DownloadKeywords],
) -> list[bytes] | list[bytes | DatafluxError]:
    """Do as `dataflux_download`, with up to `parallelization` processes, one per core at most.

    Each keeps as many requests in flight as its share of the limits allows; credentials stay in this process. A few
    objects, or a call from a daemonic process, are read in this one. A client that is not a plain storage.Client is
    called from that many threads: its transport cannot be sent to another process.
    """
    checked_count("parallelization", parallelization)
    download = _download(
        project_name,
        bucket_name,
        objects,
        storage_client,
        dataflux_download_optimization_params,
        retry_config,
        options_of(keywords, on_error),
        keywords.get("stats"),
    )
    return [] if download is None else read_on_processes(download, processes=parallelization)


@overload
def dataflux_download_lazy(
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = ...,  # noqa: ANN401 - a storage.Client or a fake of one
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = ...,
    threading_enabled: bool = ...,  # noqa: FBT001 - upstream's interface
    retry_config: Any = ...,  # noqa: ANN401 - google.api_core ships no types
    *,
    on_error: Literal["raise"] = "raise",
    **keywords: Unpack[DownloadKeywords],
) -> Generator[bytes, None, None]: ...


@overload
def dataflux_download_lazy(
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = ...,  # noqa: ANN401 - as above
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = ...,
    threading_enabled: bool = ...,  # noqa: FBT001 - as above
    retry_config: Any = ...,  # noqa: ANN401 - as above
    *,
    on_error: Literal["return"],
    **keywords: Unpack[DownloadKeywords],
) -> Generator[bytes | DatafluxError, None, None]: ...


def dataflux_download_lazy(  # noqa: PLR0913, PLR0917 - upstream's interface
    project_name: str | None,
    bucket_name: str,
    objects: Wanted,
    storage_client: Any = None,
    dataflux_download_optimization_params: DataFluxDownloadOptimizationParams | None = None,
    threading_enabled: bool = False,  # noqa: ARG001, FBT001, FBT002 - upstream's interface; any thread may call
    retry_config: Any = MODIFIED_RETRY,
    *,
    on_error: OnError = "raise",
    **keywords: Unpack[DownloadKeywords],
) -> Generator[bytes, None, None] | Generator[bytes | DatafluxError, None, None]:
    """Yield what `dataflux_download` returns, while the next objects are read ahead, `max_memory` bytes at most.

    Arguments are checked at once; the first request goes out when the first object is asked for. Closing the
    iterator, or dropping it, ends the reading and removes its temporaries. Nothing is read ahead with a client that is
    not a plain storage.Client.
    """
    download = _download(
        project_name,
        bucket_name,
        objects,
        storage_client,
        dataflux_download_optimization_params,
        retry_config,
        options_of(keywords, on_error),
        keywords.get("stats"),
    )
    return _nothing() if download is None else read_lazily(download)


def download_single(
    storage_client: Any,  # noqa: ANN401 - as above
    bucket_name: str,
    object_name: str,
    retry_config: Any = MODIFIED_RETRY,  # noqa: ANN401 - as above
) -> bytes:
    """Return the stored bytes of one object, whatever its size."""
    check_bucket(bucket_name)
    check_name("object_name", object_name)
    client = client_of(storage_client, None, retry_config)
    objects = ObjectColumns([object_name], [UNKNOWN_SIZE])
    options = ReadOptions(strategy="direct")
    if client.access is not None:
        options = replace(options, rule=rule_of(retry_config))
    (content,) = read_all(Download(client, bucket_name, objects, options, DownloadStats()))
    if isinstance(content, DatafluxError):
        raise content
    return content


def compose(  # noqa: PLR0913, PLR0917 - upstream's interface
    project_name: str | None,
    bucket_name: str,
    destination_blob_name: str,
    objects: Wanted,
    storage_client: Any = None,  # noqa: ANN401 - as above
    retry_config: Any = MODIFIED_RETRY,  # noqa: ANN401 - as above
) -> Any:  # noqa: ANN401 - the client's own kind of blob
    """Join up to MAX_NUM_OBJECTS_TO_COMPOSE objects under a name of the caller's; return its blob.

    It is the caller's to delete; one of the same name is replaced. Raises ObjectNotFound for an object that is not
    there, BucketNotFound, AccessDenied, or another DatafluxError.
    """
    check_bucket(bucket_name)
    check_name("destination_blob_name", destination_blob_name)
    names = columns_of(objects).names
    if not 1 <= len(names) <= MAX_NUM_OBJECTS_TO_COMPOSE:
        raise InvalidArgument("objects", f"{len(names)} objects", f"1 to {MAX_NUM_OBJECTS_TO_COMPOSE} objects")
    bucket = client_of(storage_client, project_name, retry_config).client.bucket(bucket_name)
    return compose_through_client(bucket, bucket_name, destination_blob_name, names, retry_config)


def decompose(  # noqa: PLR0913, PLR0917 - upstream's interface
    project_name: str | None,
    bucket_name: str,
    composite_object_name: str,
    objects: Wanted,
    storage_client: Any = None,  # noqa: ANN401 - as above
    retry_config: Any = MODIFIED_RETRY,  # noqa: ANN401 - as above
) -> list[bytes]:
    """Read a composite, split it into the bytes of `objects`.

    Raises ObjectChanged where their sizes, or the crc32c that a listing has of them, disagree.
    """
    columns = columns_of(objects)
    sizes = columns.sizes
    check_bucket(bucket_name)
    client = client_of(storage_client, project_name, retry_config).client
    content = download_single(client, bucket_name, composite_object_name, retry_config)
    if sum(sizes) != len(content):
        raise ObjectChanged(composite_object_name, sum(sizes), len(content))
    parts = split(content, sizes)
    for position, part in enumerate(parts):
        changed = changed_checksum(columns, position, google_crc32c.value(part))
        if changed is not None:
            raise changed
    return parts


def clean_composed_objects(
    bucket_name: str,
    *,
    older_than: timedelta,
    storage_client: Any = None,  # noqa: ANN401 - as above
    retry_config: Any = MODIFIED_RETRY,  # noqa: ANN401 - as above
    dry_run: bool = False,
) -> list[str]:
    """Remove temporaries that were made longer than `older_than` ago; return their names.

    Choose an age beyond that of any download that may still run. With `dry_run` they are only named. Objects under
    COMPOSED_PREFIX whose names no download makes are left alone.
    """
    check_bucket(bucket_name)
    if not isinstance(older_than, timedelta) or older_than < timedelta(0):
        raise InvalidArgument("older_than", repr(older_than), "a timedelta that is not negative")
    client = client_of(storage_client, None, retry_config)
    found = find_leftovers(client, bucket_name, older_than=older_than)
    return [name for name, _ in found.objects] if dry_run else remove_leftovers(client, bucket_name, found.objects)


def _download(  # noqa: PLR0913, PLR0917 - what the four share of upstream's interface
    project: str | None,
    bucket: str,
    objects: Wanted,
    client: Any,  # noqa: ANN401 - as above
    params: DataFluxDownloadOptimizationParams | None,
    retry: Any,  # noqa: ANN401 - as above
    options: ReadOptions,
    stats: DownloadStats | None,
) -> Download | None:
    """Check the arguments; None where there is nothing to read."""
    check_bucket(bucket)
    columns = columns_of(objects)
    if params is not None:
        if not hasattr(params, "max_composite_object_size"):
            expected = "a DataFluxDownloadOptimizationParams, or None"
            raise InvalidArgument("dataflux_download_optimization_params", repr(params), expected)
        cap = params.max_composite_object_size
        options = replace(options, max_composite_bytes=checked_count("max_composite_object_size", cap, least=0))
    if not len(columns):
        return None
    taken = client_of(client, project, retry)
    if taken.access is not None:  # another client's retry is nothing that we could read
        options = replace(options, rule=rule_of(retry))
    return Download(taken, bucket, columns, options, DownloadStats() if stats is None else stats)


def _nothing() -> Generator[bytes, None, None]:
    # A generator as any other lazy download is: its user may close it.
    yield from ()
