"""Undo the compression with which an object is stored."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from dataflux_core.errors import NotDecompressed

if TYPE_CHECKING:
    from dataflux_core._wire.message import Answer

GZIP = "gzip"
_GZIP_WINDOW = 31  # of zlib: the largest, with gzip's header


def is_gzip(answer: Answer) -> bool:
    """Tell whether the bytes that a read brought are stored compressed."""
    stored = answer.header(b"x-goog-stored-content-encoding") or answer.header(b"content-encoding")
    return stored == GZIP


def unpacked(name: str, stored: bytes) -> bytes:
    """Return what the stored bytes of a gzip object say; raises NotDecompressed.

    One or more members, as RFC 1952 has it; nothing stored is nothing said.
    """
    said: list[bytes] = []
    while stored:
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            said.append(member.decompress(stored))
        except zlib.error as error:
            raise NotDecompressed(name, str(error)) from error
        if not member.eof:
            raise NotDecompressed(name, "the compressed bytes end early")
        stored = member.unused_data.lstrip(b"\0")  # padding, as tape left it
    return said[0] if len(said) == 1 else b"".join(said)
