"""Await many reads, a number of them at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

K = TypeVar("K")
T = TypeVar("T")


async def read_many(read: Callable[[K], Awaitable[T]], wanted: Sequence[K], *, at_once: int) -> list[T]:
    """Return what was read, in the order asked for.

    A few workers that take the next are cheaper than a task for each object, most of which would wait.
    """
    found: dict[int, T] = {}
    left = iter(enumerate(wanted))

    async def work() -> None:
        for position, one in left:
            found[position] = await read(one)

    await asyncio.gather(*(work() for _ in range(min(at_once, len(wanted)))))
    return [found[position] for position in range(len(wanted))]
