"""Read the chunks of one stream, whole or in part."""

from __future__ import annotations

import os
import time
from collections import deque
from functools import partial
from io import BufferedReader
from operator import index
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, NoReturn, cast

from dataflux_core._data.flare.arriving import ArrivingChunk
from dataflux_core._data.flare.renewal import has_same_chunk, has_same_names
from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.reach import Reach
from dataflux_core._run.flare.arrival import Arrival
from dataflux_core._run.flare.errands import ChunkAsk
from dataflux_core._run.flare.reader import reader_of
from dataflux_core._wire.flare.conventions import base_of, mirrored
from dataflux_core._wire.web import Span
from dataflux_core.errors import ChunkUnavailable, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

    from dataflux_core._data.flare.renewal import Streams
    from dataflux_core._run.flare.options import StreamOptions
    from dataflux_core._wire.flare.streams import StreamSpec
    from dataflux_core._wire.web import Content
    from dataflux_core.errors import DatafluxError

_GONE = frozenset({401, 403, 404, 410})
_EXPIRED = "ExpiredToken"  # with a 400: how Cloud Storage says that a signed URL is too old
_USUAL_BYTES = 8 * 1024**2  # of a chunk whose size is not known, before any has come
_LEAST_USUAL_BYTES = 512 * 1024  # so many are received where less was expected
_ROOM = 2  # times as much as the largest that has come may be received ahead
_BLOCK_BYTES = 64 * 1024
_MOST_BYTES = (1 << 63) - 1  # what a request can be limited to


class Piece(NamedTuple):
    """A chunk, or bytes [start, stop) of it."""

    chunk: int
    start: int = 0
    stop: int | None = None  # None: to the end


