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
_HEADER = struct.Struct("<qqq")  # next epoch, iterations begun, number of the state that is gone on from
_PASS = struct.Struct("<qqqq")  # loader, number of its pass, epoch, number of the state
_PASSES_AT = 64
_NO_LOADER = -1  # no key is negative
_PASSES = 128  # remembered: more loaders do not take one dataset at the same time
_HEADER_BYTES = 8192
_WORKER = struct.Struct("<qqq")  # serial number of its pass, samples given, whether it has ended
_RECORD = struct.Struct("<qqq")  # a Progress
_STATS = struct.Struct(f"<{len(fields(StreamStats))}d")
_STATS_AT = 256
_RECORDS_AT = 4096
_WORKER_BYTES = _RECORDS_AT + _RECORDS * _RECORD.size
_BYTES = _HEADER_BYTES + MAX_WORKERS * _WORKER_BYTES  # of the file: a page takes memory once it is written to


class Pass(NamedTuple):
    """One iteration over a dataset, by all workers of a loader or by a process of its own."""

    loader_key: int
    number: int  # of those that the loader has made with the same workers
    epoch: int
    serial: int = 0  # among all passes
    state: int = 0  # number of the state that was to be gone on from when it was begun


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
        self._memory = _mapped(descriptor, 0)
        if next_epoch is not None:
            _HEADER.pack_into(self._memory, 0, next_epoch, 0, 0)

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
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    @property
    def next_epoch(self) -> int:
        return int(_HEADER.unpack_from(self._memory)[0])

    def go_on_from(self, epoch: int) -> int:
        """Let `epoch` be the next, midway or not; return the number by which passes tell that state from others."""
        with self._locked():
            _, begun, state = _HEADER.unpack_from(self._memory)
            _HEADER.pack_into(self._memory, 0, epoch, begun, state + 1)
            return int(state) + 1

    @property
    def state_number(self) -> int:
        """Tell which state is to be gone on from, of those that were."""
        return int(_HEADER.unpack_from(self._memory)[2])

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
                    _PASS.pack_into(
                        self._memory, _pass_at(known.serial - 1), _NO_LOADER, known.number, known.epoch, known.state
                    )

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
            next_epoch, begun, state = _HEADER.unpack_from(self._memory)
            epoch = next_epoch if wanted_epoch is None else wanted_epoch
            _PASS.pack_into(self._memory, _pass_at(begun), loader_key, number, epoch, state)
            _HEADER.pack_into(self._memory, 0, epoch + 1, begun + 1, state)
            return Pass(loader_key, number, epoch, begun + 1, state)

    def _passes(self) -> list[Pass]:
        begun = self.begun
        first = max(0, begun - _PASSES)
        told = (_PASS.unpack_from(self._memory, _pass_at(number)) for number in range(first, begun))
        return [
            Pass(key, of_loader, epoch, at, state) for at, (key, of_loader, epoch, state) in enumerate(told, first + 1)
        ]

    def worker_begins(self, worker: int, serial: int) -> None:
        if worker >= MAX_WORKERS:
            raise InvalidArgument("num_workers", str(worker + 1), f"at most {MAX_WORKERS} loader workers")
        _WORKER.pack_into(self._part_of(worker), _worker_at(worker), serial, 0, 0)

    def tell(self, worker: int, samples: int, progress: Progress) -> None:
        """Note what is done when the worker's sample number `samples` is handed to the consumer."""
        at, memory = _worker_at(worker), self._part_of(worker)
        _RECORD.pack_into(memory, at + _RECORDS_AT + (samples % _RECORDS) * _RECORD.size, *progress)
        struct.pack_into("<q", memory, at + 8, samples)

    def worker_ends(self, worker: int) -> None:
        struct.pack_into("<q", self._part_of(worker), _worker_at(worker) + 16, 1)

    def note_of(self, worker: int) -> WorkerNote:
        serial, samples, has_ended = _WORKER.unpack_from(self._part_of(worker), _worker_at(worker))
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
        return Progress(*_RECORD.unpack_from(self._part_of(worker), at))

    def put_stats(self, worker: int, stats: StreamStats) -> None:
        _STATS.pack_into(self._part_of(worker), _worker_at(worker) + _STATS_AT, *stats.values())

    def stats_of(self, worker: int) -> StreamStats:
        return StreamStats.of(_STATS.unpack_from(self._part_of(worker), _worker_at(worker) + _STATS_AT))

    def _part_of(self, worker: int) -> mmap.mmap:
        """Return the memory from its front to this worker's end: all of it would be 800 MB of addresses."""
        memory = self._memory
        if len(memory) < _worker_at(worker + 1):
            # Another thread may be reading what was mapped before, so nobody closes that.
            self._memory = memory = _mapped(self._descriptor, worker + 1)
        return memory

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


def _mapped(descriptor: int, workers: int) -> mmap.mmap:
    length = _worker_at(workers)
    try:
        return mmap.mmap(descriptor, length)
    except OSError as error:
        expected = f"fewer, or more addresses for this process: {length:,} bytes cannot be mapped ({error.strerror})"
        raise InvalidArgument("num_workers", f"at least {workers}", expected) from error


def _new_file() -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("dataflux-board", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _BYTES)
    return descriptor
