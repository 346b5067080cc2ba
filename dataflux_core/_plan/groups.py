"""Decide which objects travel together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MAX_SOURCES = 32  # GCS refuses more per compose: https://cloud.google.com/storage/docs/composite-objects
_REQUEST_BYTES = 64 * 1024  # what a request costs beside its bytes, counted in bytes: about 100 µs of CPU


class Group(NamedTuple):
    """Neighbours in listing order, as a slice of the columns; one object is read directly, more are composed."""

    start: int
    stop: int
    size: int  # bytes of all of them

    @property
    def sources(self) -> int:
        return self.stop - self.start


def group_for_compose(sizes: Iterable[int], *, max_bytes: int, max_sources: int = MAX_SOURCES) -> Iterator[Group]:
    """Yield neighbours in listing order, each group within both limits; an oversize object goes alone.

    With `max_bytes` 0 every object goes alone, even an empty one: nothing is composed.
    """
    if max_bytes <= 0:
        max_sources = 1
    start = stop = total = 0
    for size in sizes:
        if stop > start and (stop - start >= max_sources or total + size > max_bytes):
            yield Group(start, stop, total)
            start, total = stop, 0
        stop += 1
        total += size
    if stop > start:
        yield Group(start, stop, total)


def share_groups(groups: Sequence[Group], *, shares: int) -> list[Sequence[Group]]:
    """Cut `groups` into at most `shares` runs of neighbours with about the same work in each; none is empty."""
    costs = [group.size + _REQUEST_BYTES for group in groups]
    target = sum(costs) / max(1, shares)
    found: list[Sequence[Group]] = []
    start = 0
    done = 0.0
    for stop, cost in enumerate(costs, 1):
        done += cost
        if done >= target * (len(found) + 1) and len(found) < shares - 1:
            found.append(groups[start:stop])
            start = stop
    if start < len(groups):
        found.append(groups[start:])
    return found