class Chunks:
    """The chunks of one stream; nothing is kept of them."""

    def __init__(self, spec: StreamSpec, streams: Streams, options: StreamOptions) -> None:
        self.spec = spec
        self.options = options
        self._streams = streams
        self._seen: _Seen | None = None  # replaced as a whole: several threads read

    @property
    def record_bytes(self) -> int:
        """How many bytes a record has that can be read by itself; 0 where its chunk has to come as a whole.

        That is so where it is unpacked, or compared with sums, which are of all of it.
        """
        said = self.spec.conventions
        is_plain = said.encoding in {None, "raw"} and not (said.compression or said.sha256 or said.crc32c)
        return (said.record_bytes or 0) if is_plain else 0

    def size(self, chunk: int) -> int:
        """Return the bytes of a chunk, UNKNOWN_SIZE where the playlist does not say."""
        sizes = self.spec.conventions.sizes
        return UNKNOWN_SIZE if sizes is None else sizes[chunk]

    def read(self, piece: Piece) -> bytes:
        """Return what is asked for; fewer bytes where a chunk ends before."""
        for content in self.read_many([piece], max_bytes=1):
            return content
        raise RuntimeError(f"{self.spec.name}[{piece.chunk}]: neither bytes nor an error came")

    def read_many(self, pieces: Iterable[Piece], *, max_bytes: int = 0) -> Generator[bytes, None, None]:
        """Yield what is asked for, in order, further pieces under way, up to so many bytes or the options' limit."""
        taken = self._taken_from(_Ahead(self, max_bytes or self.options.max_ahead_bytes), pieces)
        return cast("Generator[bytes, None, None]", taken)

    def read_gradually(self, pieces: Iterable[Piece]) -> Generator[bytes | BinaryIO, None, None]:
        """Yield what is asked for as `read_many` does, but the first chunk as a file as soon as it begins to arrive.

        Reading that file raises what `read_many` does. It comes whole where there are sums to compare it with.
        """
        return self._taken_from(_Ahead(self, self.options.max_ahead_bytes, is_gradual=True), pieces)

    def _taken_from(self, ahead: _Ahead, pieces: Iterable[Piece]) -> Generator[bytes | BinaryIO, None, None]:
        try:
            for piece in pieces:
                yield from ahead.add(piece)
            while ahead.pending:
                yield ahead.take()
        finally:
            ahead.close()

    def start(self, piece: Piece, arrival: Arrival | None = None, *, ahead_bytes: int = 0) -> _Pending:
        """Send for a piece; a chunk that is found to be larger than `ahead_bytes` is sent for when it is waited for."""
        generation = self._streams.generation
        ask = self._ask(piece, ahead_bytes)
        if ask is None:
            return _Pending(piece, generation, None)
        return _Pending(piece, generation, reader_of(self.options).submit(ask, arrival), arrival=arrival)

    def arriving(self, pending: _Pending, arrival: Arrival) -> BinaryIO:
        """Return a piece that is on its way as a file."""
        name = f"chunk {pending.piece.chunk} of stream {self.spec.name!r}"
        raw = ArrivingChunk(name, arrival, partial(self._finish_anywhere, pending, os.getpid()))
        return cast("BinaryIO", BufferedReader(raw, _BLOCK_BYTES))

    def _finish_anywhere(self, pending: _Pending, process_id: int) -> bytes:
        return self.finish(pending if process_id == os.getpid() else self.start(pending.piece))

    def finish(self, pending: _Pending, replaced: Callable[[_Pending], None] | None = None) -> bytes:
        """Wait for a piece; where its URL has expired the playlist is fetched again, once.

        `replaced` gets each further request that is made for it, so that who ends the wait knows what to cancel.
        """
        if pending.future is None:
            return b""
        try:
            return self._taken(pending.piece, pending.future, replaced)
        except ChunkUnavailable as error:
            failed = error
        if not _is_gone(failed.errors):
            raise self._named(pending.piece, failed.errors, failed.advice) from failed
        why = self._streams.renew(pending.generation)
        if why:
            raise self._named(pending.piece, failed.errors, why) from failed
        try:
            again = self._started_again(pending.piece, replaced)
        except ChunkUnavailable as error:
            raise self._named(pending.piece, failed.errors, error.advice) from failed
        if again.future is None:
            return b""
        try:
            return self._taken(pending.piece, again.future, replaced)
        except ChunkUnavailable as error:
            advice = "the playlist was fetched again and names no better URL: ask who publishes it"
            raise self._named(pending.piece, error.errors, advice) from error

    def cancel(self, pending: Iterable[_Pending]) -> None:
        """Give up what is under way."""
        reader_of(self.options).cancel([some.future for some in pending if some.future is not None])

    def _started_again(self, piece: Piece, replaced: Callable[[_Pending], None] | None) -> _Pending:
        again = self.start(piece)
        if replaced is not None:
            replaced(again)
        return again

    def _taken(self, piece: Piece, future: Future[Content], replaced: Callable[[_Pending], None] | None) -> bytes:
        """Wait; make sure that a part up to the end goes there, where that end was not known before."""
        found = future.result()
        if piece.stop is None and not piece.start and found.total > 0 and not found.content:
            return self.finish(self._started_again(piece, replaced), replaced)  # there was no room for it ahead
        if piece.stop is None and found.total > piece.start + len(found.content):
            self._refuse(piece, found.total)
        return found.content

    def _refuse(self, piece: Piece, total: int) -> NoReturn:
        """Say that a chunk is too large, be it the playlist or the host that says how large it is."""
        asked = f"read({piece.chunk}, {piece.start}) of stream {self.spec.name!r}, a chunk of {total} bytes"
        raise InvalidArgument("max_chunk_bytes", f"{self.options.max_chunk_bytes}", f"enough for {asked}, or a stop")

    def _ask(self, piece: Piece, ahead_bytes: int = 0) -> ChunkAsk | None:
        """Say what to read, None for no bytes; the first playlist's sizes and sums hold: the same bytes are meant."""
        chunk, start, stop = piece
        now = self._now(piece)
        size = self.size(chunk)
        end = stop if size < 0 else size if stop is None else min(stop, size)
        is_whole = start == 0 and end in (None, size)
        if stop is None and size - start > self.options.max_chunk_bytes:
            self._refuse(piece, size)
        span = None if is_whole else Span(start, start + self.options.max_chunk_bytes if end is None else end)
        if span is not None and span.start >= span.stop:
            return None
        said = self.spec.conventions
        can_wait = span is None and size < 0 and ahead_bytes < self.options.max_chunk_bytes
        return ChunkAsk(
            urls=self._urls(now, chunk),
            size=size,
            sha256="" if said.sha256 is None else said.sha256[chunk],
            crc32c="" if said.crc32c is None else said.crc32c[chunk],
            span=span,
            turn=chunk,
            max_bytes=self.options.max_chunk_bytes,
            ahead_bytes=ahead_bytes if can_wait else 0,
        )

    def _now(self, piece: Piece) -> _Seen:
        """Return the stream as it is now, sure that the number means the same chunk there."""
        spec = self._streams.now(self.spec.name)
        if spec is None:
            raise self._named(piece, (), "the playlist was fetched again and has no such stream: load it anew")
        seen = self._seen
        if seen is None or seen.spec is not spec:
            is_same = spec is self.spec or has_same_names(self.spec, spec)
            base = base_of(spec.content) if spec.conventions.mirrors else ""
            seen = self._seen = _Seen(spec, base, is_same)
        if seen.is_same or has_same_chunk(self.spec, spec, piece.chunk):
            return seen
        found = f"{len(spec.content)} chunks in it, the first had {len(self.spec.content)}"
        if len(spec.content) == len(self.spec.content):
            found = "chunks of other names, or in another order"
        raise self._named(piece, (), f"the playlist was fetched again and has {found}: load it anew")

    def _urls(self, now: _Seen, chunk: int) -> tuple[str, ...]:
        url = now.spec.content[chunk]
        mirrors = now.spec.conventions.mirrors
        return tuple(dict.fromkeys([url, *(mirrored(url, now.base, mirror) for mirror in mirrors)]))

    def _named(self, piece: Piece, errors: tuple[DatafluxError, ...], advice: str) -> ChunkUnavailable:
        return ChunkUnavailable(f"chunk {piece.chunk} of stream {self.spec.name!r}", errors, advice)


