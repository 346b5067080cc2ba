"""Read one stream of a playlist: its chunks, parts of them, their records."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from contextlib import closing
from itertools import accumulate, islice
from operator import index as as_index
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, overload

from dataflux_core._data.flare.chunks import Chunks, Piece, checked_piece
from dataflux_core._data.flare.decoding import Record, RecordDecoder
from dataflux_core._run.flare.options import StreamOptions
from dataflux_core._run.flare.reader import reader_of
from dataflux_core._wire.flare.streams import StreamSpec
from dataflux_core.errors import InvalidArgument, RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from dataflux_core._data.flare.renewal import Streams
    from dataflux_core._run.flare.options import StreamStats
    from dataflux_core._wire.flare.building import Value
    from dataflux_core._wire.flare.conventions import Conventions


class Stream(Sequence[bytes]):
    """The chunks of one stream, in order, or those that a slice has left; nothing is read before it is asked for.

    Chunks come whole and as the playlist describes them: their sizes and sums are compared. Reading raises
    ChunkUnavailable where no host gives a chunk, not even after the playlist was fetched again. Several threads may
    read at once; a fork or a copy by pickle reads on its own.
    """

    def __init__(
        self,
        spec: StreamSpec,
        streams: Streams,
        options: StreamOptions | None = None,
        *,
        chunks: range | None = None,
    ) -> None:
        self.spec = spec
        self.options = StreamOptions() if options is None else options
        self._streams = streams
        self._numbers = range(len(spec.content)) if chunks is None else chunks  # of the playlist's chunks
        self._chunks = Chunks(spec, streams, self.options)
        self._ends: list[int] | None = None  # of each chunk's records, counted from the first

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def headers(self) -> Mapping[str, Value]:
        return self.spec.headers

    @property
    def content(self) -> Sequence[str]:
        """The URLs as the playlist was loaded."""
        return [self.spec.content[number] for number in self._numbers]

    @property
    def conventions(self) -> Conventions:
        """What the headers of the whole stream mean."""
        return self.spec.conventions

    @property
    def chunks(self) -> Chunks:
        """What reads the chunks of the whole stream, by their numbers in the playlist."""
        return self._chunks

    @property
    def stats(self) -> StreamStats:
        """What this process has read with these options, of any stream."""
        return reader_of(self.options).stats

    def with_options(self, options: StreamOptions) -> Stream:
        """Return the same chunks, read in another way."""
        return Stream(self.spec, self._streams, options, chunks=self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Stream: ...
    def __getitem__(self, index: int | slice) -> bytes | Stream:
        if isinstance(index, slice):
            return Stream(self.spec, self._streams, self.options, chunks=self._numbers[index])
        return self.read(as_index(index))

    def __iter__(self) -> Iterator[bytes]:
        """Yield chunks in order, the next ones under way."""
        return self._chunks.read_many(Piece(number) for number in self._numbers)

    def read(self, chunk: int, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes [start, stop) of a chunk; fewer where it ends before, none of a start behind its end.

        They come in one answer of one host. A part cannot be compared with the sums of the chunk, its whole size can.
        """
        return self._chunks.read(self._piece(chunk, start, stop))

    def read_many(self, parts: Iterable[tuple[int, int, int]]) -> Iterator[bytes]:
        """Yield bytes [start, stop) of a chunk for each (chunk, start, stop), in order, many under way at once."""
        return self._chunks.read_many(self._piece(*part) for part in parts)

    def records(self, start: int = 0, stop: int | None = None) -> Iterator[Record]:
        """Yield records [start, stop), decoded as `encoding` and `compression` say.

        A start or a stop needs to know how many records each chunk has: from the header `records`, or since a chunk is
        one record, or since records have one size. Where that is known, chunks are compared with it; without a stop
        those too that should have none. Raises InvalidArgument, RecordsUnusable, ExtraMissing.
        """
        decoder = RecordDecoder(self.spec, self.options.max_decoded_bytes)
        ends = self._record_ends(decoder)
        if ends is None and (start or stop is not None):
            advice = "no start or stop: the playlist does not say how many records each chunk has (header records)"
            raise InvalidArgument("start, stop", f"{start}, {stop}", advice)
        total = None if ends is None else ends[-1] if ends else 0
        if start < 0 or (stop is not None and stop < start) or (total is not None and start > total):
            known = "" if total is None else f", up to {total}"
            raise InvalidArgument(
                "start, stop", f"{start}, {stop}", f"records from 0 on{known}, the stop behind the start"
            )
        if ends is None or total is None:
            return self._all_records(decoder)
        return self._some_records(decoder, list(_parts(ends, start, stop)))

    def record_count(self) -> int | None:
        """Return how many records there are, None where the playlist does not say."""
        ends = self._record_ends(RecordDecoder(self.spec, self.options.max_decoded_bytes))
        return None if ends is None else ends[-1] if ends else 0

    def record_counts(self) -> list[int] | None:
        """Return how many records each chunk has, None where the playlist does not say."""
        return self._record_counts(RecordDecoder(self.spec, self.options.max_decoded_bytes))

    def _piece(self, chunk: int, start: int, stop: int | None) -> Piece:
        piece = checked_piece(chunk, start, stop, len(self._numbers))
        return piece._replace(chunk=self._numbers[piece.chunk])

    def _record_ends(self, decoder: RecordDecoder) -> list[int] | None:
        if self._ends is None:
            counts = self._record_counts(decoder)
            self._ends = None if counts is None else list(accumulate(counts))
        return self._ends

    def _record_counts(self, decoder: RecordDecoder) -> list[int] | None:
        said = self.spec.conventions
        if said.records is not None:
            return [said.records[number] for number in self._numbers]
        if decoder.is_whole:
            return [1] * len(self._numbers)
        if decoder.record_bytes and said.sizes is not None and said.compression is None:
            return [said.sizes[number] // decoder.record_bytes for number in self._numbers]
        return None

    def _all_records(self, decoder: RecordDecoder) -> Generator[Record, None, None]:
        with closing(self._read(decoder, (Piece(number) for number in self._numbers))) as contents:
            for number, content in zip(self._numbers, contents, strict=True):
                yield from decoder.records(content, number, self.spec.content[number])

    def _some_records(self, decoder: RecordDecoder, parts: list[_Part]) -> Generator[Record, None, None]:
        """Read the chunks that have the records; of records of one size only those bytes, where nothing has a sum."""
        pieces = [self._bytes_of(part) for part in parts]
        with closing(self._read(decoder, pieces)) as contents:
            for (_, first, last, total), piece, content in zip(parts, pieces, contents, strict=True):
                records = decoder.records(content, piece.chunk, self.spec.content[piece.chunk])
                if piece.stop is not None:  # bytes of these records alone
                    first, last, total = 0, last - first, last - first  # noqa: PLW2901
                yield from self._checked(records, first, last, total, decoder.name_of(piece.chunk))

    def _read(self, decoder: RecordDecoder, pieces: Iterable[Piece]) -> Generator[bytes | BinaryIO, None, None]:
        return self._chunks.read_gradually(pieces) if decoder.is_gradual else self._chunks.read_many(pieces)

    def _bytes_of(self, part: _Part) -> Piece:
        chunk, size = self._numbers[part.at], self._chunks.record_bytes
        if size and part.last - part.first < part.total:
            return Piece(chunk, part.first * size, part.last * size)
        return Piece(chunk)

    def _checked(
        self, records: Iterator[Record], first: int, last: int, count: int, name: str
    ) -> Generator[Record, None, None]:
        """Yield records [first, last) of a chunk, sure that it has as many as the playlist says."""
        found = 0
        for found, record in enumerate(islice(records, last), 1):
            if found > first:
                yield record
        if last == count and next(records, _NONE) is not _NONE:
            found += 1
        if found != last:
            many = f"more than {count}" if found > last else str(found)
            raise RecordsUnusable(
                name, f"it has {many} records, the playlist says {count}", "correct the header records"
            )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StreamSpec):
            return self.spec == other and self._numbers == range(len(other.content))
        return isinstance(other, Stream) and self.spec == other.spec and self._numbers == other._numbers

    __hash__ = None  # type: ignore[assignment] # as of every sequence that compares by what is in it

    def __repr__(self) -> str:
        return f"<Stream {self.name!r} of {len(self)} chunks>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.spec, self._streams, self.options, self._numbers)


_NONE = object()


def _restored(spec: StreamSpec, streams: Streams, options: StreamOptions, chunks: range) -> Stream:
    return Stream(spec, streams, options, chunks=chunks)


class _Part(NamedTuple):
    """Records [first, last) of a chunk."""

    at: int  # which of the chunks
    first: int
    last: int
    total: int  # that it has


def _parts(ends: Sequence[int], start: int, stop: int | None) -> Iterator[_Part]:
    """Yield the parts of chunks that make records [start, stop).

    Without a stop, chunks that should have no records are among them: nobody else would find that one has some.
    """
    for at in range(bisect_left(ends, start), len(ends)):
        begin, end = ends[at - 1] if at else 0, ends[at]
        if stop is not None and begin >= stop:
            return
        first, last = max(start, begin), end if stop is None else min(stop, end)
        if first < last or (stop is None and begin == end):
            yield _Part(at, first - begin, last - begin, end - begin)
