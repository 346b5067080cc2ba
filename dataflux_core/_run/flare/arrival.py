"""Pass on the beginning of a chunk while its rest is on the way."""

from __future__ import annotations

from queue import SimpleQueue
from typing import TYPE_CHECKING

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._wire.message import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core._run.flare.errands import Flight

_MOST_WAITING_PIECES = 1024  # of 16 kB: who is so far behind can as well take the whole when it is there
_OK_LINES = (b"HTTP/1.1 200", b"HTTP/1.0 200")


class Arrival:
    """Takes pieces from the thread that receives, for the one thread that waits for the chunk.

    All are of one answer, which says that it is the whole chunk. What comes of that answer is not known yet: whoever
    takes pieces must compare them with the whole in the end, which may have come from another host.
    """

    def __init__(self) -> None:
        self.total = UNKNOWN_SIZE  # bytes, once there is a piece
        self._pieces: SimpleQueue[bytes] = SimpleQueue()
        self._next: bytes | None = None  # taken already
        self._source: Flight | None = None
        self._is_over = False

    def listener(self, flight: Flight) -> Callable[[list[bytes], bytes], None]:
        """Return what hears of each piece of an answer, with the lines of its head."""

        def hear(head: list[bytes], piece: bytes) -> None:
            if self._is_over:
                return
            if self._source is None and (total := _whole_bytes(flight, head)):
                self._source, self.total = flight, total
            if flight is self._source:
                self._pieces.put(piece)
                if self._pieces.qsize() >= _MOST_WAITING_PIECES:
                    self.end()

        return hear

    def end(self, _: object = None) -> None:
        """Pass on no more."""
        self._is_over = True
        self._source = None  # which knows the chunk
        self._pieces.put(b"")

    def has_begun(self) -> bool:
        """Wait for the first piece; False where none comes before the chunk is there, or is not to come."""
        if self._next is None:
            self._next = self._pieces.get()
        return bool(self._next)

    def next(self) -> bytes:
        """Wait for the next piece; behind the last one all are empty."""
        piece = self._pieces.get() if self._next is None else self._next
        self._next = None if piece else piece
        return piece


def _whole_bytes(flight: Flight, head: list[bytes]) -> int:
    """Return how many bytes are announced, 0 where these are not those of the chunk as it is."""
    if not head or not head[0].startswith(_OK_LINES):
        return 0
    said, wanted = Answer(0, tuple(head), b""), flight.wanted
    size = said.said_bytes
    if said.header(b"content-encoding").lower() not in {"", "identity"} or size == UNKNOWN_SIZE:
        return 0
    is_meant = size <= wanted.max_bytes if wanted.size == UNKNOWN_SIZE else size == wanted.size
    return size if is_meant else 0
