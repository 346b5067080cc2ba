"""Whoever closes reads ends also those that were begun anew, with another URL or at their turn."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest

from dataflux_core._data.epoch.chunk_read import ChunkReads
from dataflux_core._data.epoch.window import InChunk, Window
from dataflux_core._data.flare.chunks import Piece
from dataflux_core._plan.remote import RemoteObjects

if TYPE_CHECKING:
    from collections.abc import Callable


class Pending(NamedTuple):
    future: Future[bytes]


class Renewed:
    """Chunks whose first request has failed; the second is never answered."""

    def __init__(self) -> None:
        self.second: Future[bytes] = Future()
        self.waits = threading.Event()

    def start(self, piece: Piece, *, ahead_bytes: int = 0) -> Pending:
        del piece, ahead_bytes
        return Pending(Future())

    def finish(self, pending: Pending, replaced: Callable[[Pending], None]) -> bytes:
        del pending
        replaced(Pending(self.second))
        self.waits.set()
        return self.second.result(60)

    def cancel(self, pending: list[Pending]) -> None:
        for each in pending:
            each.future.cancel()


@pytest.mark.parametrize("is_late", [False, True], ids=["closed while it waits", "closed before it is begun"])
def test_closing_cancels_the_request_that_replaces_another(is_late: bool) -> None:
    chunks, reads = Renewed(), ChunkReads()
    place = InChunk(cast("Any", chunks), Piece(0), None, 1, "")
    window = Window([0], ["0"], [("x",)], [0, 1], RemoteObjects(["u"]), {}, [{}], chunks=[place])
    sent = reads.send(window, [0])
    arriving = reads.arriving(sent)
    closer = threading.Thread(target=close_when_it_waits, args=(chunks, reads))
    if is_late:
        chunks.finish = closing_first(chunks, reads)  # type: ignore[method-assign]
    closer.start()
    with pytest.raises(CancelledError):
        next(arriving)
    closer.join(60)
    reads.drop(sent)


def closing_first(chunks: Renewed, reads: ChunkReads) -> Callable[..., bytes]:
    finish = chunks.finish

    def closed(pending: Pending, replaced: Callable[[Pending], None]) -> bytes:
        reads.close()
        return finish(pending, replaced)

    return closed


def close_when_it_waits(chunks: Renewed, reads: ChunkReads) -> None:
    chunks.waits.wait(60)
    reads.close()
