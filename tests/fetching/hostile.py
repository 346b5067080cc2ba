"""A web server that does what a test tells it to, right or wrong."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    Behaviour: TypeAlias = Callable[["Ask"], None]


@dataclass
class Ask:
    """One request, with the means to answer it."""

    handler: BaseHTTPRequestHandler
    count: int  # 1 for the first request of this path
    over: threading.Event  # the server is being stopped

    @property
    def headers(self) -> Mapping[str, str]:
        return self.handler.headers  # type: ignore[return-value] # as far as used here

    def reply(self, status: int, body: bytes = b"", length: int | None = None, /, **headers: str) -> None:
        """Answer; an underscore in a header's name stands for a dash."""
        self.handler.send_response(status)
        self.handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(body)
        if length is not None and length != len(body):
            self.hang_up()

    def hang_up(self) -> None:
        self.handler.close_connection = True


@dataclass
class Hostile:
    """A server on a port of its own; `seen` are the requests in order: path, then headers."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    context: ssl.SSLContext | None = None  # to speak TLS

    def __enter__(self) -> Self:
        outer, over, counts, lock = self, threading.Event(), dict[str, int](), threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # a body that follows its head would wait for 40 ms

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                with lock:
                    counts[path] = counts.get(path, 0) + 1
                    count = counts[path]
                    outer.seen.append((self.path, dict(self.headers)))
                outer.behaviours.get(path, missing)(Ask(self, count, over))

            def log_message(self, template: str, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128  # more than a reader opens at once: others would have to wait for seconds

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a client that hangs up

        self._over = over
        self._server = Server(("127.0.0.1", 0), Handler)
        if self.context is not None:
            self._server.socket = self.context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{'http' if self.context is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]


def missing(ask: Ask) -> None:
    ask.reply(404, b"no such thing")


def gives(content: bytes, status: int = 200, **headers: str) -> Behaviour:
    return lambda ask: ask.reply(status, content, **headers)


def leads_to(location: str, status: int = 302) -> Behaviour:
    return lambda ask: ask.reply(status, b"", Location=location)


def fails_first(times: int, status: int, content: bytes, **headers: str) -> Behaviour:
    def behave(ask: Ask) -> None:
        if ask.count <= times:
            ask.reply(status, b"not now", **headers)
        else:
            ask.reply(200, content)

    return behave


def cuts_off_first(times: int, content: bytes) -> Behaviour:
    def behave(ask: Ask) -> None:
        short = content[: len(content) // 2] if ask.count <= times else content
        ask.reply(200, short, len(content))

    return behave


def resets_first(times: int, content: bytes) -> Behaviour:
    def behave(ask: Ask) -> None:
        if ask.count <= times:
            ask.hang_up()
        else:
            ask.reply(200, content)

    return behave


def trickles(total: int, pause_s: float) -> Behaviour:
    """Send a byte from time to time, until the client has had enough."""

    def behave(ask: Ask) -> None:
        ask.handler.send_response(200)
        ask.handler.send_header("Content-Length", str(total))
        ask.handler.end_headers()
        while not ask.over.wait(pause_s):
            ask.handler.wfile.write(b".")
            ask.handler.wfile.flush()

    return behave


def never_answers(ask: Ask) -> None:
    ask.over.wait(60)
    ask.hang_up()


def ranges(content: bytes, etag: str = '"1"') -> Behaviour:
    """Serve ranges as a good server does."""

    def behave(ask: Ask) -> None:
        wanted, condition = ask.headers.get("Range"), ask.headers.get("If-Range")
        if wanted is None or condition not in (None, etag):
            ask.reply(200, content, ETag=etag)
            return
        first, last = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        if first >= len(content):
            ask.reply(416, b"", Content_Range=f"bytes */{len(content)}")
            return
        part = content[first : last + 1]
        said = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
        ask.reply(206, part, Content_Range=said, ETag=etag)

    return behave
