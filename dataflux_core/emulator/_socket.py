"""Break an answer at the socket or in its bytes."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dataflux_core.emulator._http import FileSpan, Reply

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

Receive: TypeAlias = "Callable[[], Awaitable[dict[str, Any]]]"
Send: TypeAlias = "Callable[[dict[str, Any]], Awaitable[None]]"

WRONG_HASH = b"crc32c=/////w=="


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which lets the application reach the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


def reset(transport: asyncio.Transport) -> None:
    """Close a connection by RST: what was not read yet is lost, as when a middle box gives up."""
    if transport.is_closing():
        return  # the client was quicker
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def send_half(send: Send, reply: Reply) -> None:
    """Announce the whole body but send half of it."""
    length = reply.length
    headers = [(b"content-length", b"%d" % max(length, 1)), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": read_all(reply)[: length // 2], "more_body": True})


async def until_gone(receive: Receive) -> None:
    """Wait for the client to give up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def corrupted(reply: Reply, kind: str) -> Reply:
    """Flip a byte of the body or claim a wrong checksum."""
    if kind == "hash_header":
        headers = [(key, WRONG_HASH if key == b"x-goog-hash" else value) for key, value in reply.headers]
        return replace(reply, headers=headers)
    body = bytearray(read_all(reply))
    if body:
        body[len(body) // 2] ^= 0xFF
    return replace(reply, body=bytes(body))


def read_all(reply: Reply) -> bytes:
    """Give the body, wherever it is."""
    if not isinstance(reply.body, FileSpan):
        return reply.body
    path, start, stop = reply.body
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, stop - start, start)
    finally:
        os.close(descriptor)
