"""Shape the items of a page after the fields that are wanted of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dataflux_core._wire.page import FLAG_FIELDS, NUMBER_FIELDS, SERVICE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

_encode_sorted = msgspec.json.Encoder(order="sorted").encode  # the service may give keys in any order


# What each object has: https://cloud.google.com/storage/docs/json_api/v1/objects#resource
_SENT_ALWAYS = frozenset(
    {"name", "size", "storageClass", "generation", "metageneration", "updated", "timeCreated", "etag"}
)


@lru_cache(maxsize=32)
def item_type(asked: tuple[str, ...], classes: tuple[str, ...] | None = None) -> type[msgspec.Struct]:
    """Make the struct of an item, with what the service was asked for by its own names.

    An item without what each object has is refused: it was damaged on its way, and no default may hide that. With
    `classes`, an item of another storage class is refused too, so that none has to be looked at once more.
    """
    members: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name in asked:
        kind, default = _type_of(name)
        if name == "storageClass" and classes is not None:
            kind = Literal[classes]
        members.append((name, kind) if name in _SENT_ALWAYS else (name, kind, default))
    # A dict of strings cannot be part of a cycle either, so the collector need not know.
    return msgspec.defstruct("item", members, kw_only=True, gc=False)


def _type_of(name: str) -> tuple[Any, Any]:
    """Return the type of what the service sends by this name, with what stands for its absence."""
    if name == "metadata":
        return dict[str, str], msgspec.field(default_factory=dict)
    if name in FLAG_FIELDS.values():
        return bool, False
    return (int, 0) if name == "size" or name in NUMBER_FIELDS.values() else (str, "")


def values_of(items: Sequence[Any], field: str) -> list[Any]:
    """Return the column of one optional field; custom metadata becomes a JSON object, "" where there is none."""
    name = SERVICE_NAMES[field]
    values = [getattr(item, name) for item in items]
    if field == "metadata":
        return [_encode_sorted(value).decode() if value else "" for value in values]
    return values
