"""Set aiohttp up as quick as it gets: one session, one connection a request in flight, nothing decoded."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from benchmarking.clients._timing import Task


def session_of(task: Task) -> aiohttp.ClientSession:
    """Open a session for a task; to be called in its loop."""
    context = ssl.create_default_context(cafile=task["authority"]) if task["authority"] else True
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=task["parallelism"], ssl=context),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def url_of(task: Task, name: str) -> URL:
    """Return where the bytes of an object are."""
    path = f"/download/storage/v1/b/{task['bucket']}/o/{quote(name, safe='')}?alt=media"
    return URL(task["endpoint"] + path, encoded=True)
