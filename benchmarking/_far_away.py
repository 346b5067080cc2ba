"""Let a server of this machine seem far away.

Every byte is held back for half a round trip each way; the first ones of a connection for a whole one more, which the
handshake would take. What is not imitated: a window that opens slowly, a line of limited width, loss.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES = 1024 * 1024


@contextlib.contextmanager
def far_away(port: int, round_trip_s: float) -> Iterator[int]:
    """Give another port that leads to `port` of this machine, by a process of its own."""
    context = multiprocessing.get_context("spawn")
    ready: Any = context.Queue()
    relay = context.Process(target=_serve, args=(port, round_trip_s, ready), daemon=True)
    relay.start()
    try:
        yield int(ready.get(timeout=60))
    finally:
        relay.kill()
        relay.join()


def _serve(port: int, round_trip_s: float, ready: Any) -> None:  # noqa: ANN401 - multiprocessing names no type for it
    asyncio.run(_relay(port, round_trip_s, ready))


async def _relay(port: int, round_trip_s: float, ready: Any) -> None:  # noqa: ANN401 - as above
    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port, limit=2 * _BLOCK_BYTES)
        await asyncio.gather(
            _carry(reader, there_writer, round_trip_s / 2, round_trip_s),
            _carry(there_reader, writer, round_trip_s / 2, 0),
        )

    server = await asyncio.start_server(met, "127.0.0.1", 0, limit=2 * _BLOCK_BYTES, backlog=512)
    ready.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, first_s: float) -> None:
    """Pass bytes on in order, each so much later than it came."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due_s, content = await under_way.get()
            if (wait_s := due_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            if not content:
                break
            writer.write(content)
            await writer.drain()
        writer.close()

    delivering = asyncio.create_task(deliver())
    with contextlib.suppress(OSError):
        extra_s = first_s
        while content := await reader.read(_BLOCK_BYTES):
            under_way.put_nowait((loop.time() + delay_s + extra_s, content))
            extra_s = 0.0
    under_way.put_nowait((loop.time() + delay_s, b""))
    with contextlib.suppress(OSError):
        await delivering
