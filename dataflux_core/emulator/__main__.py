"""Run the server that `Emulator` starts: a plan on stdin, then the port on stdout."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from email.utils import formatdate
from typing import TYPE_CHECKING

import uvloop

from dataflux_core.emulator._app import App
from dataflux_core.emulator._build import make_store
from dataflux_core.emulator._config import ServerPlan, plan_from_json
from dataflux_core.emulator._connection import Connection, Front

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

KEEP_ALIVE_S = 600  # the service's own front end keeps idle connections for minutes
BACKLOG = 2048  # connections that a client may open at once


class Lifeline(asyncio.Protocol):
    """The pipe from the handle; its end is the end of the server."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._ended()


async def serve(plan: ServerPlan) -> None:
    """Serve until the handle, or its process, is gone."""
    front = Front(App(make_store(plan), plan.settings), "http" if plan.certfile is None else "https")
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    server = await loop.create_server(
        lambda: Connection(front), plan.host, plan.port, ssl=_tls(plan.certfile, plan.keyfile), backlog=BACKLOG
    )
    _watch(front, ended, plan.parent)
    await loop.connect_read_pipe(lambda: Lifeline(ended.set), sys.stdin)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"port": port, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    os._exit(0)  # what is in flight is dropped; closing thousands of connections in order would take its time


def _tls(certfile: str | None, keyfile: str | None) -> SSLContext | None:
    if certfile is None:
        return None
    import ssl  # noqa: PLC0415 - takes longer to import than all the rest, and few ask for it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    return context


def _watch(front: Front, ended: asyncio.Event, parent: int) -> None:
    """Once a second, write the date of the answers anew; see that the parent lives; close what is idle.

    The pipe alone would not tell: a process that the parent has forked holds it open too.
    """
    front.lines = f"date: {formatdate(usegmt=True)}\r\nserver: UploadServer\r\n".encode()
    front.second += 1
    front.close_idle(KEEP_ALIVE_S)
    if parent and os.getppid() != parent:
        ended.set()
        return
    asyncio.get_running_loop().call_later(1.0, _watch, front, ended, parent)


def main() -> None:
    """Read the plan, then serve."""
    plan = plan_from_json(sys.stdin.readline())
    try:
        uvloop.run(serve(plan))
    except OSError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
