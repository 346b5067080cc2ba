"""List one level of a bucket, as a directory is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.service import Service
from dataflux_core._wire.level import level_request, read_level
from dataflux_core._wire.refusal import bucket_error
from dataflux_core.errors import ListingInexact

if TYPE_CHECKING:
    from collections.abc import Generator

    from dataflux_core._run.access import Access
    from dataflux_core._run.retries import RetryRule
    from dataflux_core._wire.level import LevelPage
    from dataflux_core._wire.listing import Scope


def list_level(access: Access, scope: Scope, rule: RetryRule) -> Generator[LevelPage, None, None]:
    """Yield the pages of one level in order; raises DatafluxError.

    One request after another: pages of prefixes cannot be cut into ranges without asking for what is below them.
    """
    with lease(access.endpoint) as transport:
        service = Service(access, transport, rule, Pace(ceiling=1, start=1))
        token = ""
        while True:
            service.submit(level_request(scope, token), None)
            ((_, answer),) = service.wait()
            if not answer.ok:
                raise bucket_error(answer, bucket=scope.bucket, endpoint=access.endpoint.base_url)
            try:
                level = read_level(scope, answer.body)
            except msgspec.DecodeError as error:
                raise ListingInexact(scope.bucket, f"the answer is no listing ({error})") from error
            yield level
            if not level.next_token:
                return
            token = level.next_token
