"""Let a server of this machine seem far away.

Every byte is held back for half a round trip each way; the first ones of a connection for a whole one more, which the
handshake would take. What is not imitated: a window that opens slowly, a line of limited width, loss.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES = 256 * 1024
_BACKLOG = 512


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
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as server:
        ready.put(server.getsockname()[1])
        while True:
            near, _ = server.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _carry(near, far, round_trip_s / 2, round_trip_s)
            _carry(far, near, round_trip_s / 2, 0.0)


def _carry(source: socket.socket, target: socket.socket, delay_s: float, first_s: float) -> None:
    """Pass bytes on in order, each so much later than it came; a thread takes them, another one gives them."""
    under_way: SimpleQueue[tuple[float, bytes]] = SimpleQueue()

    def take() -> None:
        extra_s, content = first_s, b"."
        while content:
            try:
                content = source.recv(_BLOCK_BYTES)
            except OSError:
                content = b""
            under_way.put((time.monotonic() + delay_s + extra_s, content))
            extra_s = 0.0

    def give() -> None:
        while True:
            due_s, content = under_way.get()
            time.sleep(max(0.0, due_s - time.monotonic()))
            try:
                if not content:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(content)
            except OSError:
                return

    threading.Thread(target=take, daemon=True).start()
    threading.Thread(target=give, daemon=True).start()
