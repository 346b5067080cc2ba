"""Decompress chunks, no further than they may unfold."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from dataflux_core._plan.text import human_bytes
from dataflux_core.errors import ExtraMissing

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from dataflux_core._wire.flare.conventions import Compression

_BLOCK_BYTES = 256 * 1024
# What chunks begin with. Both libraries take no bytes at all for nothing that was compressed, which has some.
_BEGINNINGS: dict[Compression, bytes] = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


def unfolded(content: bytes, compression: Compression | None, max_bytes: int) -> BinaryIO:
    """Return what a chunk holds as a file that is decompressed while it is read.

    Reading raises ValueError beyond `max_bytes`, OSError or EOFError for what is damaged or cut short, to nothing too.
    """
    if compression is None:
        return io.BytesIO(content)
    packed = content or _BEGINNINGS[compression]
    inner = cast("BinaryIO", gzip.GzipFile(fileobj=io.BytesIO(packed))) if compression == "gzip" else _zstd(packed)
    return cast("BinaryIO", io.BufferedReader(_Bounded(inner, max_bytes), _BLOCK_BYTES))


def _zstd(content: bytes) -> BinaryIO:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ExtraMissing("zstd", "streaming") from error
    return cast("BinaryIO", pa.CompressedInputStream(pa.BufferReader(content), "zstd"))


class _Bounded(io.RawIOBase):
    """A file that may give so many bytes."""

    def __init__(self, inner: BinaryIO, max_bytes: int) -> None:
        self._inner = inner
        self._left = self._max_bytes = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        content = self._inner.read(min(len(view), self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"it unfolds to more than {human_bytes(self._max_bytes)}; raise max_decoded_bytes")
        view[: len(content)] = content
        return len(content)
