from __future__ import annotations

from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.fetching.hostile import Hostile
from tests.flare.playlists import without_libyaml

if TYPE_CHECKING:
    from collections.abc import Iterator


class Site:
    """A web server; `pages` are its answers, by path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {}


@pytest.fixture(params=["libyaml", "PyYAML alone"])
def either_parser(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test with the parser in C, where it is there, then without."""
    with nullcontext() if request.param == "libyaml" else without_libyaml():
        yield


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = served.pages.get(self.path, (404, {}, b"no such page"))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Site(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
