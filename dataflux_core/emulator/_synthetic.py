"""Stand in for a large bucket whose names, sizes, bytes follow from arithmetic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, get_args
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._shapes import Shape

ShapeName = Literal["sequential", "unpadded", "uuids", "imagenet", "hive", "skewed", "deep", "unicode", "mixed"]
SHAPE_NAMES: tuple[ShapeName, ...] = get_args(ShapeName)

BLOCK_BYTES = 1 << 20  # small enough to stay in the cache of a core


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A bucket of `count` made-up objects; the same arguments always give the same names, sizes, bytes.

    `object_bytes` is the size of every object, or a pair (low, high) between which the size of each follows from its
    name. Nothing is stored, so 20 million objects take no more memory than one. The methods need no server.
    """

    shape: ShapeName
    count: int
    object_bytes: int | tuple[int, int] = 10_000
    prefix: str = ""
    storage_class: str = "STANDARD"
    permissions: frozenset[str] | None = None
    resource: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.shape not in SHAPE_NAMES:
            raise ValueError(f"unknown shape {self.shape!r}; there are {', '.join(SHAPE_NAMES)}")
        if self.count < 0:
            raise ValueError(f"count must not be negative, it is {self.count}")

    def __len__(self) -> int:
        return self.count

    def names(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Give the names at positions [start, stop) in the order of a listing."""
        return self._names().names(start, self.count if stop is None else stop)

    def name_at(self, position: int) -> str:
        """Give the name at one position."""
        if not 0 <= position < self.count:
            raise IndexError(f"position {position} is outside 0 to {self.count - 1}")
        return self._names().names(position, position + 1)[0]

    def rank(self, name: str) -> int:
        """Give the first position whose name is not below the given one."""
        return self._names().rank(name)

    def holds(self, name: str) -> bool:
        """Say whether there is an object of this name."""
        return self._names().holds(name)

    def sizes(self, start: int = 0, stop: int | None = None) -> list[int]:
        """Give the sizes in bytes at positions [start, stop)."""
        if isinstance(self.object_bytes, int):
            last = self.count if stop is None else min(stop, self.count)
            return [self.object_bytes] * max(last - start, 0)
        return [self.size(name) for name in self.names(start, stop)]

    def size(self, name: str) -> int:
        """Give the size in bytes of the object with this name."""
        if isinstance(self.object_bytes, int):
            return self.object_bytes
        low, high = self.object_bytes
        return low + crc32(name.encode()) % (high - low + 1)

    def content(self, name: str) -> bytes:
        """Give the bytes of the object with this name."""
        return self.content_part(name, 0, self.size(name))

    def content_part(self, name: str, start: int, stop: int) -> bytes:
        """Give the bytes [start, stop) of the object with this name."""
        return b"".join(self.content_pieces(name, start, stop))

    def content_pieces(self, name: str, start: int, stop: int) -> tuple[memoryview, ...]:
        """Give the same bytes as parts of one block, which takes no memory."""
        block = _block()
        # Reversed, so that the offset does not follow from what already decides the size.
        at = (crc32(name.encode()[::-1]) + start) % BLOCK_BYTES
        end = at + stop - start
        if end <= BLOCK_BYTES:
            return (block[at:end],)
        turns, rest = divmod(end, BLOCK_BYTES)
        return (block[at:], *[block] * (turns - 1), *([block[:rest]] if rest else []))

    def _names(self) -> Shape:
        return _shape(self.shape, self.count, self.prefix)


@cache
def _block() -> memoryview:
    return memoryview(hashlib.shake_128(b"dataflux_core.emulator").digest(BLOCK_BYTES))


@lru_cache(maxsize=64)
def _shape(shape: str, count: int, prefix: str) -> Shape:
    # Imported here because its tables take longer to fill than the rest of the package to import.
    from dataflux_core.emulator._shapes import SHAPES, Segment, Segments  # noqa: PLC0415

    names = SHAPES[shape](count)
    return Segments([Segment(prefix, names)]) if prefix else names
