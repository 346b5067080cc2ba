"""Say where a URL leads."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from dataflux_core._plan.text import shortened, shown
from dataflux_core.errors import InvalidArgument

_SHOWN = 200  # characters
_UNSENDABLE = re.compile("[\x00-\x1f\x7f]")  # urlsplit drops some of them, which would make another URL of it
_TO_QUOTE = re.compile(r"[^A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]|%(?![0-9A-Fa-f]{2})")
# Nearly every URL is sent as it is: to read one in full takes ten times as long.
_PLAIN = re.compile(
    r"https?://[a-z0-9.-]+(?::([1-9][0-9]{3,4}))?/(?:[A-Za-z0-9._~:/@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
    r"(?:\?(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)?"
)
_LAST_PORT = 65_535
_STARTS_OF_FILES = ("/", "file:")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEB = "http:// or https://, a host, no user name or password, at most a path and a query behind it"


class Place(NamedTuple):
    """A bucket with an object, a URL that can be sent, or a path."""

    scheme: str  # gs, s3, http, https, or file
    bucket: str  # "" unless gs or s3
    name: str  # of the object; the URL to be sent; the path


def place_of(url: str) -> Place:
    """Read an absolute URL or path; raises InvalidArgument, which names it without what it may keep secret."""
    if not isinstance(url, str):
        raise InvalidArgument("url", repr(url), "the URL or the absolute path of an object, as a str")
    if url.startswith(("gs://", "s3://")):
        bucket, _, name = url[5:].partition("/")
        if not bucket or not name or not _is_utf8(url):
            raise InvalidArgument("url", shown_url(url), "a bucket and an object in it, such as gs://bucket/name")
        return Place(url[:2], bucket, name)
    if url.startswith(_STARTS_OF_FILES):
        return Place("file", "", _path_of(url))
    if url[:8].lower().startswith(("http://", "https://")):
        sendable = web_url(url)
        return Place(sendable.partition(":")[0], "", sendable)
    raise InvalidArgument("url", shown_url(url), "gs://, s3://, http://, https://, file:/// or an absolute path")


def web_url(url: str) -> str:
    """Return the URL as it is sent, without a fragment, percent-encoded where need be; raises InvalidArgument."""
    plain = _PLAIN.fullmatch(url)
    if plain is not None and int(plain[1] or 0) <= _LAST_PORT:
        return url
    problem = InvalidArgument("url", shown_url(url), _WEB)
    if _UNSENDABLE.search(url) or not _is_utf8(url):
        raise problem
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = host.encode("idna").decode()
    except ValueError as error:  # of the port, of brackets, of a host that no name can be
        raise problem from error
    if parts.scheme not in _DEFAULT_PORTS or not host or port == 0 or "@" in parts.netloc or " " in host:
        raise problem
    host = f"[{host}]" if ":" in host else host
    place = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    rest = _TO_QUOTE.sub(lambda found: quote(found.group(), safe=""), f"{parts.path or '/'}{query}")
    return f"{parts.scheme}://{place}{rest}"


def redirected(url: str, location: str) -> str:
    """Return where a sent URL's answer leads; raises InvalidArgument where nobody may be led there.

    To other web servers only, from https to https only: what was to travel encrypted must not be read on the way.
    """
    if _UNSENDABLE.search(location):
        raise InvalidArgument("location", shown_url(location), _WEB)
    try:
        target = web_url(urljoin(url, location))
    except ValueError as error:  # InvalidArgument is one
        raise InvalidArgument("location", shown_url(location), _WEB) from error
    if url.startswith("https:") and not target.startswith("https:"):
        raise InvalidArgument("location", shown_url(target), "https://, as where it was asked for")
    return target


def origin_of(sendable: str) -> str:
    """Return scheme, host and port of what `web_url` gave."""
    return sendable[: sendable.index("/", sendable.index("//") + 2)]


def shown_url(url: str) -> str:
    """Return `url` for a message: whoever reads that may not know its user, its password, its signature."""
    head, mark, _ = url.partition("?")
    head, fragment, _ = head.partition("#") if not url.startswith(("gs://", "s3://", "/")) else (head, "", "")
    if url.startswith(("gs://", "s3://", "/")):
        head, mark = url, ""  # all of it is the name
    scheme, slashes, rest = head.partition("://")
    if slashes:
        place, slash, path = rest.partition("/")
        head = f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"
    elif "@" in head and ":" in head:
        head = head.rpartition("@")[2]
    text = head.encode("utf-8", "backslashreplace").decode()
    return shortened(shown(text), _SHOWN) + ("?…" if mark else "") + ("#…" if fragment else "")


def _path_of(url: str) -> str:
    """Return the path that is named as one, or by a file: URL of this machine."""
    path = url
    if url.startswith("file:"):
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise InvalidArgument("url", shown_url(url), "file:///, then an absolute path") from error
        path = unquote(parts.path, errors="surrogateescape") if parts.netloc in {"", "localhost"} else ""
    if not path.startswith("/") or "\0" in path:
        raise InvalidArgument("url", shown_url(url), "the absolute path of a file on this machine")
    return path


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
