"""Break an answer at the socket or in its bytes."""

from __future__ import annotations

import os
import re
import socket
import struct
from dataclasses import replace
from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from typing import TYPE_CHECKING

from dataflux_core.emulator._http import FileSpan, Reply

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

CHUNK_BYTES = 256 << 10
# Kinds of faults.
SILENT = frozenset({"reset", "lost"})  # nothing comes back
BREAKS = SILENT | {"truncate", "stall"}
CORRUPTS = frozenset({"checksum", "hash_header"})
HASH = re.compile(rb"(?m)^x-goog-hash: .*?\r\n")
WRONG_HASH = b"x-goog-hash: crc32c=/////w==\r\n"


def reset(transport: asyncio.Transport) -> None:
    """Close a connection by RST: what was not read yet is lost, as when a middle box gives up."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def corrupted(reply: Reply, kind: str) -> Reply:
    """Flip a byte of the body or claim a wrong checksum."""
    if kind == "hash_header":
        return replace(reply, headers=HASH.sub(WRONG_HASH, reply.headers))
    body = bytearray(read_all(reply))
    if body:
        body[len(body) // 2] ^= 0xFF
    return replace(reply, body=bytes(body))


def read_all(reply: Reply) -> bytes:
    """Give the body, wherever it is."""
    body = reply.body
    if isinstance(body, bytes):
        return body
    return b"".join(chunks(body) if isinstance(body, FileSpan) else body)


def chunks(span: FileSpan, *, mapped: bool = False) -> Iterator[bytes | memoryview]:
    """Read a part of a file; it ends early where the file has shrunk, or is gone.

    `mapped` gives it in one piece that the system takes from its own cache, which halves the cost. That is only for a
    socket: where the file shrinks meanwhile, writing to a socket fails, but whoever looks at the bytes himself, as TLS
    has to, is killed by the system.
    """
    try:
        descriptor = os.open(span.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        at = span.start
        if mapped and os.fstat(descriptor).st_size >= span.stop:
            base = at - at % ALLOCATIONGRANULARITY
            yield memoryview(mmap(descriptor, span.stop - base, access=ACCESS_READ, offset=base))[at - base :]
            return
        while chunk := os.pread(descriptor, min(CHUNK_BYTES, span.stop - at), at):
            at += len(chunk)
            yield chunk
    finally:
        os.close(descriptor)
