"""Turn chunks into records as a stream's headers say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from dataflux_core._data.flare.line_records import csv_records, jsonl_records, text_records
from dataflux_core._data.flare.tar_records import tar_records
from dataflux_core._data.flare.unfolding import unfolded
from dataflux_core._data.samples.choice import chosen_decoders
from dataflux_core._data.samples.encoded import Encoded
from dataflux_core._wire.flare.marks import quoted
from dataflux_core.errors import DatafluxError, ExtraMissing, RecordsUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from dataflux_core._data.samples.encoded import Decoder
    from dataflux_core._wire.flare.conventions import Conventions
    from dataflux_core._wire.flare.streams import StreamSpec

Record: TypeAlias = Any  # what the encoding makes of it

WHOLE = frozenset({"image", "audio", "video"})  # of which a chunk is one record
_LINES: dict[str, Callable[[BinaryIO], Iterator[Any]]] = {
    "text": text_records,
    "jsonl": jsonl_records,
    "csv": csv_records,
}
_BLOCK_BYTES = 64 * 1024
_TABLES = frozenset({"parquet", "arrow", "npy", "npz"})


class RecordDecoder:
    """What the headers of one stream say of its chunks' bytes.

    Raises RecordsUnusable for an encoding, a compression or numbers that this version does not know, ExtraMissing.
    """

    def __init__(self, spec: StreamSpec, max_bytes: int) -> None:
        said = spec.conventions
        self._name = spec.name
        self._said = said
        self._max_bytes = max_bytes
        for header, is_known in _known(said):
            if header in spec.headers and not is_known:
                problem = f"its {header} {quoted(str(spec.headers[header]))} is not known to this version"
                raise RecordsUnusable(f"stream {spec.name!r}", problem, "take the chunks themselves, or update")
        self.encoding = said.encoding or "raw"
        self.record_bytes = said.record_bytes if self.encoding == "raw" else None
        self._whole: Decoder | None = None
        if self.encoding in WHOLE:
            self._whole = chosen_decoders(["chunk"], self.encoding)["chunk"]  # type: ignore[arg-type] # of the three
        elif self.encoding in _TABLES or self.record_bytes is not None:
            _tables()

    @property
    def is_whole(self) -> bool:
        """Tell whether each chunk is one record."""
        return self.encoding in WHOLE or (self.encoding == "raw" and self.record_bytes is None)

    @property
    def is_gradual(self) -> bool:
        """Tell whether records can be made of a chunk that is not there as a whole."""
        return self._said.compression is None and (
            self.encoding in _LINES or self.encoding == "tar" or bool(self.record_bytes)
        )

    def records(self, content: bytes | BinaryIO, chunk: int, url: str) -> Iterator[Record]:
        """Yield the records of one chunk, decoded one by one where that is possible; raises RecordsUnusable."""
        try:
            yield from self._decoded(content, url)
        except DatafluxError:
            raise
        except Exception as error:  # hostile bytes make libraries raise anything
            problem = f"no {self.encoding} chunk: {type(error).__name__}: {error}"
            raise RecordsUnusable(self.name_of(chunk), problem, "mend it, or correct the stream's headers") from error

    def name_of(self, chunk: int) -> str:
        return f"chunk {chunk} of stream {self._name!r}"

    def _decoded(self, content: bytes | BinaryIO, url: str) -> Iterator[Record]:
        file = unfolded(content, self._said.compression, self._max_bytes) if isinstance(content, bytes) else content
        if self.encoding in _LINES:
            yield from _LINES[self.encoding](file)
        elif self.encoding == "tar":
            yield from tar_records(file, self._max_bytes)
        elif not isinstance(content, bytes):
            yield from self._of_blocks(file, url)
        else:
            stored = content if self._said.compression is None else file.read()
            yield from self._of_bytes(stored, url)

    def _of_blocks(self, file: BinaryIO, url: str) -> Iterator[Record]:
        """Read records of one size, some at once."""
        record_bytes = self.record_bytes or 1
        while block := file.read(max(1, _BLOCK_BYTES // record_bytes) * record_bytes):
            yield from self._of_bytes(block, url)

    def _of_bytes(self, content: bytes, url: str) -> Iterator[Record]:
        if self._whole is not None:
            yield self._whole(Encoded(content, url))
        elif self.encoding == "parquet":
            yield from _tables().parquet_records(content, self._max_bytes)
        elif self.encoding == "arrow":
            yield from _tables().arrow_records(content, self._max_bytes)
        elif self.encoding in _TABLES:
            yield from _tables().array_records(content, self._max_bytes)
        elif self.record_bytes is not None:
            yield from _tables().raw_records(content, self._said.dtype, self._said.shape or ())
        else:
            yield content


def _known(said: Conventions) -> Iterator[tuple[str, bool]]:
    """Yield the headers without whose meaning there are no records."""
    yield "encoding", said.encoding is not None
    yield "compression", said.compression is not None
    if said.encoding in {None, "raw"} and said.shape is not None:  # without a shape a chunk is one record
        yield "dtype", bool(said.dtype)


def _tables() -> ModuleType:
    try:
        from dataflux_core._data.flare import table_records  # noqa: PLC0415 - numpy and pyarrow are extras
    except ImportError as error:
        raise ExtraMissing("records of tables or arrays", "streaming") from error
    return table_records
