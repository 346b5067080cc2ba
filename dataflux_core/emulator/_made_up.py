"""Serve the objects of a synthetic namespace without storing them."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

import google_crc32c

from dataflux_core.emulator._objects import StoredObject, checksum

if TYPE_CHECKING:
    from dataflux_core.emulator._http import Pieces
    from dataflux_core.emulator._synthetic import Synthetic

GENERATION = 1_700_000_000_000_000
REMEMBERED = 16_384  # objects whose headers are ready for the next read, about 30 MB


class MadeUpContent:
    """Bytes that follow from a name."""

    __slots__ = ("_crc32c", "_name", "_synthetic")

    def __init__(self, synthetic: Synthetic, name: str) -> None:
        self._synthetic = synthetic
        self._name = name
        self._crc32c: int | None = None

    def span(self, start: int, stop: int) -> Pieces:
        return self._synthetic.content_pieces(self._name, start, stop)

    def pieces(self) -> Pieces:
        return self._synthetic.content_pieces(self._name, 0, self._synthetic.size(self._name))

    def read(self) -> bytes:
        return self._synthetic.content(self._name)

    def crc32c(self) -> int:
        if self._crc32c is None:
            self._crc32c = checksum(self.pieces())
        return self._crc32c

    def md5(self) -> bytes | None:
        # A page of full resources would spend ten times as long here as on everything else. Composed objects have no
        # digest either, so clients must do without.
        return None


class MadeUpObjects:
    """A synthetic namespace as the base of a bucket."""

    def __init__(self, synthetic: Synthetic) -> None:
        self._synthetic = synthetic
        self._varies = not isinstance(synthetic.object_bytes, int)
        # Names are written between quotes as they are, so a prefix that needs escaping takes the slow way.
        self._plain = json.dumps(synthetic.prefix, ensure_ascii=False) == f'"{synthetic.prefix}"'
        self._settings = {} if synthetic.storage_class == "STANDARD" else {"storageClass": synthetic.storage_class}
        self.get = lru_cache(maxsize=REMEMBERED)(self._find)

    @property
    def columns(self) -> MadeUpObjects | None:
        """Itself, if its names can be written as they are."""
        return self if self._plain else None

    def listed(self, name: str) -> StoredObject:
        return self.sample(name)

    def take(self, start: str, end: str | None, limit: int) -> list[str]:
        first = self._synthetic.rank(start) if start else 0
        last = first + limit
        if end is not None:
            last = min(last, self._synthetic.rank(end))
        return self._synthetic.names(first, last)

    def sample(self, name: str) -> StoredObject:
        return StoredObject(
            name=name,
            size=self._synthetic.size(name),
            generation=GENERATION,
            content=MadeUpContent(self._synthetic, name),
            created_us=GENERATION,
            updated_us=GENERATION,
            settings=self._settings,
        )

    def column(self, attribute: str, names: list[str]) -> list[str] | None:
        if attribute == "name":
            return names
        if attribute == "quoted":
            return [quote(name, safe="") for name in names]
        if attribute == "crc32c":
            content = self._synthetic.content
            sums = [google_crc32c.value(content(name)) for name in names]
            return [base64.b64encode(value.to_bytes(4, "big")).decode() for value in sums]
        if attribute == "size" and self._varies:
            return [str(self._synthetic.size(name)) for name in names]
        return None

    def _find(self, name: str) -> StoredObject | None:
        return self.sample(name) if self._synthetic.holds(name) else None
