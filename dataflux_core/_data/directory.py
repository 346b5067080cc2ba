"""Download objects to files below a directory."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from dataflux_core._data.claimed_tree import claimed_tree
from dataflux_core._data.directory_bar import fetch_bar, look_bar
from dataflux_core._data.directory_errors import TARGET
from dataflux_core._data.directory_fetch import DirectoryProgress, Fetching, fetch_missing
from dataflux_core._data.directory_objects import directory_objects
from dataflux_core._data.directory_plan import DirectoryPlan, PathRules, plan_directory
from dataflux_core._data.directory_room import shortage
from dataflux_core._plan.columns import Wanted, check_bucket
from dataflux_core._plan.globs import check_globs
from dataflux_core._plan.paths import UnsafeNames
from dataflux_core._plan.prices import Prices
from dataflux_core._plan.strategy import Optimize, Strategy
from dataflux_core._run.clients import MODIFIED_RETRY, client_of
from dataflux_core._run.reading.options import DEFAULT_COMPOSITE_BYTES, OnError, ReadOptions
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.retries import rule_of
from dataflux_core.errors import FileNotWritten, InvalidArgument

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from dataflux_core._data.directory_objects import DirectoryObjects
    from dataflux_core.errors import DatafluxError, UnsafeName

log = logging.getLogger(__name__)

Observer = Callable[[DirectoryProgress], None]
FileTimes = Literal["updated", "now"]
FreeSpace = Literal["check", "ignore"]
MIN_MEMORY_BYTES = 1024**2
_WRITING_SHARE = 4  # of the memory, for what waits to be written


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """How to download to a directory.

    `unsafe_names`: what becomes of names that are no path of their own: refuse the download, percent-encode them so
    that `name_of_path` finds them again, or skip them. `strip_prefix` is cut off every name. Of what is left of a name
    `include` and `exclude` are globs, as of `Selection.match_glob`: an object is wanted if any of `include` matches, or
    there is none, and none of `exclude` does.

    `file_times`: a file is as old as its object's latest change, where the listing has the field `updated`, or as its
    writing. `free_space`: what has no room on the disk is refused before the first byte, or not.
    """

    unsafe_names: UnsafeNames = "refuse"
    strip_prefix: str = ""
    max_composite_bytes: int = DEFAULT_COMPOSITE_BYTES  # 0: nothing is composed
    max_requests: int | None = None  # in flight at once; None: 2048, or as many as the limit of open files allows
    retry_config: Any = MODIFIED_RETRY
    progress: bool = False  # a bar on stderr, where that is a terminal
    observer: Observer | None = None  # told, in the calling thread, as files are read
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    file_times: FileTimes = "updated"
    free_space: FreeSpace = "check"  # ignore it where the file system compresses, or packs small files
    strategy: Strategy = "auto"  # whether small objects are composed
    optimize: Optimize = "time"  # what "auto" saves
    max_memory: int | None = None  # bytes read but not written; None: a share of the memory available
    on_error: OnError = "raise"  # or "return" an error about one object in `failed`; what concerns all is raised
    prices: Prices | None = None  # for optimize="cost"; None: the list prices of the bucket's class and location


@dataclass(frozen=True, slots=True)
class DirectoryDownload:
    """What a download to a directory did."""

    written: int  # files
    present: int  # files that were there already
    skipped: tuple[UnsafeName, ...]
    written_bytes: int
    elapsed_s: float
    left_out: int  # objects that `include` and `exclude` did not choose
    unmatched: tuple[str, ...]  # globs to include that no name matches
    retimed: int  # files that were there, their times set to those of their objects
    stats: DownloadStats  # of the reading
    failed: tuple[DatafluxError, ...] = ()  # one for each object that could not be had, with on_error="return"


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

    Every file is whole or not there, however the process ends; what a killed one has left is removed by the next call.
    Files are not forced to disk one by one, so a power loss may spoil those of the last seconds: after one, call again
    with a listing that has the field crc32c.
    """
    chosen = options or DirectoryOptions()
    check_bucket(bucket_name)
    _check(chosen)
    began_s = time.monotonic()
    wanted = directory_objects(objects, with_times=chosen.file_times == "updated")
    stats = DownloadStats()
    # Claimed first of all: what a killed download has left takes room, and may be what a plan would find there.
    with claimed_tree(Path(directory).absolute()) as tree:
        plan = _planned(wanted, tree.directory, chosen, folds_case=tree.folds_case())
        if chosen.free_space == "check" and (lacking := shortage(plan)):
            raise FileNotWritten(TARGET, str(plan.directory), f"{lacking.told}; {lacking.advice}")
        client = client_of(storage_client, project_name, chosen.retry_config)
        with fetch_bar(bucket_name, plan.missing_bytes, chosen.observer, wanted=chosen.progress) as observer:
            for_writing = None if chosen.max_memory is None else chosen.max_memory // _WRITING_SHARE
            fetching = Fetching(client, bucket_name, plan, _read_options(chosen), observer, stats, for_writing)
            fetched = fetch_missing(fetching, tree)
    stats.elapsed_s = time.monotonic() - began_s
    done = DirectoryDownload(
        len(plan.missing) - len(fetched.failed),
        plan.present,
        tuple(plan.skipped),
        plan.missing_bytes - sum(plan.objects.columns.sizes[position] for position in fetched.failed),
        stats.elapsed_s,
        plan.left_out,
        plan.unmatched,
        fetched.retimed,
        stats,
        tuple(fetched.failed.values()),
    )
    log.info("download.directory bucket=%s directory=%s %s", bucket_name, plan.directory, done)
    return done


