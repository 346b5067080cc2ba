"""Check the URLs of chunks and mirrors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dataflux_core._wire.flare.marks import quoted
from dataflux_core._wire.urls import shown_url, web_url
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflux_core._wire.flare.building import Value
    from dataflux_core._wire.flare.marks import ValuePath
    from dataflux_core._wire.flare.problems import Problems

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_HOST = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?/")
_SHOWN_SCHEME = 20
_ABSOLUTE = "write all of it, from https:// on: a playlist may be moved, other readers resolve nothing"
_WEB_ALONE = "chunks lie on web servers: give an http:// or https:// URL"


def check_chunks(content: Sequence[Value], path: ValuePath, problems: Problems) -> list[str]:
    """Return the URLs of a stream that are right; note which are wrong or there twice."""
    right: list[str] = []
    sent: dict[int, str] = {}
    for index, value in enumerate(content):
        sendable = _sendable(value) if isinstance(value, str) else ""
        if isinstance(value, str) and sendable:
            right.append(value)
            sent[index] = sendable
            if "#" in value and not problems.more("warning"):
                message = f"{shown_url(value)} has a fragment, which is never sent"
                problems.warn((*path, index), message, "leave out what follows the #; write a # of the path as %23")
        elif not problems.more("error"):
            wrong = flaw_of(value) if isinstance(value, str) else (f"{_named(value)}, expected a URL", _WEB_ALONE)
            problems.error((*path, index), *wrong)
    if len(set(sent.values())) != len(sent):
        _name_repeated(sent, content, path, problems)
    return right


def is_base(url: str) -> bool:
    """Tell whether a URL can stand before the paths of chunks: a directory of a web server."""
    sendable = _sendable(url)
    return sendable.endswith("/") and "?" not in url and "#" not in url


def has_credentials(url: str) -> bool:
    """Tell whether a URL has a user name or password before its host."""
    return "@" in re.split(r"[/?#\\]", url.partition("://")[2], maxsplit=1)[0]


def flaw_of(url: str) -> tuple[str, str]:
    """Say what is wrong with a URL, what to do; nothing that it may keep secret is repeated."""
    scheme = _SCHEME.match(url)
    if not _WEB.match(url):
        if scheme is None:
            return f"{quoted(shown_url(url))} is no URL but a part of one", _ABSOLUTE
        if scheme[1].lower() in ("http", "https"):
            return f"{quoted(shown_url(url))} lacks // behind {scheme[1]}:", "write it as https://host/path"
        return f"a {scheme[1][:_SHOWN_SCHEME]}: URL", _WEB_ALONE
    if has_credentials(url):
        message = f"{shown_url(url)} has a user name or password in it"
        return message, "remove it: everybody who reads the playlist would have it"
    return f"{quoted(shown_url(url))} is no URL that can be asked for", "write it as https://host/path"


def _sendable(url: str) -> str:
    """Return what is sent for a URL of a web server, "" where it is none."""
    try:
        sendable = web_url(url) if _WEB.match(url) else ""
    except InvalidArgument:
        return ""
    return sendable if _HOST.match(sendable) else ""


def _name_repeated(sent: Mapping[int, str], content: Sequence[Value], path: ValuePath, problems: Problems) -> None:
    first: dict[str, int] = {}
    for index, url in sent.items():
        before = first.setdefault(url, index)
        if before != index and not problems.more("warning"):
            message = f"{shown_url(str(content[index]))} is content[{before}] as well"
            problems.warn((*path, index), message, "name each chunk once; a copy elsewhere belongs under mirrors")


def _named(value: Value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    return "true or false" if isinstance(value, bool) else "a number"
