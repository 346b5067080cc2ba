"""Download all samples of an index to files."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from dataflux_core._data.claimed_tree import claimed_tree
from dataflux_core._data.epoch.binding import Binding
from dataflux_core._data.epoch.unpacked_index import write_index
from dataflux_core._data.epoch.unpacked_journal import UNKNOWN, UnpackJournal
from dataflux_core._data.epoch.unpacked_names import NameCheck, bad_rows_of, paths_of, windows_of
from dataflux_core._data.index.opening import open_index
from dataflux_core._data.index.sample_index import IndexOptions
from dataflux_core._data.samples.policy import concerns_all
from dataflux_core._data.target_tree import Place
from dataflux_core._plan.sample_files import INDEX, JOURNAL
from dataflux_core._plan.text import shortened, shown
from dataflux_core._run.fetching.fetcher import Fetcher
from dataflux_core._run.fetching.options import FetchOptions
from dataflux_core._run.terminal import bar_size
from dataflux_core._wire.objects import crc32c_text
from dataflux_core.errors import BadSample, DatafluxError, FileNotWritten, IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dataflux_core._data.epoch.window import Window
    from dataflux_core._data.target_tree import TargetTree
    from dataflux_core._run.client_source import ClientSource

log = logging.getLogger(__name__)

DEFAULT_REQUESTS = 256
_HELD_BYTES = 256 * 1024**2
_THREADS = 3  # windows under way at once, so that the end of one does not leave the network idle
_BAD_KEPT = 1000  # errors held; there may be a million
_NAME_WIDTH = 80
_NOTED_AT_ONCE = 32  # files; what a killed process has not noted is fetched again


@dataclass(frozen=True, slots=True)
class UnpackOptions:
    """Which samples become files, and how."""

    columns_to_load: tuple[str, ...] | None = None
    index_col_name: str | None = None
    max_samples: int | None = None
    max_requests: int = DEFAULT_REQUESTS
    keeps_going: bool = False  # past rows that cannot be had
    progress: bool = False


@dataclass(slots=True)
class Unpacked:
    """What was done so far."""

    samples: int = 0  # of the index
    objects: int = 0
    written: int = 0  # files
    written_bytes: int = 0
    present: int = 0  # files that were there whole
    bad_rows: int = 0
    bad: list[BadSample] = field(default_factory=list)  # the first thousand
    elapsed_s: float = 0.0


def unpack(
    source: str, directory: Path, options: UnpackOptions, *, client: ClientSource = None, done: Unpacked | None = None
) -> Unpacked:
    """Write a file for each loaded column of each sample, then index.parquet; what is there whole is left as it is.

    All names are looked at before the first file is written. Counts into `done` as it goes. Raises IndexUnusable,
    BadSample, FileNotWritten or another DatafluxError; files that are there then are whole, and a second call goes on.
    """
    began_s = time.monotonic()
    done = Unpacked() if done is None else done
    binding = _bound(source, options, client)
    done.samples = len(binding.index)
    done.objects = done.samples * len(binding.loaded)
    fetching = FetchOptions(max_requests=options.max_requests, max_held_bytes=_HELD_BYTES, max_reads=_THREADS)
    with claimed_tree(directory) as tree:
        _check_index(tree)
        check = NameCheck(binding, source, tree.directory, folds_case=bool(tree.folds_case()))
        check.check(keeps_going=options.keeps_going)
        with closing(UnpackJournal(tree.directory, binding)) as journal:
            fetcher = Fetcher(fetching, client)
            run = _Unpacking(binding, tree, journal, fetcher, done)
            run.keeps_going = options.keeps_going
            with _bar(source, done.objects, wanted=options.progress) as run.tell:
                run.run()
            done.bad_rows = int(run.bad_rows.sum())
            if done.bad_rows < done.samples:
                write_index(tree, binding, journal.facts, run.bad_rows)
    done.elapsed_s = time.monotonic() - began_s
    log.info("unpack.done samples=%d written=%d present=%d", done.samples, done.written, done.present)
    return done


def _bound(source: str, options: UnpackOptions, client: ClientSource) -> Binding:
    opened = open_index(source, IndexOptions(max_samples=options.max_samples), client, shows_bar=options.progress)
    binding = Binding(opened, source, loaded=options.columns_to_load, id_column=options.index_col_name, kept=None)
    if not binding.loaded:
        names = ", ".join(opened.columns)
        raise IndexUnusable(source, "no column is known to hold URLs", f"choose columns_to_load among {names}")
    return binding


def _check_index(tree: TargetTree) -> None:
    """Refuse to replace an index that no earlier run has written; raises FileNotWritten."""
    path = tree.directory / INDEX
    if path.exists() and not (tree.directory / JOURNAL).exists():
        reason = "another file has that name; move it away, or choose another directory"
        raise FileNotWritten("the index", str(path), reason)


class _Unpacking:
    """Threads that each fetch some rows and write their files."""

    def __init__(
        self, binding: Binding, tree: TargetTree, journal: UnpackJournal, fetcher: Fetcher, done: Unpacked
    ) -> None:
        self._binding = binding
        self._tree = tree
        self._journal = journal
        self._fetcher = fetcher
        self._done = done
        self._windows = windows_of(binding)
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._ended: set[threading.Thread] = set()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self.keeps_going = False
        self.tell = _ignore
        self.bad_rows = np.zeros(len(binding.index), bool)

    def run(self) -> None:
        """Unpack all rows; raises what went wrong first."""
        threads = [threading.Thread(target=self._work, name=f"dataflux-unpack-{n}") for n in range(_THREADS)]
        try:
            for thread in threads:
                thread.start()
            self._wait_for(threads)
        except BaseException as error:  # an interruption
            self._fail(error)
            self._wait_for(threads)
            raise
        if self._failure is not None:
            raise self._failure

    def _wait_for(self, threads: Sequence[threading.Thread]) -> None:
        # Not by join(): interrupted once, it takes a thread for ended that is not, before Python 3.13.
        while any(thread.ident is not None and thread not in self._ended for thread in threads):
            self._bell.get()

    def _work(self) -> None:
        try:
            while (window := self._next()) is not None:
                self._unpack(window)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for this one
            self._fail(error)
        finally:
            self._ended.add(threading.current_thread())
            self._bell.put(None)

    def _fail(self, error: BaseException) -> None:
        """Let all threads end; the first reason is the one to tell."""
        with self._lock:
            self._failure = self._failure or error
        self._fetcher.close()

    def _next(self) -> Window | None:
        with self._lock:
            return None if self._failure is not None else next(self._windows, None)

    def _unpack(self, window: Window) -> None:
        for bad in bad_rows_of(window):
            self._refuse(bad)
        paths = paths_of(window)
        first = window.rows[0] * len(self._binding.loaded)
        records: list[tuple[int, int, str]] = []
        try:
            wanted = self._missing(window, paths, first, records)
            owners = window.owners()
            following = (len(self._binding.index) - window.rows[-1] - 1) * len(self._binding.loaded)
            with closing(self._fetcher.read(window.objects.picked(wanted), following=following)) as arrived:
                for position, content in arrived:
                    at = wanted[position]
                    if isinstance(content, bytes):
                        records.append((first + at, len(content), self._write(window, owners[at], paths[at], content)))
                        if len(records) >= _NOTED_AT_ONCE:
                            self._journal.add(records)
                            records.clear()
                    else:
                        self._refuse(_bad_sample(window, owners[at], at, content))
        finally:
            self._journal.add(records)
        self._tell()

    def _missing(
        self, window: Window, paths: Sequence[str | None], first: int, records: list[tuple[int, int, str]]
    ) -> list[int]:
        """Return which objects are to be fetched; the others are there."""
        missing = []
        owners = window.owners()
        for at, path in enumerate(paths):
            if path is None:
                continue
            size, crc32c = self._known(window, at, first + at)
            place = _place(window, owners[at], path)
            present = None if size == UNKNOWN else self._tree.look(place, size, crc32c)
            if present is None or not present.is_whole:
                missing.append(at)
            elif self._journal.facts.sizes[first + at] != size:
                records.append((first + at, size, crc32c))
        with self._lock:
            self._done.present += sum(path is not None for path in paths) - len(missing)
        self._tell()
        return missing

    def _known(self, window: Window, at: int, number: int) -> tuple[int, str]:
        """Return size and checksum of an object, as the index says, else as its file was written."""
        objects, facts = window.objects, self._journal.facts
        size = UNKNOWN if objects.sizes is None else objects.sizes[at]
        crc32c = "" if objects.crc32cs is None else objects.crc32cs[at]
        noted = int(facts.sizes[number])
        if noted == UNKNOWN or size not in (UNKNOWN, noted):
            return size, crc32c
        return noted, crc32c or facts.crc32c(number)

    def _write(self, window: Window, row: int, path: str | None, content: bytes) -> str:
        """Return the checksum of what was written."""
        self._tree.write(_place(window, row, path or ""), content)
        with self._lock:
            self._done.written += 1
            self._done.written_bytes += len(content)
        self._tell()
        return crc32c_text(google_crc32c.value(content))

    def _refuse(self, bad: BadSample) -> None:
        if not self.keeps_going:
            raise bad
        with self._lock:
            self.bad_rows[bad.row] = True
            if len(self._done.bad) < _BAD_KEPT:
                self._done.bad.append(bad)

    def _tell(self) -> None:
        with self._lock:
            self.tell(self._done)


def _place(window: Window, row: int, path: str) -> Place:
    return Place(f"row {window.rows[row]}, id {shortened(repr(window.ids[row]), _NAME_WIDTH)}", path)


def _bad_sample(window: Window, row: int, at: int, error: DatafluxError) -> BadSample:
    """Say which row an error is about; raises it where it is about all."""
    if concerns_all(error):
        raise error
    column = window.columns[row][at - window.starts[row]]
    bad = BadSample(window.rows[row], window.ids[row], column, str(error))
    bad.__cause__ = error
    return bad


@contextmanager
def _bar(source: str, objects: int, *, wanted: bool) -> Iterator[Any]:
    """Give what draws how far it has come."""
    if not wanted:
        yield _ignore
        return
    from tqdm import tqdm  # noqa: PLC0415 - only where a bar is wanted

    name = shortened(shown(source), 24)
    with tqdm(desc=name, total=objects, unit=" files", leave=False, disable=None, **bar_size()) as drawn:

        def tell(done: Unpacked) -> None:
            drawn.set_postfix_str(f"{drawn.format_sizeof(done.written_bytes, 'B')}", refresh=False)
            drawn.update(done.written + done.present - drawn.n)

        yield tell


def _ignore(done: Unpacked) -> None:
    del done
