"""Subtract the covered part of a namespace from what is to be listed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from dataflux_core._plan.listing import KeyRange

if TYPE_CHECKING:
    from collections.abc import Iterable


def remaining(wanted: Iterable[KeyRange], covered: Iterable[KeyRange]) -> list[KeyRange]:
    """Return what of the `wanted` ranges no `covered` one holds, in order; wanted ranges stay apart from each other."""
    return common_parts(wanted, _gaps(covered))


def common_parts(ranges: Iterable[KeyRange], others: Iterable[KeyRange]) -> list[KeyRange]:
    """Return the part that each of the `ranges` shares with each of the `others`, in order, where there is one.

    The others are disjoint, so that of thousands only those are looked at that a range reaches into.
    """
    others = sorted(others, key=_start)
    starts = [other.start for other in others]
    ends = [other.end for other in others if other.end is not None]  # the last one alone may have none
    parts: list[KeyRange] = []
    for one in sorted(ranges, key=_start):
        first = bisect_right(ends, one.start)
        last = len(others) if one.end is None else bisect_left(starts, one.end)
        parts.extend(_common(one, other) for other in others[first:last])
    return [part for part in parts if not _is_empty(part)]


def between_cuts(cuts: Iterable[str]) -> list[KeyRange]:
    """Return the ranges that some names cut the whole namespace into."""
    bounds = sorted({cut for cut in cuts if cut})
    return [KeyRange(start, end) for start, end in zip(["", *bounds], [*bounds, None], strict=True)]


def _gaps(covered: Iterable[KeyRange]) -> list[KeyRange]:
    """Return the largest ranges without a covered name, in order."""
    gaps: list[KeyRange] = []
    reached: str | None = ""
    for key_range in sorted((one for one in covered if not _is_empty(one)), key=_start):
        if reached is None:
            return gaps
        if reached < key_range.start:
            gaps.append(KeyRange(reached, key_range.start))
        if key_range.end is None or reached < key_range.end:
            reached = key_range.end
    return gaps if reached is None else [*gaps, KeyRange(reached, None)]


def _common(one: KeyRange, other: KeyRange) -> KeyRange:
    ends = [end for end in (one.end, other.end) if end is not None]
    return KeyRange(max(one.start, other.start), min(ends, default=None))


def _is_empty(key_range: KeyRange) -> bool:
    return key_range.end is not None and key_range.end <= key_range.start


def _start(key_range: KeyRange) -> str:
    return key_range.start
