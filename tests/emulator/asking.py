"""Ask the service without a socket between."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from dataflux_core.emulator import Memory
from dataflux_core.emulator._build import make_store
from dataflux_core.emulator._config import Contents, ServerPlan
from dataflux_core.emulator._http import request_to
from dataflux_core.emulator._routes import answer
from dataflux_core.emulator._socket import read_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._store import Store

API = "/storage/v1/b/box/o"
UPLOAD = "/upload/storage/v1/b/box/o"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Service:
    """A store with one bucket called box, unless told otherwise."""

    def __init__(self, contents: Contents | Mapping[str, bytes] | None = None, *, max_page: int = 5000) -> None:
        if not isinstance(contents, Contents):
            contents = Memory(dict(contents or {}))
        self.store: Store = make_store(ServerPlan({"box": contents}, max_page=max_page))

    def ask(
        self,
        method: str,
        url: str,
        body: bytes | dict[str, Any] | list[Any] = b"",
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = {key.lower().encode(): value.encode() for key, value in (headers or {}).items()}
        reply = answer(self.store, request_to(method, url, lines, sent))
        found = (line.split(": ", 1) for line in reply.headers.decode().splitlines())
        return Answer(reply.status, {key: value for key, value in found}, read_all(reply))  # noqa: C416

    def page(self, **query: Any) -> Any:
        found = self.ask("GET", API, **query)
        assert found.status == 200, found
        return found.json

    def names(self, **query: Any) -> list[str]:
        """All names of all pages."""
        found: list[str] = []
        for page in self.pages(**query):
            found += [item["name"] for item in page.get("items", [])]
        return found

    def pages(self, **query: Any) -> list[Any]:
        pages = [self.page(**query)]
        while "nextPageToken" in pages[-1]:
            pages.append(self.page(**{**query, "pageToken": pages[-1]["nextPageToken"]}))
        return pages

    def put(self, name: str, content: bytes = b"x", **query: Any) -> Answer:
        return self.ask("POST", UPLOAD, content, uploadType="media", name=name, **query)

    def get(self, name: str, **query: Any) -> Answer:
        return self.ask("GET", path(name), **query)

    def read(self, name: str, headers: Mapping[str, str] | None = None, **query: Any) -> Answer:
        return self.ask("GET", path(name), headers=headers, alt="media", **query)


def path(name: str) -> str:
    return f"{API}/{quote(name, safe='')}"
