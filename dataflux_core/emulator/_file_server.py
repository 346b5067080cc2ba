"""Run a web server of the files below a directory."""

from __future__ import annotations

import asyncio
import signal
from email.utils import formatdate
from typing import TYPE_CHECKING

import uvloop

from dataflux_core.emulator._connection import Connection, Front
from dataflux_core.emulator._files import FilesApp

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

_KEEP_ALIVE_S = 600
_BACKLOG = 2048  # connections that a client may open at once
_ENDINGS = (signal.SIGINT, signal.SIGTERM)


def serve_files(directory: str | os.PathLike[str], host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told the server's URL. Raises OSError where nobody may listen there."""
    before = [signal.getsignal(number) for number in _ENDINGS]
    try:
        with FilesApp(directory) as app:
            uvloop.run(_serve(app, host, port, ready))
    finally:
        for number, handler in zip(_ENDINGS, before, strict=True):
            signal.signal(number, handler)


async def _serve(app: FilesApp, host: str, port: int, ready: Callable[[str], None]) -> None:
    front = Front(app, "http")
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in _ENDINGS:
        loop.add_signal_handler(number, ended.set)
    server = await loop.create_server(lambda: Connection(front), host, port, backlog=_BACKLOG)
    _watch(front)
    shown_host = f"[{host}]" if ":" in host else host
    ready(f"http://{shown_host}:{server.sockets[0].getsockname()[1]}/")
    await ended.wait()
    server.close()
    for connection in list(front.connections):
        connection.abort()


def _watch(front: Front) -> None:
    """Once a second, write the date of the answers anew; close what is idle."""
    front.lines = f"date: {formatdate(usegmt=True)}\r\nserver: dataflux\r\n".encode()
    front.second += 1
    front.close_idle(_KEEP_ALIVE_S)
    asyncio.get_running_loop().call_later(1.0, _watch, front)
