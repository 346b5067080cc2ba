"""Hand over large objects a piece at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.reading.direct import Source, blamed
from dataflux_core._run.reading.ranged import PIECE_BYTES, RangedReads
from dataflux_core._run.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._run.access import Access
    from dataflux_core._run.reading.options import OnError, ReadOptions
    from dataflux_core._run.reading.ranged import Piece
    from dataflux_core._run.reading.stats import DownloadStats
    from dataflux_core.errors import DatafluxError

_MAX_HELD_BYTES = 512 * 1024**2
_FIRST_REQUESTS = 8  # each is worth a connection of its own; more once these come clean


def read_pieces(  # noqa: PLR0913 - of what, how, who is told
    access: Access,
    bucket: str,
    objects: ObjectColumns,
    options: ReadOptions,
    stats: DownloadStats,
    *,
    fail: Callable[[int, DatafluxError], None] | None = None,
) -> Generator[Piece, None, None]:
    """Yield the pieces of every object as they arrive, all of one generation, in bounded memory; `stats` counts them.

    Close it where it is not read to its end. Raises ObjectChanged, ObjectNotFound, or another DatafluxError. With
    on_error="return" `fail` is told, by position, of an error about one object, no piece of which comes after that.
    """
    held_bytes = options.max_held_bytes or _MAX_HELD_BYTES
    window = max(1, min(options.max_requests, held_bytes // PIECE_BYTES))
    # Only the whole has a checksum.
    source = Source(access.endpoint.base_url, bucket, objects, max_tries=1, max_held_bytes=held_bytes)
    arrived: list[Piece] = []
    with lease(access.endpoint) as transport:
        service = Service(access, transport, options.rule, Pace(ceiling=window, start=_FIRST_REQUESTS))
        ranged = RangedReads(service, source, arrived.append, _told(options.on_error, fail), stats)
        try:
            for position in range(len(objects)):
                ranged.start(position)
            while service.pending:
                for (handle, subject), answer in service.wait():
                    handle(subject, answer)
                    yield from arrived
                    arrived.clear()
                ranged.pump()
        finally:
            stats.retries += service.retries.count


def _told(on_error: OnError, fail: Callable[[int, DatafluxError], None] | None) -> Callable[[int, DatafluxError], None]:
    def tell(position: int, error: DatafluxError) -> None:
        returned = blamed(error, "raise" if fail is None else on_error)
        if fail is not None:
            fail(position, returned)

    return tell
