"""Show on a terminal how many bytes are done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def bytes_bar(what: str, *, wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give what is to be told the bytes done and the bytes of all; None where no bar is wanted."""
    if not wanted:
        yield None
        return
    from tqdm import tqdm  # noqa: PLC0415 - slow import, for terminals alone

    with tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1024, leave=False) as bar:

        def observe(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield observe


@contextmanager
def copies_bar(what: str, total: int, *, wanted: bool) -> Iterator[Callable[[int], None] | None]:
    """Give what is to be told how many copies are done; None where no bar is wanted."""
    if not wanted:
        yield None
        return
    from tqdm import tqdm  # noqa: PLC0415 - slow import, for terminals alone

    with tqdm(desc=what, total=total, unit=" chunks", leave=False) as bar:
        yield lambda done: bar.update(done - bar.n)
