"""Delete temporaries that have served."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from dataflux_core._wire.listing import COMPOSED_PREFIX
from dataflux_core._wire.message import error_message
from dataflux_core._wire.objects import MAX_BATCH_CALLS, batch_delete_request, delete_request, read_batch

if TYPE_CHECKING:
    from dataflux_core._run.reading.stats import DownloadStats
    from dataflux_core._run.service import Service
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)
_NOT_FOUND = 404
_REPEATED = frozenset({0, 401, 408, 429})  # statuses of one call of a batch that a call of its own may cure
_FIRST_SERVER_ERROR = 500
_MIN_BATCH_CALLS = 3  # a batch is slower than a single call


class Book(Protocol):
    """Where it is written what still has to go."""

    bucket: str

    def gone(self, name: str) -> None:
        """Learn that an object is deleted, or never was."""

    def kept(self, name: str) -> None:
        """Learn that the service will not delete an object."""


class Deletions:
    """Removals in flight, gathered into batches so that they cost next to nothing and delay no read."""

    def __init__(self, service: Service, book: Book, stats: DownloadStats) -> None:
        self.outstanding = 0  # temporaries that were asked to go and have not answered
        self.is_refused = False  # the service will not delete them: no more should be made
        self._service = service
        self._bucket = book.bucket
        self._book = book
        self._stats = stats
        self._waiting: list[tuple[str, int]] = []
        self._has_batches = True
        self._is_first = True

    def add(self, name: str, generation: int) -> None:
        """Delete a temporary with the next batch; generation 0 where it may not even have been made."""
        self._waiting.append((name, generation))
        # The first tells, before more are made, whether the service deletes temporaries at all.
        if len(self._waiting) >= MAX_BATCH_CALLS or self._is_first:
            self._is_first = False
            self.flush()

    def flush(self) -> None:
        """Send what waits for a batch to fill."""
        waiting, self._waiting = self._waiting, []
        self.outstanding += len(waiting)
        for start in range(0, len(waiting), MAX_BATCH_CALLS):
            chunk = waiting[start : start + MAX_BATCH_CALLS]
            if self._has_batches and len(chunk) >= _MIN_BATCH_CALLS:
                self._stats.asked("batch")
                self._service.submit(batch_delete_request(self._bucket, chunk), (self._on_batch, chunk))
            else:
                self._send_singly(chunk)

    def _send_singly(self, chunk: list[tuple[str, int]]) -> None:
        for name, generation in chunk:
            self._stats.asked("delete")
            self._service.submit(delete_request(self._bucket, name, generation), (self._on_delete, name))

    def _on_delete(self, name: str, answer: Answer) -> None:
        self.outstanding -= 1
        self._settle(name, answer.status if not answer.failure else 0, answer)

    def _on_batch(self, chunk: list[tuple[str, int]], answer: Answer) -> None:
        statuses = read_batch(answer, len(chunk)) if answer.ok else None
        if statuses is None:
            self._has_batches = False  # not every server knows them
            self._send_singly(chunk)
            return
        for (name, generation), status in zip(chunk, statuses, strict=True):
            if status in _REPEATED or status >= _FIRST_SERVER_ERROR:
                self._send_singly([(name, generation)])
                continue
            self.outstanding -= 1
            self._settle(name, status, answer)

    def _settle(self, name: str, status: int, answer: Answer) -> None:
        if 200 <= status < 300 or status == _NOT_FOUND:  # noqa: PLR2004 - HTTP's own classes
            self._book.gone(name)
            return
        if status in _REPEATED or status >= _FIRST_SERVER_ERROR:
            return  # stays written down: the guardian tries on
        self._book.kept(name)
        self._stats.temporaries_kept += 1
        if not self.is_refused:
            self.is_refused = True
            message = "temporaries.kept bucket=%s name=%s status=%d reason=%s; delete %s* when the bucket allows"
            log.warning(message, self._bucket, name, status, error_message(answer), COMPOSED_PREFIX)
