"""Keep names in the order of their UTF-8 bytes."""

from __future__ import annotations

from bisect import bisect_left, insort

# Fewer new names than this are inserted one by one; more are sorted in at once, which timsort does in linear time.
FEW = 32

MAX_BYTES = 1024  # https://cloud.google.com/storage/docs/objects#naming
LAST = 0x10FFFF
FIRST_SURROGATE, AFTER_SURROGATES = 0xD800, 0xE000


class SortedNames:
    """A set of names that takes many insertions between listings.

    Python compares `str` by code point, which is the order of the UTF-8 bytes.
    """

    __slots__ = ("_fresh", "_sorted")

    def __init__(self) -> None:
        self._sorted: list[str] = []
        self._fresh: list[str] = []

    def add(self, name: str) -> None:
        """Add a name that is not there yet."""
        self._fresh.append(name)

    def remove(self, name: str) -> None:
        """Remove a name that is there."""
        names = self.settled()
        del names[bisect_left(names, name)]

    def settled(self) -> list[str]:
        """Give all names in order; the list is ours, not to be changed."""
        if self._fresh:
            if len(self._fresh) < FEW:
                for name in self._fresh:
                    insort(self._sorted, name)
            else:
                self._sorted.extend(self._fresh)
                self._sorted.sort()
            self._fresh = []
        return self._sorted


def part(names: list[str], start: str, end: str | None, limit: int) -> list[str]:
    """Give the first of sorted names in [start, end), at most `limit`."""
    first = bisect_left(names, start)
    last = first + limit
    if end is not None:
        last = min(last, bisect_left(names, end))
    return names[first:last]


def prefix_end(prefix: str) -> str | None:
    """Give the first string after every name with this prefix; None if there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at]) + 1
        if code == FIRST_SURROGATE:
            code = AFTER_SURROGATES
        if code <= LAST:
            return prefix[:at] + chr(code)
    return None


def name_fault(name: str) -> str | None:
    """Say why a name is not legal; None if it is."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= MAX_BYTES:
        return f"Object names have 1 to {MAX_BYTES} bytes of UTF-8, this one {size}."
    if "\r" in name or "\n" in name:
        return "Object names hold no carriage return or line feed."
    if name in {".", ".."} or name.startswith(".well-known/acme-challenge/"):
        return f"Disallowed object name: {name}"
    return None
