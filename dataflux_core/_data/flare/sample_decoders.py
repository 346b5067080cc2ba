"""Choose how records of streams become columns of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core._data.flare.chunk_records import ChunkRecords, RawRecords, lines_of
from dataflux_core._data.flare.decoding import WHOLE, RecordDecoder
from dataflux_core._data.flare.unfolding import unfolded
from dataflux_core._data.samples.choice import chosen_decoders
from dataflux_core._data.samples.encoded import Decoder, Encoded
from dataflux_core._plan.sample_names import ID, NO_EXTENSION
from dataflux_core._plan.text import shortened
from dataflux_core._run.flare.options import StreamOptions
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._data.flare.decoding import Record
    from dataflux_core._data.samples.packed import Packed
    from dataflux_core._wire.flare.conventions import Compression
    from dataflux_core._wire.flare.streams import StreamSpec

_MAX_DECODED_BYTES = StreamOptions().max_decoded_bytes
_LOOKED_AT = 32  # chunks, whose URLs say which decoders will be needed
_SHOWN = 100  # characters of what was given
_OTHERWISE = "a function in transforms decodes what is in rows of parquet or jsonl"


@dataclass(frozen=True, slots=True)
class Members:
    """Decodes the files of a tar's record by their extensions, as those of a directory are."""

    data_type: Any  # as StreamingDataset takes it

    def __call__(self, record: Mapping[str, Any]) -> dict[str, Any]:
        name = record[ID]
        return {
            extension: content if extension == ID else self._of(extension)(Encoded(content, _url(name, extension)))
            for extension, content in record.items()
        }

    def _of(self, extension: str) -> Decoder:
        wanted = self.data_type.get(extension) if isinstance(self.data_type, Mapping) else self.data_type
        return chosen_decoders([extension], wanted)[extension]


@dataclass(frozen=True, slots=True)
class RecordOf:
    """Gives one record of a chunk, or an iterator of all where a row is a chunk."""

    spec: StreamSpec
    members: Members | None = None
    max_decoded_bytes: int = _MAX_DECODED_BYTES

    def __call__(self, packed: Packed) -> Record:
        decoder = RecordDecoder(self.spec, self.max_decoded_bytes)
        if packed.record is None:
            return self._all(packed, decoder)
        held = packed.held
        with held.lock:  # or else another thread would open what this one has let go of
            if held.opened is None:
                held.opened = self._opened(packed, decoder)
            found = held.opened.at(packed.record)
            if held.opened.is_read:
                held.content = b""  # what is made of it is there
            taken_bytes = held.opened.held_bytes + len(packed.content)
        held.resize(taken_bytes)
        return found if self.members is None else self.members(found)

    def _all(self, packed: Packed, decoder: RecordDecoder) -> Iterator[Record]:
        for record in decoder.records(packed.content, packed.chunk, packed.url):
            yield record if self.members is None else self.members(record)

    def _opened(self, packed: Packed, decoder: RecordDecoder) -> ChunkRecords | RawRecords:
        name, said = decoder.name_of(packed.chunk), self.spec.conventions
        if decoder.record_bytes is not None:
            whole = unfolded(packed.content, said.compression, self.max_decoded_bytes).read()
            return RawRecords(whole, said, packed.records, name)
        lines = lines_of(decoder.encoding, packed.content, said.compression, self.max_decoded_bytes)
        if lines is not None:
            return ChunkRecords(lines.pieces, packed.records, name, lines.finish)
        return ChunkRecords(decoder.records(packed.content, packed.chunk, packed.url), packed.records, name)


@dataclass(frozen=True, slots=True)
class WholeChunk:
    """Decodes a chunk that is one record."""

    decoder: Decoder
    compression: Compression | None
    max_decoded_bytes: int = _MAX_DECODED_BYTES

    def __call__(self, packed: Packed) -> Any:  # noqa: ANN401 - what the decoder gives
        content = packed.content
        if self.compression is not None:
            content = unfolded(content, self.compression, self.max_decoded_bytes).read()
        value = self.decoder(Encoded(content, packed.url))
        return iter([value]) if packed.record is None else value

    def blank(self) -> Any:  # noqa: ANN401 - as above
        return self.decoder.blank() if hasattr(self.decoder, "blank") else None


def decoders_of(
    specs: Sequence[StreamSpec],
    data_type: Any,  # noqa: ANN401 - see Members
    max_decoded_bytes: int = _MAX_DECODED_BYTES,
) -> dict[str, RecordOf | WholeChunk]:
    """Return what makes the column of each stream; raises InvalidArgument, RecordsUnusable, ExtraMissing.

    `data_type` says what files are: chunks that are one record, entries of tars. All else the streams' headers say;
    "bytes", by which files are not decoded, leaves that as it is.
    """
    encodings = {spec.name: RecordDecoder(spec, max_decoded_bytes) for spec in specs}
    files = [name for name, decoder in encodings.items() if decoder.is_whole]
    has_tar = any(decoder.encoding == "tar" for decoder in encodings.values())
    _check(data_type, files, has_tar=has_tar)
    members = Members(data_type)
    made: dict[str, RecordOf | WholeChunk] = {}
    for spec in specs:
        encoding = encodings[spec.name].encoding
        if spec.name not in files:
            made[spec.name] = RecordOf(spec, members if encoding == "tar" else None, max_decoded_bytes)
            continue
        wanted = data_type.get(spec.name) if isinstance(data_type, Mapping) else data_type
        kind: Any = encoding if encoding in WHOLE and wanted in (None, "auto") else wanted
        chosen = chosen_decoders([spec.name], kind, {spec.name: list(spec.content[:_LOOKED_AT])})
        made[spec.name] = WholeChunk(chosen[spec.name], spec.conventions.compression, max_decoded_bytes)
    return made


def _check(data_type: Any, files: Sequence[str], *, has_tar: bool) -> None:  # noqa: ANN401 - as above
    if isinstance(data_type, Mapping):
        unknown = [column for column in data_type if column not in files]
        if unknown and not has_tar:
            expected = f"streams whose chunks are files, of which the headers say nothing else; {_OTHERWISE}"
            raise InvalidArgument("data_type", f"{{{unknown[0]!r}: …}}", expected)
        chosen_decoders(list(data_type), data_type)
    elif data_type not in (None, "auto", "bytes") and not files and not has_tar:
        expected = f"None: the headers of the streams say what their records are; {_OTHERWISE}"
        raise InvalidArgument("data_type", shortened(repr(data_type), _SHOWN), expected)
    else:
        chosen_decoders(["file"], data_type)


def _url(name: str, extension: str) -> str:
    return name if extension == NO_EXTENSION else f"{name}.{extension}"
