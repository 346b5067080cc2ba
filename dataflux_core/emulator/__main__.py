"""Run the server that `Emulator` starts: a plan on stdin, then the port on stdout."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from email.utils import formatdate
from typing import TYPE_CHECKING

import uvloop
from uvicorn import Config
from uvicorn.server import ServerState

from dataflux_core.emulator._app import App
from dataflux_core.emulator._build import make_store
from dataflux_core.emulator._config import ServerPlan, plan_from_json
from dataflux_core.emulator._socket import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

KEEP_ALIVE_S = 600  # the service's own front end keeps idle connections for minutes


class Lifeline(asyncio.Protocol):
    """The pipe from the handle; its end is the end of the server."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._ended()


async def serve(plan: ServerPlan) -> None:
    """Serve until the handle, or its process, is gone."""
    config = Config(
        App(make_store(plan), plan.settings),
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        ssl_certfile=plan.certfile,
        ssl_keyfile=plan.keyfile,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    # uvicorn's own Server polls ten times a second and takes 0.2 s to stop; tests start hundreds of emulators.
    server = await loop.create_server(
        lambda: Protocol(config, state, {}, loop), plan.host, plan.port, ssl=config.ssl, backlog=2048
    )
    _watch(state, ended, plan.parent)
    await loop.connect_read_pipe(lambda: Lifeline(ended.set), sys.stdin)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"port": port, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    # The end of the loop would cancel what is in flight: uvicorn answers that with 500, then prints it as a failure.
    os._exit(0)


def _watch(state: ServerState, ended: asyncio.Event, parent: int) -> None:
    """Once a second, write the date of the answers anew; see that the parent lives.

    The pipe alone would not tell: a process that the parent has forked holds it open too.
    """
    state.default_headers = [(b"date", formatdate(usegmt=True).encode()), (b"server", b"UploadServer")]
    if parent and os.getppid() != parent:
        ended.set()
        return
    asyncio.get_running_loop().call_later(1.0, _watch, state, ended, parent)


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
