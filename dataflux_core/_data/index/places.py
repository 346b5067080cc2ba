"""Tell what a source is by how it is written."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from dataflux_core._data.index.opened_files import COMPRESSED
from dataflux_core._wire.urls import shown_url, web_url
from dataflux_core.errors import IndexUnusable, InvalidArgument

Scheme = Literal["file", "gs", "s3", "http", "https"]
Kind = Literal["csv", "json", "parquet", "paths"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_WILDCARD = re.compile(r"[*?\[{]")
_KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PATHS = "split_file_texts.txt"  # one index a line
_ROOT = "a directory, or a URL such as gs://bucket/directory, s3://… or https://…"
_SHOWN = 100  # characters
PLAYLIST_ENDINGS = (".yaml", ".yml")
_FILES = (
    f"give one that ends in {', '.join(_KINDS)} (all but Parquet also compressed: {', '.join(COMPRESSED)}), "
    f"or a {_PATHS}"
)
_DIRECTORY = ", or a directory with a '/' at its end"
_PLAYLIST = f"; a dataset takes a playlist too, {' or '.join(PLAYLIST_ENDINGS)}"
_PLAYLIST_ADVICE = "give it to a StreamingDataset, or to one of the commands `dataflux playlist`"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something lies: of a bucket or a web server, or an absolute path.

    What lies on a web server is named as it is sent: without a user or a fragment, percent-encoded where need be.
    """

    scheme: Scheme
    bucket: str  # or the host; "" on this machine
    path: str  # below that; on this machine it begins with "/"

    def __str__(self) -> str:
        return self.path if self.scheme == "file" else f"{self.scheme}://{self.bucket}/{self.path}"

    @property
    def shown(self) -> str:
        """The place as errors name it: without a query, which may be a signature."""
        return str(self).partition("?")[0] if self.is_web else str(self)

    @property
    def is_web(self) -> bool:
        return self.scheme in {"http", "https"}

    @property
    def is_directory(self) -> bool:
        if self.scheme == "file":
            return self.path.endswith("/") or os.path.isdir(self.path)  # noqa: PTH112 - a Path raises for what is too long
        return not self.is_web and (not self.path or self.path.endswith("/"))

    @property
    def is_wildcard(self) -> bool:
        if self.is_web or not _WILDCARD.search(self.path):
            return False
        is_name = self.scheme == "file" and os.path.exists(self.path)  # noqa: PTH110 - as above
        return not is_name  # it may hold such characters

    @property
    def fixed(self) -> str:
        """The path up to the directory within which a wildcard begins."""
        found = _WILDCARD.search(self.path)
        return self.path[: self.path.rfind("/", 0, found.start() if found else None) + 1]

    @property
    def parent(self) -> str:
        """The directory of a file, without a "/" at its end."""
        path = self.path.partition("?")[0] if self.is_web else self.path
        return str(Place(self.scheme, self.bucket, path.rpartition("/")[0])).rstrip("/")

    @property
    def is_paths(self) -> bool:
        return self._name == _PATHS

    @property
    def kind(self) -> Kind:
        """What the file holds, by its name; raises IndexUnusable."""
        if self.is_paths:
            return "paths"
        stem, ending = os.path.splitext(self._name.lower())  # noqa: PTH122 - no path
        if ending in COMPRESSED:
            ending = os.path.splitext(stem)[1]  # noqa: PTH122
        if ending in PLAYLIST_ENDINGS:
            raise IndexUnusable(self.shown, "a playlist is no index", _PLAYLIST_ADVICE)
        if self.is_web and not self._name:
            problem = "a directory of a web server cannot be listed"
            raise IndexUnusable(self.shown, problem, "give an index of the URLs of its files: .csv, .jsonl, .parquet")
        if ending not in _KINDS or (_KINDS[ending] == "parquet" and not self._name.lower().endswith(ending)):
            advice = f"{_FILES}{'' if self.is_web else _DIRECTORY}{_PLAYLIST}"  # a web server lists none
            raise IndexUnusable(self.shown, f"an index that ends in {ending!r} is unknown", advice)
        return _KINDS[ending]

    @property
    def _name(self) -> str:
        return (urlsplit(str(self)).path if self.is_web else self.path).rpartition("/")[2]


def place_of(source: str, below: str = "") -> Place:
    """Read a URL or a path, which may be relative to `below`; raises IndexUnusable, InvalidArgument."""
    found = _SCHEME.match(source)
    if not found:
        if not source or "\0" in source:
            raise IndexUnusable(repr(source), "it is no path", "give the path or the URL of an index")
        if below and not source.startswith("/"):
            return place_of(f"{below}/{source}")
        end = "/" if source.endswith("/") else ""
        return Place("file", "", (os.path.abspath(source).rstrip("/") + end) or "/")  # noqa: PTH100 - no links resolved
    scheme, rest = found[1].lower(), source[found.end() :]
    bucket, _, path = rest.partition("/")
    if scheme == "file":
        return _local(bucket, path)
    if scheme in {"http", "https"}:
        bucket, _, path = web_url(source).partition("://")[2].partition("/")
    elif scheme not in {"gs", "s3"}:
        shown = shown_url(f"{scheme}://{bucket}")
        raise IndexUnusable(shown, f"{scheme}:// is unknown", "give a path, or a URL of gs://, s3://, https://")
    if not bucket:
        raise IndexUnusable(shown_url(source), "its bucket or host is missing", f"write {scheme}://NAME/…")
    return Place(scheme, bucket, path)  # type: ignore[arg-type] # one of these, as was asked


def root_of(given: object) -> str:
    """Return where relative URLs begin, absolute, without a "/" at its end; raises InvalidArgument."""
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    try:
        place = place_of(text if isinstance(text, str) else "")
    except (IndexUnusable, InvalidArgument) as error:
        shown = shown_url(text) if isinstance(text, str) else repr(given)[:_SHOWN]
        raise InvalidArgument("root", shown, _ROOT) from error
    if place.is_web and "?" in place.path:
        raise InvalidArgument("root", place.shown, f"{_ROOT}, without a query")
    return str(place).rstrip("/") or "/"


def _local(host: str, path: str) -> Place:
    """Read what stands behind file://."""
    if host.lower() not in {"", "localhost"}:
        shown = shown_url(f"file://{host}")
        raise IndexUnusable(shown, "it names another machine", "write file:///, then the path on this one")
    return place_of("/" + unquote(path, errors="surrogateescape").lstrip("/"))
