"""Check the options of decoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Collection

# What one column of one sample may become. A file of a few kilobytes can unfold to anything: a limit lets it fail as a
# bad sample, where the system would end the whole process for want of memory.
MAX_DECODED_BYTES = 2 * 1024**3
# Pillow warns from as many on; a picture of them takes 256 MiB.
MAX_PIXELS = 1024 * 1024 * 1024 // 4 // 3
_SIDES = 2


def at_least(argument: str, value: float, least: int) -> None:
    """Raise InvalidArgument unless a number is what it may be; a bool is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise InvalidArgument(argument, repr(value), f"a number of at least {least}")


def one_of(argument: str, value: str | None, choices: Collection[str | None]) -> None:
    if value not in choices:
        raise InvalidArgument(argument, repr(value), " or ".join(repr(choice) for choice in choices))


def height_and_width(size: tuple[int, int] | None) -> None:
    """Raise InvalidArgument unless `size` is None or two whole numbers above 0."""
    if size is None:
        return
    whole = isinstance(size, tuple) and len(size) == _SIDES and all(type(side) is int and side > 0 for side in size)
    if not whole:
        raise InvalidArgument("size", repr(size), "(height, width) in pixels, as (224, 224)")


def clip_bounds(clip_s: tuple[float, float | None] | None) -> None:
    """Raise InvalidArgument unless `clip_s` is None or a start and a later stop."""
    if clip_s is None:
        return
    expected = "(start, stop) in seconds, 0 <= start < stop; a stop of None is the end"
    if not isinstance(clip_s, tuple) or len(clip_s) != _SIDES:
        raise InvalidArgument("clip_s", repr(clip_s), expected)
    start_s, stop_s = clip_s
    numbers = [start_s] if stop_s is None else [start_s, stop_s]
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise InvalidArgument("clip_s", repr(clip_s), expected)
    if not 0 <= start_s < (float("inf") if stop_s is None else stop_s):
        raise InvalidArgument("clip_s", repr(clip_s), expected)
