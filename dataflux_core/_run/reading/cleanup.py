"""Remove the temporaries of a call that ends early."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.reading.deletions import Deletions
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.retries import RetryRule
from dataflux_core._run.service import Service
from dataflux_core._run.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflux_core._run.access import Access
    from dataflux_core._run.reading.composed import ComposedReads
    from dataflux_core._run.reading.temporaries import Temporaries
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)
# Together they keep a Ctrl-C below two seconds; what takes longer is left to the guardian.
_COMPOSE_PATIENCE_S = 1.0
_DELETE_PATIENCE_S = 0.7
_MAX_DELETES = 64


def clean_up(
    access: Access,
    service: Service,
    composed: ComposedReads,
    temporaries: Temporaries,
    answers: Iterable[tuple[Any, Answer]],
) -> None:
    """Wait for composes in flight, delete every composite that is known to be made, also by unhandled `answers`.

    Never raises but for another Ctrl-C: the error that ends the call is the one to be seen.
    """
    if not temporaries.left():
        return
    try:
        composed.note_all(answers)
        _settle(service, composed)
        _delete(access, temporaries)
    except Exception as error:  # noqa: BLE001 - see above; the guardian gets what is left
        log.debug("read.clean_up_failed reason=%r", error)


def _settle(service: Service, composed: ComposedReads) -> None:
    """Learn the generations of composites that are being made."""
    ends_s = time.monotonic() + _COMPOSE_PATIENCE_S
    service.drop_waiting()
    while composed.composing and service.pending and (left_s := ends_s - time.monotonic()) > 0:
        composed.note_all(service.wait(left_s))


def _delete(access: Access, temporaries: Temporaries) -> None:
    """Delete over connections of our own: whatever interrupted the call may have left the others in disorder."""
    ends_s = time.monotonic() + _DELETE_PATIENCE_S
    transport = Transport(access.endpoint)
    try:
        service = Service(access, transport, RetryRule(), Pace(ceiling=_MAX_DELETES, start=_MAX_DELETES))
        deletions = Deletions(service, temporaries, DownloadStats())
        for name, generation in temporaries.left().items():
            if generation:
                deletions.add(name, generation)
        deletions.flush()
        while deletions.outstanding and (left_s := ends_s - time.monotonic()) > 0:
            for (handle, subject), answer in service.wait(left_s):
                handle(subject, answer)
    finally:
        transport.close()
