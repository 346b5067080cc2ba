"""Give the records of one chunk by their numbers, each decoded when it is asked for, if that can be."""

from __future__ import annotations

import json
import sys
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
_LOOKED_AT = 16  # entries of a list
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
        self._finish = finish or copied  # whoever has one may work on it in place, others will ask for it again
        self._seen: list[Any] = []
        self._seen_bytes = 0
        self._failure: DatafluxError | None = None
        self._lock = threading.Lock()  # rows that are asked for by number may be made in several threads
        self.is_read = False  # to its end

    @property
    def held_bytes(self) -> int:
        """About what all of them take in memory; those that have been seen tell how large the others are."""
        seen = len(self._seen)
        return self._seen_bytes if self.is_read else self._seen_bytes * max(seen, self._expected) // max(1, seen)

    def at(self, number: int) -> Record:
        """Return a record; raises RecordsUnusable, also where the chunk has more or fewer than it should."""
        with self._lock:
            is_last = number == self._expected - 1
            while not self.is_read and len(self._seen) <= number + is_last:
                self._look()
            if number >= len(self._seen) or (is_last and self._expected < len(self._seen)):
                raise self._lacking().with_traceback(None)
            piece = self._seen[number]
        try:
            return self._finish(piece)
        except Exception as error:
            raise RecordsUnusable(self._name, f"record {number}: {type(error).__name__}: {error}", _MEND) from error

    def _look(self) -> None:
        try:
            piece = next(self._pieces)
            self._seen_bytes += _taken_bytes(piece)
            self._seen.append(piece)
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


def _taken_bytes(value: Any) -> int:  # noqa: ANN401 - as above
    """Return about what a record takes in memory; of a long list some entries tell."""
    own_bytes = sys.getsizeof(value)
    if type(value) in _UNCHANGING:
        return own_bytes
    if isinstance(value, dict):
        return own_bytes + sum(map(_taken_bytes, value.values()))
    if isinstance(value, (list, tuple)):
        some = value[:: max(1, len(value) // _LOOKED_AT)]
        return own_bytes + sum(map(_taken_bytes, some)) * len(value) // max(1, len(some))
    return own_bytes + int(getattr(value, "nbytes", 0))


class RawRecords:
    """Records of one size."""

    is_read = True

    def __init__(self, content: bytes, said: Conventions, expected: int, name: str) -> None:
        record_bytes = said.record_bytes or 0
        if len(content) != expected * record_bytes:
            problem = f"{len(content)} bytes, where {expected} records of {record_bytes} bytes are expected"
            raise RecordsUnusable(name, problem, "correct the headers records, dtype, shape")
        self._content, self._said, self._size = content, said, record_bytes
        self.held_bytes = len(content)

    def at(self, number: int) -> Record:
        """Return a record as an array."""
        from dataflux_core._data.flare.table_records import raw_records  # noqa: PLC0415 - numpy is an extra

        part = self._content[number * self._size : (number + 1) * self._size]
        return next(raw_records(part, self._said.dtype, self._said.shape or ()))
