"""Share between a dataset's process and its loader workers which epoch it is, how far each has come."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import fields
from multiprocessing import context, reduction
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._data.epoch.stats import StreamStats
from dataflux_core._plan.order.state import Progress
from dataflux_core.errors import InvalidArgument, StateMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WORKERS = 512
_RECORDS = 65_536  # of each worker: more samples than that are never between a worker and the consumer
_HEADER = struct.Struct("<qq")  # next epoch, iterations begun
_PASS = struct.Struct("<qqq")  # loader, number of its pass, epoch
_PASSES_AT = 64
_NO_LOADER = -1  # no key is negative
_PASSES = 128  # remembered: more loaders do not take one dataset at the same time
_HEADER_BYTES = 4096
_WORKER = struct.Struct("<qqq")  # serial number of its pass, samples given, whether it has ended
_RECORD = struct.Struct("<qqq")  # a Progress
_STATS = struct.Struct(f"<{len(fields(StreamStats))}d")
_STATS_AT = 256
_RECORDS_AT = 4096
_WORKER_BYTES = _RECORDS_AT + _RECORDS * _RECORD.size
_BYTES = _HEADER_BYTES + MAX_WORKERS * _WORKER_BYTES  # of addresses: a page takes memory once it is written to


class Pass(NamedTuple):
    """One iteration over a dataset, by all workers of a loader or by a process of its own."""

    loader_key: int
    number: int  # of those that the loader has made with the same workers
    epoch: int
    serial: int = 0  # among all passes


class WorkerNote(NamedTuple):
    """What a worker says of itself."""

    serial: int  # of its pass
    samples: int
    has_ended: bool


class Board:
    """A piece of anonymous memory that a dataset and its copies in loader workers see.

    It has no name, so nothing is left behind when they die, and nobody waits for anybody.
    """

    def __init__(self, next_epoch: int = 0) -> None:
        self.process_id = os.getpid()
        self._lock = threading.Lock()
        self._open(_new_file(), next_epoch)

    def _open(self, descriptor: int, next_epoch: int | None = None) -> None:
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _BYTES)
        if next_epoch is not None:
            _HEADER.pack_into(self._memory, 0, next_epoch, 0)

    def __getstate__(self) -> tuple[object, int]:
        # A descriptor can be handed to a child that is being started; elsewhere a copy starts a board of its own.
        is_starting = context.get_spawning_popen() is not None
        return (reduction.DupFd(self._descriptor) if is_starting else None), self.next_epoch

    def __setstate__(self, state: tuple[object, int]) -> None:
        shared, next_epoch = state
        self.process_id = os.getpid()
        self._lock = threading.Lock()
        if shared is None:
            self._open(_new_file(), next_epoch)
        else:
            self._open(shared.detach())  # type: ignore[attr-defined] # what DupFd gave
            self.process_id = 0  # another's

    def __del__(self) -> None:
        memory = getattr(self, "_memory", None)
        if memory is not None:
            memory.close()
            os.close(self._descriptor)

    @property
    def next_epoch(self) -> int:
        return int(_HEADER.unpack_from(self._memory)[0])

    @next_epoch.setter
    def next_epoch(self, epoch: int) -> None:
        with self._locked():
            _, begun = _HEADER.unpack_from(self._memory)
            _HEADER.pack_into(self._memory, 0, epoch, begun)

    def last_pass(self) -> Pass | None:
        """Return the pass that was begun last, by whomever."""
        passes = self._passes()
        return passes[-1] if passes else None

    @property
    def begun(self) -> int:
        """How many passes were begun: the serial number of the last."""
        return int(_HEADER.unpack_from(self._memory)[1])

    def forget(self, loader_key: int) -> None:
        """Let a new loader have this key, though another had it: keys are of torch's seed, which may be set again."""
        with self._locked():
            for known in self._passes():
                if known.loader_key == loader_key:
                    _PASS.pack_into(self._memory, _pass_at(known.serial - 1), _NO_LOADER, known.number, known.epoch)

    def pass_of(self, loader_key: int, number: int) -> Pass | None:
        """Return a pass, if any worker has begun it."""
        return next(
            (known for known in self._passes() if (known.loader_key, known.number) == (loader_key, number)), None
        )

    def begin(self, loader_key: int, number: int, wanted_epoch: int | None = None) -> Pass:
        """Return a pass, the same to all workers: of the next epoch, or of that which the first of them wants."""
        with self._locked():
            known = self.pass_of(loader_key, number)
            if known is not None:
                return known
            next_epoch, begun = _HEADER.unpack_from(self._memory)
            epoch = next_epoch if wanted_epoch is None else wanted_epoch
            _PASS.pack_into(self._memory, _pass_at(begun), loader_key, number, epoch)
            _HEADER.pack_into(self._memory, 0, epoch + 1, begun + 1)
            return Pass(loader_key, number, epoch, begun + 1)

    def _passes(self) -> list[Pass]:
        _, begun = _HEADER.unpack_from(self._memory)
        first = max(0, begun - _PASSES)
        told = (_PASS.unpack_from(self._memory, _pass_at(number)) for number in range(first, begun))
        return [Pass(key, of_loader, epoch, serial) for serial, (key, of_loader, epoch) in enumerate(told, first + 1)]

    def worker_begins(self, worker: int, serial: int) -> None:
        if worker >= MAX_WORKERS:
            raise InvalidArgument("num_workers", str(worker + 1), f"at most {MAX_WORKERS} loader workers")
        _WORKER.pack_into(self._memory, _worker_at(worker), serial, 0, 0)

    def tell(self, worker: int, samples: int, progress: Progress) -> None:
        """Note what is done when the worker's sample number `samples` is handed to the consumer."""
        at = _worker_at(worker)
        _RECORD.pack_into(self._memory, at + _RECORDS_AT + (samples % _RECORDS) * _RECORD.size, *progress)
        struct.pack_into("<q", self._memory, at + 8, samples)

    def worker_ends(self, worker: int) -> None:
        struct.pack_into("<q", self._memory, _worker_at(worker) + 16, 1)

    def note_of(self, worker: int) -> WorkerNote:
        serial, samples, has_ended = _WORKER.unpack_from(self._memory, _worker_at(worker))
        return WorkerNote(serial, samples, bool(has_ended))

    def progress_at(self, worker: int, samples: int) -> Progress:
        """Return what is done when so many of the worker's samples were handed out; raises StateMismatch."""
        note = self.note_of(worker)
        if not note.samples - _RECORDS < samples <= note.samples:
            raise StateMismatch(
                f"loader worker {worker} has given {note.samples} samples, of which {samples} were handed out",
                "let fewer samples wait: a smaller prefetch_factor or batch_size",
            )
        at = _worker_at(worker) + _RECORDS_AT + (samples % _RECORDS) * _RECORD.size
        return Progress(*_RECORD.unpack_from(self._memory, at))

    def put_stats(self, worker: int, stats: StreamStats) -> None:
        _STATS.pack_into(self._memory, _worker_at(worker) + _STATS_AT, *stats.values())

    def stats_of(self, worker: int) -> StreamStats:
        return StreamStats.of(_STATS.unpack_from(self._memory, _worker_at(worker) + _STATS_AT))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The file's lock keeps other processes away, the other one this process's threads.
        with self._lock:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def _pass_at(number: int) -> int:
    return _PASSES_AT + (number % _PASSES) * _PASS.size


def _worker_at(worker: int) -> int:
    return _HEADER_BYTES + worker * _WORKER_BYTES


def _new_file() -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("dataflux-board", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _BYTES)
    return descriptor
