"""Download objects to files below a directory."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from dataflux_core._data.directory_fetch import DirectoryProgress, Fetching, fetch_missing
from dataflux_core._data.directory_plan import DirectoryPlan, plan_directory
from dataflux_core._plan.columns import Wanted, check_bucket, columns_of
from dataflux_core._plan.paths import UnsafeNames
from dataflux_core._run.clients import MODIFIED_RETRY, client_of
from dataflux_core._run.reading.reader import DEFAULT_COMPOSITE_BYTES, ReadOptions
from dataflux_core._run.retries import rule_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from dataflux_core.errors import UnsafeName

log = logging.getLogger(__name__)

Observer = Callable[[DirectoryProgress], None]


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """How to download to a directory.

    `unsafe_names`: what becomes of names that are no path of their own: refuse the download, percent-encode them so
    that `name_of_path` finds them again, or skip them. `strip_prefix` is cut off every name.
    """

    unsafe_names: UnsafeNames = "refuse"
    strip_prefix: str = ""
    max_composite_bytes: int = DEFAULT_COMPOSITE_BYTES  # 0: nothing is composed
    max_requests: int | None = None  # in flight at once; None: 512, or as many as the limit of open files allows
    retry_config: Any = MODIFIED_RETRY
    progress: bool = False  # a bar on stderr
    observer: Observer | None = None  # told, in the calling thread, as files are read


@dataclass(frozen=True, slots=True)
class DirectoryDownload:
    """What a download to a directory did."""

    written: int  # files
    present: int  # files that were there already
    skipped: tuple[UnsafeName, ...]
    written_bytes: int
    elapsed_s: float


def download_to_directory(  # noqa: PLR0913 - where, what, whereto, by whom, how
    bucket_name: str,
    objects: Wanted,
    directory: str | os.PathLike[str],
    *,
    project_name: str | None = None,
    storage_client: Any = None,  # noqa: ANN401 - a storage.Client or a fake of one
    options: DirectoryOptions | None = None,
) -> DirectoryDownload:
    """Write the stored bytes of each object to a file below `directory`, under its name.

    `objects` are (name, size in bytes) pairs or a Listing. A file that is there with the listed size, as well as the
    listed crc32c where the listing has that field, is not fetched again: after an interruption call again. All paths
    are decided before anything is fetched. Raises UnsafeName, FileNotWritten, ObjectChanged, or another DatafluxError.

    Every file is whole or not there, however the process ends. Files are not forced to disk one by one, so a power
    loss may spoil those of the last seconds: after one, call again with a listing that has the field crc32c.
    """
    chosen = options or DirectoryOptions()
    check_bucket(bucket_name)
    began_s = time.monotonic()
    plan = directory_plan(objects, directory, chosen, may_probe=True)
    read_options = ReadOptions(chosen.max_composite_bytes, rule_of(chosen.retry_config))
    if chosen.max_requests is not None:
        read_options = replace(read_options, max_requests=chosen.max_requests)
    client = client_of(storage_client, project_name, chosen.retry_config)
    with _watched(bucket_name, plan, chosen) as observer:
        fetch_missing(Fetching(client, bucket_name, plan, read_options, observer))
    done = DirectoryDownload(
        len(plan.missing), plan.present, tuple(plan.skipped), plan.missing_bytes, time.monotonic() - began_s
    )
    log.info("download.directory bucket=%s directory=%s %s", bucket_name, plan.directory, done)
    return done


def directory_plan(
    objects: Wanted, directory: str | os.PathLike[str], options: DirectoryOptions, *, may_probe: bool = False
) -> DirectoryPlan:
    """Decide what would be written where; raises UnsafeName, FileNotWritten, InvalidArgument.

    Nothing is written, so whether the file system folds case is told by names that are there, unless it `may_probe`.
    """
    _check(options)
    columns = columns_of(objects)
    return plan_directory(
        columns,
        _checksums(objects, len(columns)),
        Path(directory),
        unsafe_names=options.unsafe_names,
        strip_prefix=options.strip_prefix,
        may_probe=may_probe,
    )


def _check(options: DirectoryOptions) -> None:
    if options.unsafe_names not in get_args(UnsafeNames):
        raise InvalidArgument("unsafe_names", repr(options.unsafe_names), f"one of {', '.join(get_args(UnsafeNames))}")
    if not _is_count(options.max_composite_bytes, 0):
        raise InvalidArgument("max_composite_bytes", repr(options.max_composite_bytes), "0 or more bytes, as an int")
    if options.max_requests is not None and not _is_count(options.max_requests, 1):
        raise InvalidArgument("max_requests", repr(options.max_requests), "an int of at least 1, or None")


def _is_count(value: int, least: int) -> bool:
    try:
        return index(value) >= least  # NumPy's integers are welcome
    except TypeError:
        return False


def _checksums(objects: Wanted, count: int) -> Sequence[str]:
    if "crc32c" in getattr(objects, "fields", ()):
        return objects.column("crc32c")  # type: ignore[union-attr, return-value] # a listing: a text column
    return [""] * count


@contextmanager
def _watched(bucket: str, plan: DirectoryPlan, options: DirectoryOptions) -> Iterator[Observer]:
    """Give an observer that draws a bar where one is wanted, besides telling the caller's."""
    theirs = options.observer
    if not options.progress:
        yield theirs or _ignore
        return
    from tqdm import tqdm  # noqa: PLC0415 - only where a bar is wanted

    with tqdm(desc=f"gs://{bucket}", total=plan.missing_bytes, unit="B", unit_scale=True, leave=False) as bar:

        def observe(progress: DirectoryProgress) -> None:
            bar.update(progress.received_bytes - bar.n)
            bar.set_postfix_str(f"{progress.files}/{progress.total_files} files", refresh=False)
            if theirs is not None:
                theirs(progress)

        yield observe


def _ignore(progress: DirectoryProgress) -> None:
    del progress
