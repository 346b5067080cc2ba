"""Give the records of one chunk by their numbers, each decoded when it is asked for, if that can be."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflux_core._data.flare.unfolding import unfolded
from dataflux_core.errors import DatafluxError, RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dataflux_core._data.flare.decoding import Record
    from dataflux_core._wire.flare.conventions import Compression, Conventions

_COUNTS = "correct the header records"
_MEND = "mend it, or correct the stream's headers"
_UNCHANGING = frozenset({str, bytes, int, float, bool, type(None)})  # most of what tables have: asked first


class Lines(NamedTuple):
    """Records that are lines, as they lie in the chunk."""

    pieces: Iterator[bytes]
    finish: Callable[[bytes], Record]


def lines_of(encoding: str, content: bytes, compression: Compression | None, max_bytes: int) -> Lines | None:
    """Return the lines of a chunk whose records are lines that can be decoded alone; None for another."""
    if encoding not in {"text", "jsonl"}:
        return None
    file = unfolded(content, compression, max_bytes)
    if encoding == "jsonl":
        return Lines((line for line in file if line.strip()), json.loads)
    return Lines(iter(file), lambda line: line.removesuffix(b"\n").removesuffix(b"\r").decode())


class ChunkRecords:
    """Records that have to be looked for from the front; those before one that was asked for are kept.

    Each access says what is wrong with that record alone, or with all behind the place where a chunk is damaged.
    """

    def __init__(
        self, pieces: Iterator[Any], expected: int, name: str, finish: Callable[[Any], Record] | None = None
    ) -> None:
        self._pieces = pieces
        self._expected = expected
        self._name = name
        self._finish = finish
        self._seen: list[Any] = []
        self._failure: DatafluxError | None = None
        self._lock = threading.Lock()  # rows that are asked for by number may be made in several threads
        self.is_read = False  # to its end

    def at(self, number: int) -> Record:
        """Return a record; raises RecordsUnusable, also where the chunk has more or fewer than it should."""
        with self._lock:
            is_last = number == self._expected - 1
            while not self.is_read and len(self._seen) <= number + is_last:
                self._look()
            if number >= len(self._seen) or (is_last and self._expected < len(self._seen)):
                raise self._lacking().with_traceback(None)
            piece = self._seen[number]
        if self._finish is None:
            return copied(piece)  # whoever has it may work on it in place, others will ask for it again
        try:
            return self._finish(piece)
        except Exception as error:
            raise RecordsUnusable(self._name, f"record {number}: {type(error).__name__}: {error}", _MEND) from error

    def _look(self) -> None:
        try:
            self._seen.append(next(self._pieces))
        except StopIteration:
            self.is_read = True
        except DatafluxError as error:
            self.is_read, self._failure = True, error
        except Exception as error:  # noqa: BLE001 - hostile bytes make libraries raise anything
            self.is_read = True
            self._failure = RecordsUnusable(self._name, f"{type(error).__name__}: {error}", _MEND)

    def _lacking(self) -> DatafluxError:
        found = len(self._seen)
        if self._failure is not None and found <= self._expected:
            return self._failure
        many = f"more than {self._expected}" if found > self._expected else str(found)
        return RecordsUnusable(self._name, f"it has {many} records, the playlist says {self._expected}", _COUNTS)


def copied(value: Any) -> Any:  # noqa: ANN401 - a record
    """Copy a record as far as it can be changed."""
    if type(value) in _UNCHANGING:
        return value
    if isinstance(value, dict):
        return {name: copied(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([each if type(each) in _UNCHANGING else copied(each) for each in value])
    return value.copy() if hasattr(value, "__array__") else value


class RawRecords:
    """Records of one size."""

    is_read = False  # what is made of one is a copy of its bytes

    def __init__(self, content: bytes, said: Conventions, expected: int, name: str) -> None:
        record_bytes = said.record_bytes or 0
        if len(content) != expected * record_bytes:
            problem = f"{len(content)} bytes, where {expected} records of {record_bytes} bytes are expected"
            raise RecordsUnusable(name, problem, "correct the headers records, dtype, shape")
        self._content, self._said, self._size = content, said, record_bytes

    def at(self, number: int) -> Record:
        """Return a record as an array."""
        from dataflux_core._data.flare.table_records import raw_records  # noqa: PLC0415 - numpy is an extra

        part = self._content[number * self._size : (number + 1) * self._size]
        return next(raw_records(part, self._said.dtype, self._said.shape or ()))
