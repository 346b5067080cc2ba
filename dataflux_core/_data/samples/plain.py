"""Decode what needs no library of media: bytes, text, JSON."""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from dataflux_core._data.samples.encoded import Encoded


@dataclass(frozen=True, slots=True)
class Bytes:
    """Give the bytes as they are."""

    def __call__(self, encoded: Encoded) -> bytes:
        return encoded.content

    def blank(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class Text:
    """Give a string; bytes that are none in `encoding` are an error."""

    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise InvalidArgument(
                "encoding", repr(self.encoding), "a name that Python's codecs know, as 'utf-8'"
            ) from None

    def __call__(self, encoded: Encoded) -> str:
        return encoded.content.decode(self.encoding)

    def blank(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Json:
    """Give what a JSON text holds: a dict, a list, a string, a number, a bool or None.

    NaN and Infinity are read, since Python's own json writes them.
    """

    def __call__(self, encoded: Encoded) -> Any:  # noqa: ANN401 - JSON is any of six types
        return json.loads(encoded.content)

    def blank(self) -> dict[str, Any]:
        return {}
