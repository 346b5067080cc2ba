"""Make absolute URLs of what an index says."""

from __future__ import annotations

from math import isnan
from os.path import abspath
from posixpath import join
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dataflux_core._plan.text import shortened
from dataflux_core._wire.urls import place_of, shown_url
from dataflux_core.errors import IndexUnusable, InvalidArgument

if TYPE_CHECKING:
    from dataflux_core._data.index.sample_index import Home

_SCHEMES = ("gs", "s3", "http", "https", "file")
_WEB = ("http://", "https://")
_EXPECTED = f"one of {', '.join(name + '://' for name in _SCHEMES)}, or a path"
_NO_FILES = "an index that comes over the network may not name local files"
_SHOWN = 100  # characters


class NoUrl(Exception):
    """A value names no object; says why."""


class Addresses:
    """What the URLs and paths of an index stand for: relative ones begin at the root, else at the index.

    Whoever can write an index that came over the network is a stranger to this machine: it names local files only
    where its reader says so by a local root, and nothing that lies outside of the root it was given.
    """

    def __init__(self, home: Home) -> None:
        self._is_remote = home.is_remote
        self._root = home.root
        self._base = home.root or home.base
        self._is_scattered = home.is_scattered and not home.root

    def of(self, value: object) -> str:
        """Return the absolute URL; raises NoUrl, or IndexUnusable where no relative one has a meaning."""
        url = _text_of(value)
        if url[:5].lower() == "file:":
            return self._of_file_url(url)
        scheme, separator, rest = url.partition("://")
        if not separator:
            return self._local(url) if url.startswith("/") else self._below_base(url)
        if scheme in _SCHEMES:
            return url
        if scheme.lower() not in _SCHEMES:
            raise NoUrl(f"{_shown(url)}: expected {_EXPECTED}")
        return f"{scheme.lower()}://{rest}"

    def _of_file_url(self, url: str) -> str:
        try:
            return self._local(place_of(f"file:{url[5:]}").name)
        except InvalidArgument as error:
            raise NoUrl(f"{_shown(url)}: expected {error.expected}") from error

    def _below_base(self, path: str) -> str:
        if self._is_scattered:  # one more file, elsewhere, would change what the others' rows mean
            problem = f"its files lie in several directories, so the relative {_shown(path)} may begin in any of them"
            raise IndexUnusable(self._base, problem, "give root=, where relative URLs begin, or write absolute ones")
        if self._root and self._is_remote:
            self._check_inside(path)
        if "://" in self._base:
            return _joined(self._base, path)
        if self._root:
            return abspath(join(self._root, path))  # noqa: PTH100 - as below
        return self._local(join(self._base, path))

    def _local(self, path: str) -> str:
        if self._is_remote:
            raise NoUrl(f"{_shown(path)}: {_NO_FILES}")
        return abspath(path)  # noqa: PTH100 - resolve() would ask the disk, a thousand times for each window

    def _check_inside(self, path: str) -> None:
        # A server takes %2e%2e for what it stands for.
        plain = unquote(path.partition("?")[0]) if self._root.startswith(_WEB) else path
        depth = 0
        for segment in plain.split("/"):
            depth += {"..": -1, ".": 0, "": 0}.get(segment, 1)
            if depth < 0:
                told = f"an index that comes over the network may not lead out of root={shown_url(self._root)}"
                raise NoUrl(f"{_shown(path)}: {told}")


def _joined(base: str, path: str) -> str:
    """Put a relative path behind the URL of a directory; the names of objects may hold any character, "//" too."""
    scheme, _, rest = base.partition("://")
    place, _, directory = rest.partition("/")
    query = ""
    if base.startswith(_WEB):
        path, mark, query = path.partition("?")
        query = mark + query
    whole = f"{directory}/{path}" if directory else path
    segments: list[str] = []
    for segment in whole.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    return f"{scheme}://{place}/{'/'.join(segments)}{query}"


def _text_of(value: object) -> str:
    if value is None or (isinstance(value, float) and isnan(value)):
        raise NoUrl("no URL (null)")
    if not isinstance(value, str):
        raise NoUrl(f"{shortened(repr(value), _SHOWN)} is no URL but a {type(value).__name__}")
    if not value.strip():
        raise NoUrl("an empty URL")
    if "\0" in value:
        raise NoUrl(f"{_shown(value)}: a NUL character")
    return value


def _shown(url: str) -> str:
    return repr(shortened(shown_url(url) if ":" in url else url, _SHOWN))