def directory_plan(objects: Wanted, directory: str | os.PathLike[str], options: DirectoryOptions) -> DirectoryPlan:
    """Decide what would be written where, writing nothing; raises UnsafeName, FileNotWritten, InvalidArgument.

    What a killed download has left is still there, and whether the file system folds case is told by names alone.
    """
    _check(options)
    wanted = directory_objects(objects, with_times=options.file_times == "updated")
    return _planned(wanted, Path(directory), options)


def _planned(
    wanted: DirectoryObjects, directory: Path, options: DirectoryOptions, *, folds_case: bool | None = None
) -> DirectoryPlan:
    rules = PathRules(options.unsafe_names, options.strip_prefix, options.include, options.exclude)
    with look_bar(str(directory), wanted=options.progress) as looked_at:
        return plan_directory(wanted, directory, rules, folds_case=folds_case, looked_at=looked_at)


def _read_options(options: DirectoryOptions) -> ReadOptions:
    read_options = ReadOptions(
        options.max_composite_bytes,
        rule_of(options.retry_config),
        options.strategy,
        options.optimize,
        on_error=options.on_error,
        prices=options.prices,
    )
    if options.max_memory is not None:
        read_options = replace(read_options, max_held_bytes=options.max_memory - options.max_memory // _WRITING_SHARE)
    if options.max_requests is not None:
        read_options = replace(read_options, max_requests=options.max_requests)
    return read_options


def _check(options: DirectoryOptions) -> None:
    _check_choice("unsafe_names", options.unsafe_names, get_args(UnsafeNames))
    _check_choice("file_times", options.file_times, get_args(FileTimes))
    _check_choice("free_space", options.free_space, get_args(FreeSpace))
    _check_choice("strategy", options.strategy, get_args(Strategy))
    _check_choice("optimize", options.optimize, get_args(Optimize))
    _check_choice("on_error", options.on_error, get_args(OnError))
    check_globs("include", options.include)
    check_globs("exclude", options.exclude)
    if not _is_count(options.max_composite_bytes, 0):
        raise InvalidArgument("max_composite_bytes", repr(options.max_composite_bytes), "0 or more bytes, as an int")
    if options.max_requests is not None and not _is_count(options.max_requests, 1):
        raise InvalidArgument("max_requests", repr(options.max_requests), "an int of at least 1, or None")
    if options.max_memory is not None and not _is_count(options.max_memory, MIN_MEMORY_BYTES):
        raise InvalidArgument("max_memory", repr(options.max_memory), f"{MIN_MEMORY_BYTES} bytes or more, or None")
    if options.prices is not None and not isinstance(options.prices, Prices):
        raise InvalidArgument("prices", repr(options.prices), "a costs.Prices, or None")


def _check_choice(argument: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidArgument(argument, repr(value), f"one of {', '.join(choices)}")


def _is_count(value: int, least: int) -> bool:
    try:
        return index(value) >= least  # NumPy's integers are welcome
    except TypeError:
        return False
