"""Remember which files of an index were unpacked whole, across interruptions."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from hashlib import md5
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core._data.directory_errors import blamed
from dataflux_core._plan.sample_files import JOURNAL
from dataflux_core._wire.objects import crc32c_number, crc32c_text
from dataflux_core.errors import FileNotWritten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dataflux_core._data.epoch.binding import Binding

UNKNOWN = -1
_BEGIN = b"dataflux unpacked 1 "
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_RECORD = np.dtype([("object", "<i8"), ("size", "<i8"), ("crc32c", "<i8")])
_WHAT = "the journal"


class Facts:
    """What is known of the files that are there: a few bytes of each, whatever its name."""

    def __init__(self, objects: int) -> None:
        self.sizes: NDArray[np.int64] = np.full(objects, UNKNOWN, np.int64)
        self._crc32cs: NDArray[np.int64] = np.full(objects, UNKNOWN, np.int64)

    def learn(self, objects: NDArray[np.int64], sizes: NDArray[np.int64], crc32cs: NDArray[np.int64]) -> None:
        self.sizes[objects] = sizes
        self._crc32cs[objects] = crc32cs

    def crc32c(self, number: int) -> str:
        """Return a file's checksum as services write it, "" where it is not known."""
        value = int(self._crc32cs[number])
        return "" if value == UNKNOWN else crc32c_text(value)


class UnpackJournal:
    """A file beside the samples with a record for each that is there whole, locked while one process unpacks.

    A record is written once its file is in its place, so one that a killed process lacks means a file fetched again.
    """

    def __init__(self, directory: Path, binding: Binding) -> None:
        """Open or begin it; raises FileNotWritten, also where another process is unpacking there."""
        self.path = directory / JOURNAL
        self._header = _header_of(binding)
        self._lock = threading.Lock()
        self.facts = Facts(len(binding.index) * len(binding.loaded))
        with blamed(_WHAT, self.path):
            self._descriptor = os.open(self.path, _OPEN, 0o666)
        try:
            with blamed(_WHAT, self.path):
                self._claim()
                self._read()
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Let others unpack there; a journal of nothing goes away."""
        try:
            with blamed(_WHAT, self.path):
                if os.fstat(self._descriptor).st_size <= len(self._header):
                    self.path.unlink(missing_ok=True)
        finally:
            os.close(self._descriptor)

    def add(self, records: Sequence[tuple[int, int, str]]) -> None:
        """Note objects by number, with the size and the checksum of what was written; any thread may."""
        if not records:
            return
        rows = [(number, size, crc32c_number(text) if text else UNKNOWN) for number, size, text in records]
        noted = np.array(rows, _RECORD)
        with self._lock, blamed(_WHAT, self.path):
            self.facts.learn(noted["object"], noted["size"], noted["crc32c"])
            self._append(noted.tobytes())

    def _append(self, content: bytes) -> None:
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if os.write(self._descriptor, content) < len(content):
            # A record that was cut off would shift all that come after it.
            os.ftruncate(self._descriptor, end)
            os.lseek(self._descriptor, end, os.SEEK_SET)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _claim(self) -> None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise FileNotWritten(_WHAT, str(self.path), "it is no regular file; move it away")
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            reason = "another process is unpacking there; wait for its end, or choose another directory"
            raise FileNotWritten(_WHAT, str(self.path), reason) from error

    def _read(self) -> None:
        """Take over what is noted of the same index and columns; begin anew where it is another."""
        with os.fdopen(self._descriptor, "rb", closefd=False) as file:
            header = file.read(len(self._header))
            # The last record may be cut off.
            records = np.frombuffer(_whole(file.read(self._max_bytes)), _RECORD) if header == self._header else None
        if records is None:
            if not _BEGIN.startswith(header[: len(_BEGIN)]):
                reason = "it is not what an earlier run has left; move it away, or choose another directory"
                raise FileNotWritten(_WHAT, str(self.path), reason)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, self._header, 0)
            os.lseek(self._descriptor, 0, os.SEEK_END)
            return
        os.ftruncate(self._descriptor, len(self._header) + records.nbytes)
        os.lseek(self._descriptor, 0, os.SEEK_END)
        known = records[(records["object"] >= 0) & (records["object"] < len(self.facts.sizes))]
        self.facts.learn(known["object"], known["size"], known["crc32c"])

    @property
    def _max_bytes(self) -> int:
        return 4 * max(1, len(self.facts.sizes)) * _RECORD.itemsize  # files may have been fetched again some times


def _whole(content: bytes) -> bytes:
    return content[: len(content) // _RECORD.itemsize * _RECORD.itemsize]


def _header_of(binding: Binding) -> bytes:
    """Name the index as the files depend on it."""
    told = repr((binding.index.fingerprint, binding.index.home.base, binding.loaded, binding.id_column))
    return _BEGIN + md5(told.encode(), usedforsecurity=False).hexdigest().encode() + b"\n"
