"""Add up what the messages of an Arrow stream unfold to, before any is decompressed.

Source: Message.fbs of the Arrow format. A compressed buffer begins with its length as it will be, for which a reader
takes memory.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER_KIND, _HEADER = 1, 2  # of Message
_DICTIONARY, _BATCH = 2, 3  # kinds of headers
_DATA = 1  # of DictionaryBatch
_NODES, _BUFFERS, _COMPRESSION = 1, 2, 3  # of RecordBatch
_PREFIX_BYTES = 8
_AS_IT_IS = -1  # what stands before a buffer that did not shrink
_OLD_COMPRESSION = b"ARROW:experimental_compression"
_FILE_END = struct.Struct("<i6s")  # how long the footer is, the magic
_FILE_MAGIC = b"ARROW1"
_FILE_START = 8  # the magic, filled up


def stream_in(content: bytes) -> pa.Buffer:
    """Return the stream that an IPC file is around, or what is no file as it is; raises ValueError.

    The footer of a file only repeats where its batches lie, in their order.
    """
    whole = pa.py_buffer(content)
    if not content.startswith(_FILE_MAGIC):
        return whole
    if len(content) < _FILE_START + _FILE_END.size:
        raise ValueError("the file is cut short")
    footer_bytes, magic = _FILE_END.unpack_from(content, len(content) - _FILE_END.size)
    stop = len(content) - _FILE_END.size - footer_bytes
    if magic != _FILE_MAGIC or footer_bytes < 0 or stop < _FILE_START:
        raise ValueError("the file is cut short, or its footer damaged")
    return whole.slice(_FILE_START, stop - _FILE_START)


def unfolded_sizes(stream: pa.Buffer) -> Iterator[int]:
    """Yield for each batch, dictionaries too, to how many bytes it unfolds; each value counts for one byte at least."""
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(stream)):
        metadata = message.metadata.to_pybytes()
        root = _Table(metadata, _at("<I", metadata, 0))
        kind, header = root.byte(_HEADER_KIND), root.table(_HEADER)
        batch = header.table(_DATA) if kind == _DICTIONARY and header is not None else header
        if kind in (_DICTIONARY, _BATCH) and batch is not None:
            if not batch.place(_COMPRESSION) and _OLD_COMPRESSION in metadata:
                raise ValueError("it is compressed as only Arrow 0.17 did; write it anew")
            values = int(batch.pairs(_NODES)[:, 0].astype(np.float64).sum())
            yield max(_buffer_bytes(batch, message.body), values)


def _buffer_bytes(batch: _Table, body: pa.Buffer | None) -> int:
    places = batch.pairs(_BUFFERS).tolist()
    if not batch.place(_COMPRESSION) or body is None:
        return sum(length for _, length in places)
    there = memoryview(body)
    return sum(_claimed(there, offset, length) for offset, length in places if length)


def _claimed(body: memoryview, offset: int, length: int) -> int:
    if offset < 0 or not _PREFIX_BYTES <= length <= len(body) - offset:
        raise ValueError("a buffer lies outside of its message")
    claimed = _at("<q", body, offset)
    return length - _PREFIX_BYTES if claimed == _AS_IT_IS else claimed


class _Table(NamedTuple):
    """A table of FlatBuffers, which the reader of messages has verified."""

    metadata: bytes
    start: int

    def place(self, field: int) -> int:
        """Return where a field lies, 0 where it is left out."""
        fields = self.start - _at("<i", self.metadata, self.start)
        entry = 4 + 2 * field  # behind two sizes
        if entry >= _at("<H", self.metadata, fields):
            return 0
        offset = _at("<H", self.metadata, fields + entry)
        return self.start + offset if offset else 0

    def byte(self, field: int) -> int:
        place = self.place(field)
        return self.metadata[place] if place else 0

    def table(self, field: int) -> _Table | None:
        place = self.place(field)
        return _Table(self.metadata, place + _at("<I", self.metadata, place)) if place else None

    def pairs(self, field: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """Return a vector of structs of two numbers of 64 bits: (N, 2)."""
        place = self.place(field)
        if not place:
            return np.empty((0, 2), np.int64)
        vector = place + _at("<I", self.metadata, place)
        numbers = np.frombuffer(self.metadata, "<i8", 2 * _at("<I", self.metadata, vector), vector + 4)
        return numbers.reshape(-1, 2)


def _at(form: str, content: bytes | memoryview, place: int) -> int:
    number: int = struct.unpack_from(form, content, place)[0]
    return number
