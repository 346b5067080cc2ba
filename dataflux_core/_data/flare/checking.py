"""Fetch every chunk of a playlist from every host that should have it, compare it with what is said of it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dataflux_core._data.flare.decoding import WHOLE, RecordDecoder
from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.text import counted
from dataflux_core._run.flare.errands import ChunkAsk
from dataflux_core._run.flare.options import StreamOptions
from dataflux_core._run.flare.reader import ChunkReader
from dataflux_core._wire.flare.conventions import base_of, mirrored
from dataflux_core._wire.flare.marks import path_text
from dataflux_core._wire.urls import origin_of, shown_url, web_url
from dataflux_core.errors import (
    ChunkUnavailable,
    ChunkWrong,
    DatafluxError,
    ExtraMissing,
    InvalidArgument,
    RecordsUnusable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from dataflux_core._wire.flare.streams import StreamSpec
    from dataflux_core._wire.web import Content

_UNKNOWN_BYTES = 8 * 1024**2  # of a chunk whose size is not said, for the memory it may take
_MAX_AHEAD_BYTES = 256 * 1024**2


class Copy(NamedTuple):
    """A chunk at one of its places."""

    stream: StreamSpec
    chunk: int
    url: str

    @property
    def path(self) -> str:
        """The chunk as messages about playlists name it."""
        return path_text((self.stream.name, "content", self.chunk))

    @property
    def host(self) -> str:
        """Where it lies: scheme, host, port."""
        with suppress(InvalidArgument):
            return origin_of(web_url(self.url))
        return shown_url(self.url)


_Count: TypeAlias = Callable[[Copy, bytes], int]


class Flaw(NamedTuple):
    """A copy that is not as the playlist says."""

    copy: Copy
    error: DatafluxError


@dataclass(slots=True)
class HostTally:
    """What one host gave."""

    copies: int = 0
    flaws: int = 0
    bytes: int = 0  # of copies that are right


@dataclass(slots=True)
class Checked:
    """What has been looked at so far."""

    hosts: dict[str, HostTally] = field(default_factory=dict)
    unchecked: int = 0  # copies that came, of which the playlist says neither size nor checksum
    uncounted: dict[str, str] = field(default_factory=dict)  # streams whose records could not be counted, and why

    @property
    def copies(self) -> int:
        return sum(host.copies for host in self.hosts.values())

    @property
    def flaws(self) -> int:
        return sum(host.flaws for host in self.hosts.values())

    @property
    def bytes(self) -> int:
        return sum(host.bytes for host in self.hosts.values())


def copies_of(streams: Sequence[StreamSpec]) -> Iterator[Copy]:
    """Yield each chunk at each of its places, the playlist's own URL first."""
    for stream in streams:
        base = base_of(stream.content) if stream.conventions.mirrors else ""
        for chunk, url in enumerate(stream.content):
            places = [url, *(mirrored(url, base, mirror) for mirror in stream.conventions.mirrors)]
            for place in dict.fromkeys(places):
                yield Copy(stream, chunk, place)


def check(
    streams: Sequence[StreamSpec],
    options: StreamOptions,
    done: Checked,
    observe: Callable[[int], None] | None = None,
) -> Iterator[Flaw]:
    """Yield what is wrong, in the order of the playlist; all else is read whatever is found. `done` grows meanwhile.

    Sizes and checksums are compared, then the number of records; a mirror whose bytes no checksum describes is compared
    with the place before it. Records of a kind that this version does not know are not counted, which is nobody's
    flaw: `done` tells of which streams. `observe` is told the copies that are done. Raises ExtraMissing.
    """
    checking = _Checking(streams, done)
    reader = ChunkReader(options)
    try:
        for copy, future in _read_ahead(streams, options, reader):
            error = checking.judge(copy, future)
            if error is not None:
                yield Flaw(copy, error)
            if observe is not None:
                observe(done.copies)
    finally:
        reader.stop()


