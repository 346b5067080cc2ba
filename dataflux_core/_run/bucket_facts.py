"""Ask a bucket what it is, what may be done in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._plan.obstacles import COMPOSE_PERMISSIONS
from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.service import Service
from dataflux_core._wire.bucket import bucket_request, facts_of, permissions_of
from dataflux_core._wire.objects import permissions_request
from dataflux_core._wire.refusal import bucket_error

if TYPE_CHECKING:
    from dataflux_core._plan.bucket import BucketFacts
    from dataflux_core._run.access import Access
    from dataflux_core._run.retries import RetryRule
    from dataflux_core._wire.message import Answer

READ_PERMISSIONS = ("storage.objects.list", "storage.objects.get")
ASKED_PERMISSIONS = (*READ_PERMISSIONS, *COMPOSE_PERMISSIONS)
# Whoever may read objects need not be allowed to see the bucket; 400: that callers pay, and who does was not said.
_MEANS_UNKNOWN = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True)
class AskedBucket:
    """What a bucket said of itself; `permissions` are those of READ_ and COMPOSE_PERMISSIONS granted, None: unknown."""

    facts: BucketFacts
    permissions: frozenset[str] | None


def ask_bucket(access: Access, bucket: str, rule: RetryRule) -> AskedBucket:
    """Ask both at once; raises BucketNotFound, EndpointUnreachable, or another DatafluxError.

    A bucket that will not tell is no error: what it is, is assumed then.
    """
    answers: dict[str, Answer] = {}
    with lease(access.endpoint) as transport:
        service = Service(access, transport, rule, Pace(ceiling=2, start=2))
        service.submit(bucket_request(bucket), "bucket")
        service.submit(permissions_request(bucket, ASKED_PERMISSIONS), "permissions")
        while service.pending:
            answers.update(service.wait())
    for answer in answers.values():
        if not answer.ok and answer.status not in _MEANS_UNKNOWN:
            raise bucket_error(answer, bucket=bucket, endpoint=access.endpoint.base_url)
    return AskedBucket(facts_of(answers["bucket"]), permissions_of(answers["permissions"]))
