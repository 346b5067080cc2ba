"""Load, check, dump a playlist; give the streams in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._data.flare.playlist_file import text_of
from dataflux_core._data.flare.renewal import Streams
from dataflux_core._data.flare.stream import Stream
from dataflux_core._data.flare.zipping import zipped
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._plan.text import shortened
from dataflux_core._run.client_source import sendable_client
from dataflux_core._run.flare.options import StreamOptions
from dataflux_core._wire.flare.reading import DEFAULT_MAX_BYTES, problems_of, read_playlist
from dataflux_core._wire.flare.writing import written
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import InvalidArgument, PlaylistInvalid, ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dataflux_core._data.flare.decoding import Record
    from dataflux_core._run.client_source import ClientSource
    from dataflux_core._wire.flare.streams import StreamSpec
    from dataflux_core.errors import PlaylistProblem

_NOWHERE = "the text"
_SHOWN_STREAMS = 12
_SHOWN = 100  # characters of a name
_GONE = frozenset({404, 410})
_USUAL_NAME = "playlist.yaml"


class Playlist(Mapping[str, Stream]):
    """Streams by name, in the order of the playlist; not changed once it is made."""

    def __init__(self, streams: Iterable[StreamSpec] = (), *, source: str = "") -> None:
        listed = list(streams)
        self._streams = {stream.name: stream for stream in listed}
        self._problems: tuple[PlaylistProblem, ...] | None = None
        if len(self._streams) != len(listed):
            raise PlaylistInvalid(_named(source), problems_of(listed))
        self.source = source  # where it was read, "" where nowhere
        self._now = Streams(listed)

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str],
        *,
        storage_client: ClientSource = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> Playlist:
        """Read a playlist: a path, a URL, or a text, which has line breaks.

        The URL may be one of gs:// or s3:// too, as those of a dataset's files. One of gs:// is read with
        `storage_client`, a client or a function that makes one; None: by the environment.

        Raises PlaylistInvalid, which has all that is wrong; OSError for a file; ServiceRefused, AccessDenied,
        ConnectionBroken, EndpointUnreachable for a URL.
        """
        if isinstance(source, str) and "\n" in source:
            return cls.parse(source, max_bytes=max_bytes)
        if max_bytes < 1:
            raise InvalidArgument("max_bytes", str(max_bytes), "a number of bytes")
        text = os.fspath(source)
        if "\0" in text:
            raise InvalidArgument("source", repr(text), "a path, a URL, or a text with line breaks")
        is_url = isinstance(source, str) and _is_url(text)
        fetch = _Fetch(max_bytes, storage_client)
        content = fetch(text) if is_url else _read(Path(text), max_bytes)
        playlist = cls.parse(content, source=text, max_bytes=max_bytes)
        if is_url:
            playlist._now = Streams(playlist._streams.values(), text, fetch.streams)  # noqa: SLF001 - its own
        return playlist

    @classmethod
    def parse(cls, text: str | bytes, *, source: str = "", max_bytes: int = DEFAULT_MAX_BYTES) -> Playlist:
        """Read the text of a playlist; `source` is what messages call it. Raises PlaylistInvalid."""
        # A str's lone surrogates become bytes that are not UTF-8, hence an error that has a place.
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        found = read_playlist(content, max_bytes=max_bytes)
        if not found.is_valid:
            raise PlaylistInvalid(_named(source), found.problems)
        playlist = cls(found.streams, source=source)
        playlist._problems = found.problems
        return playlist

    def validate(self) -> list[PlaylistProblem]:
        """Return what is wrong: warnings, with lines, of one that was read; errors too, without, of one made here."""
        return list(problems_of(self._streams.values()) if self._problems is None else self._problems)

    def dump(self) -> str:
        """Return it as YAML, the same text for the same streams; raises PlaylistInvalid where that would be wrong."""
        streams = self._streams.values()
        return text_of(streams, _named(self.source)) if self._problems is None else written(streams)

    def stream(self, name: str, options: StreamOptions | None = None) -> Stream:
        """Return a stream that is read as the options say; raises KeyError, which names those that there are."""
        spec = self._streams.get(name)
        if spec is None:
            there = ", ".join(repr(shortened(known, _SHOWN)) for known in islice(self._streams, _SHOWN_STREAMS))
            more = f" and {len(self) - _SHOWN_STREAMS:,} more" if len(self) > _SHOWN_STREAMS else ""
            raise KeyError(f"no stream {shortened(repr(name), _SHOWN)}; there are {there or 'none'}{more}")
        return Stream(spec, self._now, options)

    def zip(
        self, *names: str, start: int = 0, stop: int | None = None, options: StreamOptions | None = None
    ) -> Iterator[tuple[Record, ...]]:
        """Yield records [start, stop) of several streams side by side, however each is cut into chunks.

        Raises RecordsUnusable where their numbers of records differ: at once where the playlist gives these, else at
        the end of the shortest.
        """
        return zipped([self.stream(name, options) for name in names], start, stop)

    def __getitem__(self, name: str) -> Stream:
        return self.stream(name)

    def __contains__(self, name: object) -> bool:
        return name in self._streams

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def __repr__(self) -> str:
        source = f" from {_named(self.source)}" if self.source else ""
        streams = ", ".join(f"{stream.name!r} {len(stream.content)}" for stream in self._streams.values())
        return f"<Playlist{source}: {streams}>"


def _is_url(source: str) -> bool:
    return "://" in source.partition("?")[0]


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)  # the one byte tells that there are too many
    except OSError as error:
        if error.errno is None:
            raise
        # Of the same class, as the number says.
        raise OSError(error.errno, f"{os.strerror(error.errno)}; {_next_step(path, error)}", str(path)) from error


def _next_step(path: Path, error: OSError) -> str:
    if isinstance(error, IsADirectoryError):
        inside = path / _USUAL_NAME
        return f"give {inside}" if inside.is_file() else "give the playlist in it"
    if isinstance(error, PermissionError):
        return "correct the permissions of the playlist"
    return "correct the path of the playlist; a relative one begins where the program runs"


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Fetches the bytes of a playlist; where its chunks have moved its streams, in whichever process that is seen."""

    max_bytes: int
    client: ClientSource

    def __call__(self, url: str) -> bytes:
        from dataflux_core._run.fetching.fetcher import Fetcher  # noqa: PLC0415 - slow imports, for URLs alone
        from dataflux_core._run.fetching.options import FetchOptions  # noqa: PLC0415

        # The time limits of streams: chunks on the same server then come by the same connection.
        limits = StreamOptions()
        options = FetchOptions(
            max_requests=1,
            max_reads=1,
            max_object_bytes=self.max_bytes,
            connect_timeout_s=limits.connect_timeout_s,
            stall_timeout_s=limits.stall_timeout_s,
        )
        with closing(Fetcher(options, self.client)) as fetcher:
            ((_, part),) = fetcher.read(RemoteObjects([url]))
        if isinstance(part, bytes):
            return part
        if type(part) is ServiceRefused and part.status in _GONE:
            message = f"{part.message}; correct the URL of the playlist, or load it from where it has moved"
            raise ServiceRefused(part.subject, part.status, message) from part
        raise part

    def streams(self, url: str) -> dict[str, StreamSpec]:
        return Playlist.parse(self(url), source=url, max_bytes=self.max_bytes)._streams  # noqa: SLF001 - this module's

    def __reduce__(self) -> tuple[type[_Fetch], tuple[int, ClientSource]]:
        return _Fetch, (self.max_bytes, sendable_client(self.client))


def _named(source: str) -> str:
    return shown_url(source) if source else _NOWHERE
