"""Read a playlist of a bucket with the client that a dataset was given."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core._data.epoch.resources import sendable_client
from dataflux_core._data.flare.playlist import Playlist
from dataflux_core._data.flare.renewal import Streams
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._run.fetching.fetcher import Fetcher
from dataflux_core._run.fetching.options import FetchOptions
from dataflux_core._wire.flare.reading import DEFAULT_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core._run.client_source import ClientSource
    from dataflux_core._wire.flare.streams import StreamSpec


def playlist_of_bucket(url: str, client: ClientSource) -> Playlist:
    """Read a playlist that is read again with the same client where its URLs have expired.

    Raises PlaylistInvalid and the errors of the service.
    """
    playlist = Playlist.parse(_content_of(url, client), source=url)
    specs = [stream.spec for stream in playlist.values()]
    playlist._now = Streams(specs, url, _Again(client))  # noqa: SLF001 - Playlist.load takes no client
    return playlist


@dataclass(frozen=True, slots=True)
class _Again:
    """Reads the streams of a playlist anew."""

    client: ClientSource

    def __call__(self, url: str) -> Mapping[str, StreamSpec]:
        return {name: stream.spec for name, stream in playlist_of_bucket(url, self.client).items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return _Again, (sendable_client(self.client),)


def _content_of(url: str, client: ClientSource) -> bytes:
    options = FetchOptions(max_requests=1, max_reads=1, max_object_bytes=DEFAULT_MAX_BYTES)
    with closing(Fetcher(options, client)) as fetcher:
        ((_, part),) = fetcher.read(RemoteObjects([url]))
    if isinstance(part, bytes):
        return part
    raise part
