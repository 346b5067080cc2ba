"""Name the files that lie beside others only while a download is at work."""

from __future__ import annotations

import re

_HEX = r"[0-9a-f]{16}"
_LOCK = re.compile(rf"\.dataflux-({_HEX})\.lock")
# Of any case: a file system may take one for the other.
_OWN = re.compile(rf"\.dataflux-{_HEX}(?:-[0-9]+)?\.(?:lock|part)", re.IGNORECASE)


def lock_name(token: str) -> str:
    """Name the file that lists where a process writes; `token` is 16 hexadecimal digits."""
    return f".dataflux-{token}.lock"


def token_of_lock(name: str) -> str | None:
    """Return the token of such a file, None for any other."""
    found = _LOCK.fullmatch(name)
    return found and found.group(1)


def aside_name(token: str, number: int) -> str:
    """Name a file that is not whole."""
    return f".dataflux-{token}-{number}.part"


def is_aside(name: str, token: str) -> bool:
    """Tell whether that is the name of a file that the process of a token has not finished."""
    return name.startswith(f".dataflux-{token}-") and is_own(name)


def is_own(name: str) -> bool:
    """Tell whether a file of that name could be taken for one that a killed download has left, then removed."""
    return _OWN.fullmatch(name) is not None
