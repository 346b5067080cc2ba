"""Choose a decoder for each column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dataflux_core._data.samples.audio import Audio
from dataflux_core._data.samples.image import Image
from dataflux_core._data.samples.kinds import Kind, extension_of, kind_of_content, kind_of_extension
from dataflux_core._data.samples.npy import Npy
from dataflux_core._data.samples.plain import Bytes, Json, Text
from dataflux_core._data.samples.video import Video
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from dataflux_core._data.samples.encoded import Decoder, Encoded

KindOrAuto: TypeAlias = Kind | Literal["auto"]

_MAKERS: dict[str, Callable[[], Any]] = {
    "image": Image,
    "video": Video,
    "audio": Audio,
    "text": Text,
    "json": Json,
    "npy": Npy,
    "bytes": Bytes,
}


@dataclass(frozen=True, slots=True)
class Auto:
    """Decode each sample by the extension of its URL; where that has none, by what its first bytes are.

    Text, JSON and arrays are told by extension alone; an extension that is not known gives bytes.
    """

    def __call__(self, encoded: Encoded) -> Any:  # noqa: ANN401 - what it gives is what the file is
        kind = kind_of_extension(extension_of(encoded.url)) or kind_of_content(encoded.content)
        return _usual(kind)(encoded)


@cache
def _usual(kind: Kind) -> Decoder:
    decoder: Decoder = _MAKERS[kind]()
    return decoder


def chosen_decoders(
    columns: Sequence[str],
    data_type: KindOrAuto | Decoder | Mapping[str, KindOrAuto | Decoder] | None = None,
    urls: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Decoder]:
    """Return a decoder for each column: one kind or decoder for all, or some by name and the rest by extension.

    `urls` are some of a column's. They say which extras will be needed: ExtraMissing is raised here for one that is
    missing, not amid an epoch. InvalidArgument names what is no kind, no decoder, no loaded column.
    """
    if not isinstance(data_type, Mapping):
        return {column: _decoder(data_type, column, urls) for column in columns}
    unknown = [column for column in data_type if column not in columns]
    if unknown:
        raise InvalidArgument("data_type", f"{{{unknown[0]!r}: …}}", f"columns that are loaded: {', '.join(columns)}")
    return {column: _decoder(data_type.get(column), column, urls) for column in columns}


def _decoder(wanted: KindOrAuto | Decoder | None, column: str, urls: Mapping[str, Sequence[str]] | None) -> Decoder:
    if wanted is None or wanted == "auto":
        for kind in {kind_of_extension(extension_of(url)) for url in (urls or {}).get(column, ())} - {None}:
            _usual(kind)
        return Auto()
    if isinstance(wanted, str):
        if wanted not in _MAKERS:
            raise InvalidArgument("data_type", repr(wanted), f"{', '.join(_MAKERS)}, auto, or a decoder")
        return _usual(wanted)
    if isinstance(wanted, type) or not callable(wanted):
        advice = f"an instance of it, {wanted.__name__}(…)" if isinstance(wanted, type) else "a function of Encoded"
        raise InvalidArgument("data_type", f"{wanted!r} for column {column!r}", advice)
    return wanted
