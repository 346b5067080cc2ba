"""Shape the items of a page after the fields that are wanted of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from dataflux_core._wire.page import FLAG_FIELDS, NUMBER_FIELDS, SERVICE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

_encode_sorted = msgspec.json.Encoder(order="sorted").encode  # the service may give keys in any order


@lru_cache(maxsize=32)
def item_type(fields: tuple[str, ...], classes: tuple[str, ...] | None = None) -> type[msgspec.Struct]:
    """Make the struct of an item: name, storage class, size, then the optional fields by the service's names.

    With `classes`, an item of another storage class is refused, so that none has to be looked at once more.
    """
    storage_class: Any = ("storageClass", str, "") if classes is None else ("storageClass", Literal[classes])
    members: dict[str, tuple[Any, Any]] = {"size": (int, 0)}
    members |= {SERVICE_NAMES[field]: _type_of(field) for field in fields if field != "storage_class"}
    wanted = [(name, kind, default) for name, (kind, default) in members.items()]
    # A dict of strings cannot be part of a cycle either, so the collector need not know.
    return msgspec.defstruct("item", [("name", str), storage_class, *wanted], gc=False)


def _type_of(field: str) -> tuple[Any, Any]:
    if field == "metadata":
        return dict[str, str], msgspec.field(default_factory=dict)
    if field in FLAG_FIELDS:
        return bool, False
    return (int, 0) if field in NUMBER_FIELDS else (str, "")


def values_of(items: Sequence[Any], field: str) -> list[Any]:
    """Return the column of one optional field; custom metadata becomes a JSON object, "" where there is none."""
    name = SERVICE_NAMES[field]
    values = [getattr(item, name) for item in items]
    if field == "metadata":
        return [_encode_sorted(value).decode() if value else "" for value in values]
    return values
