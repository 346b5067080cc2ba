"""Undo the compression with which an object is stored."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

from dataflux_core.errors import NotDecompressed

if TYPE_CHECKING:
    from dataflux_core._wire.message import Answer

GZIP = "gzip"


def is_gzip(answer: Answer) -> bool:
    """Tell whether the bytes that a read brought are stored compressed."""
    stored = answer.header(b"x-goog-stored-content-encoding") or answer.header(b"content-encoding")
    return stored == GZIP


def unpacked(name: str, stored: bytes) -> bytes:
    """Return what the stored bytes of a gzip object say; raises NotDecompressed.

    One or more members, as RFC 1952 has it; nothing stored is nothing said.
    """
    if not stored:
        return b""
    try:
        with gzip.GzipFile(fileobj=BytesIO(stored)) as members:
            return members.read()
    except (OSError, EOFError, zlib.error) as error:
        raise NotDecompressed(name, str(error)) from error
