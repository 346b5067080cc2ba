"""Fetch a playlist again whose URLs have expired or moved."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from dataflux_core._wire.flare.conventions import base_of
from dataflux_core._wire.flare.streams import StreamSpec
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

log = logging.getLogger(__name__)

Loader: TypeAlias = Callable[[str], Mapping[str, StreamSpec]]

# What stores that sign URLs add to queries: Google, Amazon and CloudFront, Azure, others' tokens.
_SIGNATURE_PREFIXES = ("x-goog-", "x-amz-")
_SIGNATURE = frozenset(
    {"googleaccessid", "awsaccesskeyid", "expires", "signature", "key-pair-id", "policy"}
) | frozenset({"sig", "se", "st", "sp", "sv", "sr", "spr", "ske", "skt", "skv", "sks", "skoid", "sktid", "token"})
_LEAST_INTERVAL_S = 5.0  # between two fetches that brought nothing new: a thousand missing chunks are one reason


class Streams:
    """The streams of a playlist as they are now, for all who read them; each change is another generation."""

    def __init__(self, streams: Iterable[StreamSpec], source: str = "", load: Loader | None = None) -> None:
        self._first = {stream.name: stream for stream in streams}
        self._source = source
        self._load = load
        self._lock = threading.Lock()
        self._process_id = os.getpid()
        self._now: Mapping[str, StreamSpec] = self._first
        self._generation = 0
        self._asked_s = 0.0
        self._why_not = ""  # of the last fetch

    @property
    def generation(self) -> int:
        return self._generation

    def now(self, name: str) -> StreamSpec | None:
        """Return a stream as it is now, None where there is none of that name any more."""
        return self._now.get(name)

    def renew(self, seen: int) -> str:
        """Fetch the playlist again, once for all who have seen the same generation fail.

        Returns "" where there is another generation now, else why there is none.
        """
        if self._process_id != os.getpid():  # of a fork's parent, one of whose threads may hold it
            self._process_id, self._lock = os.getpid(), threading.Lock()
        with self._lock:
            if self._generation != seen:
                return ""
            if self._load is None:
                return "the playlist came from no URL, so that it cannot be fetched again: load it anew"
            if self._why_not and time.monotonic() - self._asked_s < _LEAST_INTERVAL_S:
                return self._why_not
            self._why_not = self._fetch(self._load)
            self._asked_s = time.monotonic()
            return self._why_not

    def _fetch(self, load: Loader) -> str:
        shown = shown_url(self._source)
        log.info("flare.renew source=%s", shown)
        try:
            found = dict(load(self._source))
        except DatafluxError as error:
            return f"the playlist could not be fetched again: {error}"
        if _written(found) == _written(self._now):
            return f"the playlist at {shown} was fetched again and is the same: ask who publishes it"
        self._now = found
        self._generation += 1
        return ""

    def __reduce__(self) -> tuple[Any, ...]:
        return Streams, (list(self._now.values()), self._source, self._load)


def has_same_chunk(first: StreamSpec, now: StreamSpec, chunk: int) -> bool:
    """Tell whether two playlists show by sums that they mean the same bytes by a chunk's number."""
    said, said_now = first.conventions, now.conventions
    for one, other in ((said.sha256, said_now.sha256), (said.crc32c, said_now.crc32c)):
        if one is not None and other is not None and chunk < min(len(one), len(other)):
            return one[chunk] == other[chunk]
    return False


def has_same_names(first: StreamSpec, now: StreamSpec) -> bool:
    """Tell whether two playlists have chunks of the same names in the same order, wherever these lie now.

    A chunk that was put in, taken out or moved would give another one the number of each that follows.
    """
    names = _names(first.content)
    if len(first.content) != len(now.content) or names != _names(now.content):
        return False
    if len(set(names)) == len(names):
        return True
    # Queries tell them apart. Where these differ in what looks like a signature alone, nothing says which is which.
    asked = _asked(first.content)
    return asked == _asked(now.content) and all(len(set(asked)) == len(set(spec.content)) for spec in (first, now))


def lasting_names(urls: Sequence[str]) -> Sequence[str]:
    """Return URLs without their signatures, which are others once they are signed anew.

    As they are where they would not all be told apart without.
    """
    if not any("?" in url for url in urls):
        return urls
    lasting = ["?".join(filter(None, [url.partition("?")[0], "&".join(_said(url))])) for url in urls]
    return lasting if len(set(lasting)) == len(set(urls)) else urls


def _names(urls: Sequence[str]) -> list[str]:
    """Return what follows the directory that all share; without a query, where signatures are."""
    paths = [url.partition("?")[0] for url in urls]
    base = base_of(paths)
    return [path[len(base) :] if base else path.rpartition("/")[2] for path in paths]


def _asked(urls: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the path of each URL's name with what its query says besides signatures."""
    return [(name, *_said(url)) for name, url in zip(_names(urls), urls, strict=True)]


def _said(url: str) -> list[str]:
    """Return what a query says besides signatures, however it is turned."""
    return sorted(part for part in url.partition("?")[2].split("&") if part and not _is_of_signature(part))


def _is_of_signature(parameter: str) -> bool:
    name = parameter.partition("=")[0].lower()
    return name in _SIGNATURE or name.startswith(_SIGNATURE_PREFIXES)


def _written(streams: Mapping[str, StreamSpec]) -> dict[str, tuple[object, list[str]]]:
    """Return all that a playlist says: other mirrors may help as other URLs do."""
    return {name: (dict(spec.headers), list(spec.content)) for name, spec in streams.items()}
