"""Read chunks of playlists for the rows of a window."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dataflux_core._run.fetching.stats import FetchStats
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from dataflux_core._data.epoch.window import Window
    from dataflux_core._data.flare.chunks import Chunks


@dataclass(slots=True, eq=False)
class Sent:
    """A chunk, or a part of one, that was sent for."""

    position: int  # in its window
    chunks: Chunks
    pending: Any  # what the room of playlists gives; None where it could not be sent for, or has been taken
    error: DatafluxError | None = None

    @property
    def future(self) -> Future[Any] | None:
        return None if self.pending is None else self.pending.future


class ChunkReads:
    """What several threads read of playlists, until it is closed."""

    def __init__(self) -> None:
        self._sent: dict[int, Sent] = {}  # under way, by their identity
        self._lock = threading.Lock()  # for counts; never taken to close
        self._is_closed = False
        self.stats = FetchStats()

    @property
    def heard(self) -> int:
        """A number that changes while chunks come."""
        return self.stats.objects + self.stats.errors

    def close(self) -> None:
        """End reads that are under way in other threads.

        The garbage collector may be who closes, anywhere: it takes no lock but those of futures, which are reentrant.
        """
        self._is_closed = True
        for sent in tuple(self._sent.values()):
            future = sent.future
            if future is not None:
                future.cancel()

    def send(self, window: Window, positions: Sequence[int]) -> list[Sent]:
        """Send for the chunks among some objects; all but the first one have to keep within the window's bytes."""
        sent: list[Sent] = []
        for position in positions:
            place = window.in_chunk(position)
            if place is None:
                continue
            ahead_bytes = window.ahead_bytes if sent else 0
            try:
                each = Sent(position, place.chunks, place.chunks.start(place.piece, ahead_bytes=ahead_bytes))
            except DatafluxError as error:
                each = Sent(position, place.chunks, None, error)
            self._sent[id(each)] = each
            sent.append(each)
        return sent

    def arriving(self, sent: Sequence[Sent]) -> Iterator[tuple[int, bytes | DatafluxError]]:
        """Yield each with its position, in turn."""
        if self._is_closed and sent:
            raise RuntimeError("the reader of chunks is closed")
        for each in sent:
            content = self._finished(each)
            each.pending = None
            yield each.position, content

    def drop(self, sent: Sequence[Sent]) -> None:
        """Give up what was not taken."""
        for each in sent:
            self._sent.pop(id(each), None)
            if each.pending is not None:
                each.chunks.cancel([each.pending])

    def _replace(self, sent: Sent, pending: Any) -> None:  # noqa: ANN401 - as of Sent
        """Let `close` see a further request; one that is made after it is cancelled here."""
        sent.pending = pending
        if self._is_closed:
            sent.chunks.cancel([pending])

    def _finished(self, sent: Sent) -> bytes | DatafluxError:
        try:
            replaced = partial(self._replace, sent)
            content: bytes | DatafluxError = sent.error or sent.chunks.finish(sent.pending, replaced)
        except DatafluxError as error:
            content = error
        came_bytes = len(content) if isinstance(content, bytes) else -1
        counted = FetchStats(int(came_bytes >= 0), int(came_bytes < 0), 1, 0, max(0, came_bytes))
        with self._lock:
            self.stats += counted
        return content
