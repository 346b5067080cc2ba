"""Say what the headers of a stream mean, where they follow our conventions."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._wire.flare.building import Value

Encoding: TypeAlias = Literal[
    "raw", "text", "jsonl", "csv", "parquet", "arrow", "npy", "npz", "image", "audio", "video", "tar"
]
Compression: TypeAlias = Literal["gzip", "zstd"]

ENCODINGS: tuple[str, ...] = get_args(Encoding)
COMPRESSIONS: tuple[str, ...] = get_args(Compression)
ITEM_BYTES = {
    "bool": 1,
    **{f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": bits // 8 for bits in (16, 32, 64)},
    "bfloat16": 2,
    "complex64": 8,
    "complex128": 16,
}  # little-endian in raw chunks


@dataclass(frozen=True, slots=True)
class Conventions:
    """What the headers of one stream say; None, or nothing, where they do not say it.

    Columns are parallel to the stream's content: a value for each chunk.
    """

    description: str = ""
    license: str = ""  # an SPDX identifier or a URL
    encoding: Encoding | None = None  # of what a chunk holds once it is decompressed
    compression: Compression | None = None  # of each chunk as a whole
    dtype: str = ""  # of a raw chunk's numbers, little-endian: a key of ITEM_BYTES
    shape: tuple[int, ...] | None = None  # of one record; () is a single number
    records: Sequence[int] | None = None  # per chunk
    sizes: Sequence[int] | None = None  # bytes per chunk, as they are sent
    sha256: Sequence[str] | None = (
        None  # per chunk, of the bytes as they are sent: 64 hexadecimal digits, in lower case
    )
    crc32c: Sequence[str] | None = None  # per chunk: base64 of the big-endian checksum, as Cloud Storage writes it
    mirrors: tuple[str, ...] = ()  # URLs that end in "/": each takes the place of what all chunk URLs begin with
    key: str = ""  # streams of the same key describe the same records, in the same order

    @property
    def record_bytes(self) -> int | None:
        """How many bytes one record of a raw stream has, None where that is not known."""
        if not self.dtype or self.shape is None:
            return None
        return ITEM_BYTES[self.dtype] * math.prod(self.shape)

    def headers(self) -> dict[str, Value]:
        """Return the headers that say this, in the order of the conventions."""
        said: dict[str, Value] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value or (value is not None and not isinstance(value, str) and field.name != "mirrors"):
                said[field.name] = value if isinstance(value, str) else list(value)
        return said


NAMES = frozenset(field.name for field in fields(Conventions))


def base_of(urls: Sequence[str]) -> str:
    """Return the directory that all of these URLs share, which a mirror takes the place of; "" where there is none."""
    if not urls:
        return ""
    first, last = min(urls), max(urls)  # between these two all others lie, so they share the least
    pairs = enumerate(zip(first, last, strict=False))
    shared = next((length for length, (one, other) in pairs if one != other), min(len(first), len(last)))
    base = first[: first.rfind("/", 0, shared) + 1]
    return base if base.count("/") >= len("///") else ""


def mirrored(url: str, base: str, mirror: str) -> str:
    """Return where a mirror has what `url` names."""
    return mirror + url[len(base) :]
