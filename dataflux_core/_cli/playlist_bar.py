"""Show on a terminal how far a command has come with a playlist."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dataflux_core._run.terminal import bar_size

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNITS: dict[str, dict[str, Any]] = {
    "bytes": {"unit": "iB", "unit_scale": True, "unit_divisor": 1024},  # as summaries and other bars count them
    "chunks": {"unit": " chunks"},
}


class Observer(Protocol):
    """Is told how many are done, of how many; 0 of these leaves what was said before."""

    def __call__(self, done: int, total: int = 0, /) -> None: ...


@contextmanager
def progress_bar(
    what: str, unit: Literal["bytes", "chunks"], total: int = 0, *, wanted: bool
) -> Iterator[Observer | None]:
    """Give an observer that draws a bar; None where no bar is wanted."""
    if not wanted:
        yield None
        return
    from tqdm import tqdm  # noqa: PLC0415 - slow import, for terminals alone

    with tqdm(desc=what, total=total or None, leave=False, **_UNITS[unit], **bar_size()) as bar:

        def observe(done: int, total: int = 0, /) -> None:
            bar.total = total or bar.total
            bar.update(done - bar.n)

        yield observe
