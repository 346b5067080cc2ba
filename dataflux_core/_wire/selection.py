"""Translate a selection into what the service is asked or what is left out of its answer."""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from dataflux_core._plan.selection import Selection

_BEYOND_ALL_TIMES = "~"


class Judged(Protocol):
    """What an item is judged by."""

    size: int
    updated: str  # RFC 3339 in UTC


J = TypeVar("J", bound=Judged)


def query_of(selection: Selection) -> Iterator[tuple[str, str]]:
    """Yield the parameters of objects.list that say the same; offsets travel with each span."""
    if selection.match_glob:
        yield "matchGlob", selection.match_glob
    if selection.versions:
        yield "versions", "true"
    if selection.soft_deleted:
        yield "softDeleted", "true"


def chosen(selection: Selection, items: Sequence[J]) -> Sequence[J]:
    """Leave out objects of other sizes, last changed at other times."""
    if selection.min_bytes is not None:
        items = [item for item in items if item.size >= selection.min_bytes]
    if selection.max_bytes is not None:
        items = [item for item in items if item.size <= selection.max_bytes]
    if selection.judges_times:
        begin = "" if selection.updated_from is None else sortable(selection.updated_from)
        end = _BEYOND_ALL_TIMES if selection.updated_before is None else sortable(selection.updated_before)
        items = [item for item in items if begin <= item.updated.removesuffix("Z") < end]
    return items


def sortable(moment: datetime) -> str:
    """Write a time so that it sorts among the service's own, less their "Z", as times do.

    The service writes milliseconds, or none: with no zero at the end of the fraction here, any number of digits there
    compares as the fraction does.
    """
    text = moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat()
    return text.rstrip("0") if "." in text else text