def _read_ahead(
    streams: Sequence[StreamSpec], options: StreamOptions, reader: ChunkReader
) -> Iterator[tuple[Copy, Future[Content]]]:
    """Yield copies in order with what comes of them, the next ones under way within a limit of memory."""
    pending: deque[tuple[Copy, Future[Content], int]] = deque()
    held = 0
    for copy in copies_of(streams):
        ask = _ask(copy, options)
        size = _UNKNOWN_BYTES if ask.size < 0 else ask.size
        while pending and (len(pending) >= options.max_requests or held + size > _MAX_AHEAD_BYTES):
            before, future, freed = pending.popleft()
            held -= freed
            yield before, future
        pending.append((copy, reader.submit(ask), size))
        held += size
    for copy, future, _ in pending:
        yield copy, future


def _ask(copy: Copy, options: StreamOptions) -> ChunkAsk:
    said, chunk = copy.stream.conventions, copy.chunk
    return ChunkAsk(
        (copy.url,),
        UNKNOWN_SIZE if said.sizes is None else said.sizes[chunk],
        "" if said.sha256 is None else said.sha256[chunk],
        "" if said.crc32c is None else said.crc32c[chunk],
        max_bytes=options.max_chunk_bytes,
    )


class _Checking:
    """Judges copies one after the other."""

    def __init__(self, streams: Sequence[StreamSpec], done: Checked) -> None:
        self._done = done
        self._counts = _counts_of(streams, done)
        self._first: tuple[str, int, str, str] = ("", -1, "", "")  # stream, chunk, digest, URL of a copy that came

    def judge(self, copy: Copy, future: Future[Content]) -> DatafluxError | None:
        tally = self._done.hosts.setdefault(copy.host, HostTally())
        tally.copies += 1
        try:
            content = future.result().content
            self._compare(copy, content)
        except ExtraMissing:  # which is wrong here, not with the copy
            raise
        except ChunkUnavailable as error:
            tally.flaws += 1
            return error.errors[0] if len(error.errors) == 1 else error
        except DatafluxError as error:
            tally.flaws += 1
            return error
        tally.bytes += len(content)
        return None

    def _compare(self, copy: Copy, content: bytes) -> None:
        """Compare what the reader has not: records, and copies without a checksum among each other."""
        said = copy.stream.conventions
        stream, chunk, first, url = self._first
        if (stream, chunk) != (copy.stream.name, copy.chunk):
            digest = "" if said.sha256 or said.crc32c else hashlib.sha256(content).hexdigest()
            self._first = (copy.stream.name, copy.chunk, digest, shown_url(copy.url))
            self._done.unchecked += not (said.sizes or said.sha256 or said.crc32c)
            self._count(copy, content)
        elif first and (digest := hashlib.sha256(content).hexdigest()) != first:
            raise ChunkWrong(shown_url(copy.url), "sha256", f"none, but {url} has {first}", digest)

    def _count(self, copy: Copy, content: bytes) -> None:
        count, expected = self._counts.get(copy.stream.name), copy.stream.conventions.records
        if count is None or expected is None:
            return
        found = count(copy, content)
        if found != expected[copy.chunk]:
            problem = f"it has {counted(found, 'record')}, the playlist says {expected[copy.chunk]:,}"
            name = f"chunk {copy.chunk} of stream {copy.stream.name!r}"
            raise RecordsUnusable(name, problem, "correct the header records")


def _counts_of(streams: Sequence[StreamSpec], done: Checked) -> dict[str, _Count]:
    """Return what counts the records of those streams that say how many there are."""
    found: dict[str, _Count] = {}
    for stream in streams:
        if stream.conventions.records is None:
            continue
        try:
            found[stream.name] = _count_of(stream)
        except RecordsUnusable as error:
            done.uncounted[stream.name] = error.problem
    return found


def _count_of(stream: StreamSpec) -> _Count:
    """Return what counts the records of a chunk; raises RecordsUnusable where they are of no kind that is known."""
    if stream.conventions.encoding in WHOLE:  # nothing of them is decoded, so the extra for that may be missing
        return _one
    decoder = RecordDecoder(stream, StreamOptions().max_decoded_bytes)
    if decoder.is_whole:
        return _one
    return lambda copy, content: sum(1 for _ in decoder.records(content, copy.chunk, copy.url))


def _one(copy: Copy, content: bytes) -> int:
    del copy, content
    return 1
