"""A proxy that lets TLS through, as those of offices do: CONNECT, then bytes both ways."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_BYTES = 65_536


@contextmanager
def tunnel_to(port: int) -> Iterator[str]:
    """Run a proxy whose tunnels all lead to a port of this machine, whatever host is asked for; give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as server:
                self.send_response(200, "Connection established")
                self.send_header("ETag", '"of the tunnel"')
                self.end_headers()
                back = Thread(target=_pass_on, args=(server, self.connection))
                back.start()
                _pass_on(self.connection, server)
                back.join()

        def log_message(self, template: str, *arguments: Any) -> None:
            pass

    class Proxy(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    with Proxy(("127.0.0.1", 0), Handler) as proxy:
        thread = Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}"
        finally:
            proxy.shutdown()
            thread.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
