"""Write the chunks that samples are packed into, the same bytes for the same samples."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias, cast, get_args

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq

from dataflux_core._data.flare.sample_reading import content_of, opened
from dataflux_core._plan.sample_names import ID
from dataflux_core._plan.text import human_bytes
from dataflux_core._wire.objects import crc32c_text
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from dataflux_core._data.flare.arrays import ArrayKind
    from dataflux_core._data.flare.gathering import Sample, SampleFile
    from dataflux_core._wire.flare.conventions import Compression

Format: TypeAlias = Literal["tar", "jsonl", "npy", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

_MODE = 0o644
_GROUP_BYTES = 16 * 1024**2  # of a row group: what a reader decodes for one row
_MAX_VALUE_BYTES = 1024**3  # of a page of Parquet, whose length is a signed number of 32 bits
_GZIP_LEVEL = 6


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How each chunk of a stream is written."""

    format: Format
    extensions: tuple[str, ...]  # of the files that go into it
    compression: Compression | None = None  # of the chunk as a whole
    arrays: ArrayKind | None = None  # what the records of npy are


@dataclass(frozen=True, slots=True)
class ChunkFacts:
    """What a playlist says of a chunk."""

    size: int  # bytes
    sha256: str
    crc32c: str
    records: int


def write_chunk(path: Path, samples: Sequence[Sample], plan: ChunkPlan) -> ChunkFacts:
    """Write one chunk; raises FileNotRead, ObjectChanged, IndexUnusable for a file that cannot be in it, OSError."""
    with path.open("wb") as file:
        summed = _Summed(file)
        with _compressed(summed, plan.compression) as out:
            _WRITERS[plan.format](out, [_narrowed(sample, plan.extensions) for sample in samples], plan)
    return ChunkFacts(summed.size, summed.sha256.hexdigest(), crc32c_text(summed.crc32c), len(samples))


class _Summed:
    """A file that is written from its start to its end, its checksums known as it grows."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.crc32c = 0

    def write(self, content: bytes) -> int:
        self._file.write(content)
        self.sha256.update(content)
        self.crc32c = google_crc32c.extend(self.crc32c, bytes(content))
        self.size += len(content)
        return len(content)

    def writelines(self, contents: Iterable[bytes]) -> None:
        for content in contents:
            self.write(content)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        """Leave that to the file: those who write through several layers flush at each."""

    def close(self) -> None:
        """Leave that to the caller, for the same reason."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


@contextmanager
def _compressed(summed: _Summed, compression: Compression | None) -> Iterator[BinaryIO]:
    if compression is None:
        yield cast("BinaryIO", summed)
    elif compression == "gzip":
        # Neither name nor time: they would differ from run to run.
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, cast("BinaryIO", summed), mtime=0) as out:
            yield cast("BinaryIO", out)
    else:
        with pa.CompressedOutputStream(pa.PythonFile(summed, "w"), compression) as out:
            yield out


def _narrowed(sample: Sample, extensions: Sequence[str]) -> Sample:
    return sample._replace(files=tuple(file for file in sample.files if file.extension in extensions))


def _write_tar(out: BinaryIO, samples: Sequence[Sample], plan: ChunkPlan) -> None:
    """Write the files under their names below the folder, those of a sample one after the other."""
    del plan
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for sample in samples:
            for file in sample.files:
                # All else stays as it is made: no owner, no time.
                member = tarfile.TarInfo(f"{sample.id}{file.suffix}")
                member.size, member.mode = file.size, _MODE
                with opened(file) as content:
                    archive.addfile(member, content)


def _write_jsonl(out: BinaryIO, samples: Sequence[Sample], plan: ChunkPlan) -> None:
    del plan
    for sample in samples:
        record = {ID: sample.id} | {file.extension: _text_of(file) for file in sample.files}
        out.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")


def _text_of(file: SampleFile) -> str:
    try:
        return content_of(file).decode()
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8, and JSON lines hold texts alone"
        raise IndexUnusable(file.path, problem, "pack into tar or parquet") from error


def _write_npy(out: BinaryIO, samples: Sequence[Sample], plan: ChunkPlan) -> None:
    if plan.arrays is None:
        raise TypeError("what the arrays are is known before any is packed")
    plan.arrays.write_header(out, len(samples))
    files = (file for sample in samples for file in sample.files)
    out.writelines(map(plan.arrays.numbers_of, files))


def _write_parquet(out: BinaryIO, samples: Sequence[Sample], plan: ChunkPlan) -> None:
    schema = pa.schema([(ID, pa.string()), *((extension, pa.binary()) for extension in plan.extensions)])
    # A dictionary would hold each file once more.
    with pq.ParquetWriter(out, schema, compression="zstd", use_dictionary=False) as writer:
        rows: list[dict[str, str | bytes]] = []
        size = 0
        for sample in samples:
            if rows and size + sample.size > _GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows, size = [], 0
            rows.append({ID: sample.id} | {file.extension: _value_of(file) for file in sample.files})
            size += sample.size
        writer.write_table(pa.Table.from_pylist(rows, schema))


def _value_of(file: SampleFile) -> bytes:
    if file.size > _MAX_VALUE_BYTES:
        problem = f"it has {human_bytes(file.size)}, a value of Parquet at most {human_bytes(_MAX_VALUE_BYTES)}"
        raise IndexUnusable(file.path, problem, "pack into tar")
    return content_of(file)


_WRITERS = {"tar": _write_tar, "jsonl": _write_jsonl, "npy": _write_npy, "parquet": _write_parquet}
