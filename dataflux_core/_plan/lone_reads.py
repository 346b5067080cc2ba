"""Decide when a part may be read of which the whole chunk may come."""

from __future__ import annotations


class LoneReads:
    """Knows the hosts that send whole chunks for parts, with what is under way there.

    Of each of them one chunk is received at a time: a slow one holds up no other host. Of all together it is no more
    than `most_bytes`, unless a single one is larger.
    """

    def __init__(self, most_bytes: int) -> None:
        self.hosts: set[str] = set()
        self._most_bytes = most_bytes
        self._sizes: dict[str, int] = {}  # of what is under way, by host

    def has_room(self, host: str, size: int) -> bool:
        """Tell whether up to `size` bytes may be received from a host now."""
        if not self._sizes:
            return True
        return host not in self._sizes and sum(self._sizes.values()) + size <= self._most_bytes

    def began(self, host: str, size: int) -> None:
        """Learn of a read for which there was room."""
        self._sizes[host] = size

    def ended(self, host: str) -> None:
        """Learn that it is over, however it ended."""
        self._sizes.pop(host, None)
