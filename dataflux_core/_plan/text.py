"""Write names, sizes, counts for a person."""

from __future__ import annotations

import re

# Control characters; what turns the direction of text or breaks a line. An object's name may hold any of them, so it
# could move the cursor, clear the screen or look like another name.
_UNSHOWABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_STEP = 1024


def shown(text: str) -> str:
    """Return `text` as a terminal may show it: with escapes in place of what would act on it."""
    return _UNSHOWABLE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def shortened(text: str, width: int) -> str:
    """Return `text` with its middle left out where it is longer than `width`."""
    if len(text) <= width:
        return text
    half = (width - 1) // 2
    return f"{text[: width - 1 - half]}…{text[len(text) - half :]}"


def human_bytes(size: float) -> str:
    """Return a size as a person reads it: 0 B, 17.2 KiB, 3.0 GiB."""
    for unit in _UNITS[:-1]:
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} {_UNITS[-1]}"


def counted(count: int, noun: str) -> str:
    """Return "1 file", "2 files", "1,000 files"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
