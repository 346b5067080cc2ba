"""See the blobs of any client as the items of a page."""

from __future__ import annotations

import inspect
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dataflux_core._wire.page import NUMBER_FIELDS, SERVICE_NAMES
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._plan.selection import Selection

# Blobs say in Python's spelling what the service says in its own, as our fields do, with one exception.
_ATTRIBUTES = {theirs: ours for ours, theirs in SERVICE_NAMES.items()} | {"md5Hash": "md5_hash"}
_NUMBERS = frozenset(NUMBER_FIELDS.values())


class BlobItem:
    """A blob, real or fake, as the item of a page; what a fake lacks is taken to be ordinary."""

    __slots__ = ("_blob", "name", "size", "storageClass")

    def __init__(self, blob: Any) -> None:  # noqa: ANN401 - a blob or a fake of one
        self._blob = blob
        self.name: str = blob.name
        self.size = int(blob.size or 0)
        self.storageClass: str = getattr(blob, "storage_class", None) or "STANDARD"

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - blobs are untyped
        value = getattr(self._blob, _ATTRIBUTES[name], None)
        if isinstance(value, datetime):
            return _rfc_3339(value)
        return value or (0 if name in _NUMBERS else "")


def _rfc_3339(moment: datetime) -> str:
    """Write a time as the service does, in milliseconds; finer where a fake has finer ones."""
    aware = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    exactness = "microseconds" if aware.microsecond % 1000 else "milliseconds"
    return aware.replace(tzinfo=None).isoformat(timespec=exactness) + "Z"


def list_arguments(selection: Selection, list_blobs: Any) -> dict[str, Any]:  # noqa: ANN401 - a fake's method
    """Return what `list_blobs` is told of a selection; raises InvalidArgument where it cannot be told."""
    wanted = {
        argument: value
        for argument in ("match_glob", "versions", "soft_deleted")
        if (value := getattr(selection, argument))
    }
    parameters = inspect.signature(list_blobs).parameters if wanted else {}
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return wanted
    for argument, value in wanted.items():
        if argument not in parameters:
            raise InvalidArgument(argument, repr(value), "a client whose list_blobs takes this argument")
    return wanted


def check_times(selection: Selection, items: Sequence[BlobItem]) -> None:
    """Raise InvalidArgument where objects are to be judged by times that their blobs do not have."""
    if not selection.judges_times or all(item.updated for item in items):
        return
    argument = "updated_before" if selection.updated_from is None else "updated_from"
    raise InvalidArgument(argument, repr(getattr(selection, argument)), "a client whose blobs have `updated`")
