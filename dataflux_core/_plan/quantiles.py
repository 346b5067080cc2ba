"""Decide where a namespace that was listed before is cut, so that each part is a number of whole pages."""

from __future__ import annotations

_ROOM = 50  # of so many objects one more may have come before a part needs another page
_PARTS_PER_LISTER = 8  # more would make the plan slow, fewer would leave listers idle at the end


def cut_rows(objects: int, parallelism: int, *, page_objects: int) -> range:
    """Return the rows of a known listing at which the parts after the first begin.

    A part is listed by one lister, from the first round trip on. It is a page where there are few enough of them, so
    that nobody waits for anybody; one lister alone needs no cut to know its next page.
    """
    if parallelism == 1:
        return range(0)
    pages = -(-objects // page_objects)
    most = max(1, -(-pages // (_PARTS_PER_LISTER * parallelism))) * page_objects
    room = most // _ROOM
    step = max(1, most - room)
    return range(step, objects - room, step)
