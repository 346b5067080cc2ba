"""Tell whether two tables hold the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping

_FINGERPRINT_BYTES = 16


class Content:
    """Digest of a table as its batches go by: however they are cut, the same rows give the same digest.

    `places`: how many characters of a column's values say where the source lies, which another machine may call
    otherwise; these do not count.
    """

    def __init__(self, schema: pa.Schema, places: Mapping[str, int]) -> None:
        self._schema = schema
        self._columns = [_Column() for _ in schema]
        self._places = [places.get(name, 0) for name in schema.names]

    def add(self, batch: pa.RecordBatch) -> None:
        for column, digest, place in zip(batch.columns, self._columns, self._places, strict=True):
            digest.add(pc.utf8_slice_codeunits(column, place) if place else column)

    def fingerprint(self) -> str:
        parts: list[bytes | str] = []
        for field, column in zip(self._schema, self._columns, strict=True):
            parts += [field.name, str(field.type), column.digest()]
        return fingerprint_of(*parts)


def fingerprint_of(*parts: bytes | str) -> str:
    """Return the fingerprint of what some texts say together."""
    whole = hashlib.blake2b(digest_size=_FINGERPRINT_BYTES)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        whole.update(len(content).to_bytes(8, "little") + content)
    return whole.hexdigest()


class _Column:
    """Digests of what an array is made of, each a stream of its own, so that the ends of batches leave no trace."""

    def __init__(self) -> None:
        self._streams: dict[str, hashlib.blake2b] = {}

    def add(self, column: pa.Array) -> None:
        self._add("", column)

    def digest(self) -> bytes:
        return fingerprint_of(
            *(part for name, stream in sorted(self._streams.items()) for part in (name, stream.digest()))
        ).encode()

    def _update(self, stream: str, content: bytes | memoryview) -> None:
        self._streams.setdefault(stream, hashlib.blake2b(digest_size=_FINGERPRINT_BYTES)).update(content)

    def _add(self, name: str, column: pa.Array) -> None:
        """Add the values themselves: what lies under a null does not count."""
        kind = column.type
        self._update(f"{name}?", column.is_null().to_numpy(zero_copy_only=False).tobytes())
        if column.null_count:
            column = column.drop_null()
        if pa.types.is_string(kind) or pa.types.is_binary(kind):
            self._update(f"{name}#", pc.binary_length(column).to_numpy(zero_copy_only=False).tobytes())
            self._update(name, _joined(column))
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            self._update(f"{name}#", pc.list_value_length(column).cast(pa.int64()).to_numpy().tobytes())
            self._add(f"{name}.", column.flatten())
        elif pa.types.is_struct(kind):
            for number, field in enumerate(column.flatten()):
                self._add(f"{name}.{number}", field)
        elif _byte_width(kind):
            self._update(name, _fixed(column, _byte_width(kind)))
        else:
            self._update(name, "".join(f"{value!r}\n" for value in column.to_pylist()).encode())


def _joined(column: pa.Array) -> bytes | memoryview:
    """Return the bytes of all values one after the other."""
    if not len(column):
        return b""
    _, offsets, content = column.buffers()
    ends = np.frombuffer(offsets, np.int32)
    start, stop = int(ends[column.offset]), int(ends[column.offset + len(column)])
    return memoryview(content)[start:stop] if stop > start else b""


def _fixed(column: pa.Array, width: int) -> bytes | memoryview:
    if not len(column):
        return b""
    return memoryview(column.buffers()[1])[width * column.offset : width * (column.offset + len(column))]


def _byte_width(kind: pa.DataType) -> int:
    """Return how many bytes a value takes in the one buffer of an array, 0 where it is not so simple."""
    if not pa.types.is_primitive(kind) or pa.types.is_boolean(kind):
        return 0
    return int(kind.bit_width) // 8