class _Seen(NamedTuple):
    """A stream as a playlist has it that was fetched again."""

    spec: StreamSpec
    base: str  # what its URLs begin with, where there are mirrors
    is_same: bool  # the names of its chunks are those of the first playlist


class _Pending(NamedTuple):
    """A piece on its way."""

    piece: Piece
    generation: int  # of the playlist whose URL is asked
    future: Future[Content] | None  # None: it has no bytes
    arrival: Arrival | None = None


class _Ahead:
    """Pieces sent for before they are taken: few at first, then as many as limits allow."""

    def __init__(self, chunks: Chunks, max_bytes: int, *, is_gradual: bool = False) -> None:
        self.pending: deque[_Pending] = deque()
        self._is_gradual = is_gradual
        self._arriving: list[_Pending] = []  # taken while it was on its way
        self._chunks = chunks
        self._max_bytes = max_bytes
        self._reach = Reach(most=chunks.options.max_requests)
        self._usual_bytes = _USUAL_BYTES  # that a chunk of unknown size may have, to be received ahead
        self._has_taken = False
        self._expected: deque[int] = deque()  # bytes, of each that is pending
        self._process_id = os.getpid()

    def add(self, piece: Piece) -> Generator[bytes | BinaryIO, None, None]:
        """Send for a piece; yield what must be taken to make room, when that is on its way."""
        expected = self._size(piece)
        taken: bytes | BinaryIO | None = None
        while self._is_full(piece, expected):
            if taken is not None:
                yield taken
            taken = self.take()
        limit = expected if self.pending else 0
        self.pending.append(self._chunks.start(piece, self._arrival_of(piece), ahead_bytes=limit))
        self._expected.append(expected)
        if taken is not None:
            yield taken

    def _is_full(self, piece: Piece, expected: int) -> bool:
        if not self.pending:
            return False
        return sum(self._expected) + expected > self._max_bytes or len(self.pending) >= self._window(piece)

    def take(self) -> bytes | BinaryIO:
        """Wait for the next piece, or for its beginning."""
        self._start_over()
        head, began_s = self.pending[0], time.monotonic()
        content: bytes | BinaryIO
        if head.arrival is not None and head.arrival.has_begun():
            content, size = self._chunks.arriving(head, head.arrival), head.arrival.total
            self._arriving.append(head)
        else:
            content = self._chunks.finish(head)
            size = len(content)
        self.pending.popleft()
        self._expected.popleft()
        self._reach.took(size, time.monotonic() - began_s)
        least = self._usual_bytes if self._has_taken else _LEAST_USUAL_BYTES
        self._usual_bytes, self._has_taken = max(least, _ROOM * size), True
        return content

    def _arrival_of(self, piece: Piece) -> Arrival | None:
        """Return what takes the first chunk's beginning: a reader of the next ones has them under way."""
        is_early, self._is_gradual = self._is_gradual and piece.start == 0 and piece.stop is None, False
        return Arrival() if is_early else None

    def close(self) -> None:
        """Give up what has not been taken; a fork's copy is the parent's."""
        if self._process_id == os.getpid():
            self._chunks.cancel([*self.pending, *self._arriving])

    def _window(self, piece: Piece) -> int:
        """Small parts are sent for at once: they do not keep each other waiting."""
        return self._reach.pieces if piece.stop is None else self._chunks.options.max_requests

    def _size(self, piece: Piece) -> int:
        if piece.stop is not None:
            return piece.stop - piece.start
        size = self._chunks.size(piece.chunk)
        return self._usual_bytes if size < 0 else size

    def _start_over(self) -> None:
        """In a fork nobody reads what the parent sent for: send again."""
        if self._process_id != os.getpid():
            self._process_id = os.getpid()
            limit = self._usual_bytes
            self.pending = deque(self._chunks.start(pending.piece, ahead_bytes=limit) for pending in self.pending)


def _is_gone(errors: tuple[DatafluxError, ...]) -> bool:
    """Tell whether a new URL may help."""
    return any(getattr(error, "status", 0) in _GONE or getattr(error, "message", "") == _EXPIRED for error in errors)


def checked_piece(chunk: int, start: int, stop: int | None, chunks: int) -> Piece:
    """Return what a caller asks for; raises IndexError, InvalidArgument."""
    try:
        chunk, start, stop = index(chunk), index(start), None if stop is None else index(stop)
    except TypeError as error:
        raise InvalidArgument("chunk, start, stop", f"{chunk!r}, {start!r}, {stop!r}", "whole numbers") from error
    if not -chunks <= chunk < chunks:
        raise IndexError(f"chunk {chunk} of a stream of {chunks}")
    if not 0 <= start <= (start if stop is None else stop) <= _MOST_BYTES:
        expected = f"bytes from 0 on, up to {_MOST_BYTES}, the stop not before the start"
        raise InvalidArgument("start, stop", f"{start}, {stop}", expected)
    return Piece(chunk % chunks, start, stop)
