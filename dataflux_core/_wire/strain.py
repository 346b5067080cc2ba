"""Tell what an answer says about the load of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._plan.retry import RETRIED_STATUSES
from dataflux_core._wire.message import retry_after_s

if TYPE_CHECKING:
    from dataflux_core._plan.pacing import Strain
    from dataflux_core._wire.message import Answer

_REFUSALS = frozenset({429, 503})


def strain_of(answer: Answer) -> Strain | None:
    """Return what to tell a Pace; None for an answer, such as a 404, that would come from an idle service too."""
    if answer.ok:
        return "clean"
    if answer.status in _REFUSALS or retry_after_s(answer):
        return "refused"
    return "lost" if answer.failure or answer.status in RETRIED_STATUSES else None
