"""Remove temporaries that no process looks after any more."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.reading.deletions import Deletions
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.retries import rule_of
from dataflux_core._run.service import Service
from dataflux_core._wire.listing import COMPOSED_PREFIX

if TYPE_CHECKING:
    from datetime import timedelta

    from dataflux_core._run.access import Access
    from dataflux_core._run.reading.calls import Client

_MAX_DELETES = 16  # batches in flight


class _Removed:
    """The names that went."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.names: list[str] = []

    def gone(self, name: str) -> None:
        self.names.append(name)

    def kept(self, name: str) -> None:
        """Leave it out; a warning has been logged."""


def find_leftovers(client: Client, bucket: str, *, older_than: timedelta) -> list[tuple[str, int]]:
    """Return (name, generation) of the temporaries made longer than `older_than` ago."""
    before = datetime.now(timezone.utc) - older_than
    blobs = client.client.list_blobs(bucket, prefix=COMPOSED_PREFIX, retry=client.retry)
    return [(blob.name, int(blob.generation)) for blob in blobs if blob.time_created and blob.time_created < before]


def remove_leftovers(client: Client, bucket: str, found: list[tuple[str, int]]) -> list[str]:
    """Delete them; return the names of those that are gone."""
    if client.access is not None:
        return _remove_by_batches(client.access, client.retry, bucket, found)
    for name, generation in found:
        client.client.bucket(bucket).blob(name, generation=generation).delete(retry=client.retry)
    return [name for name, _ in found]


def _remove_by_batches(
    access: Access,
    retry: Any,  # noqa: ANN401 - google.api_core ships no types
    bucket: str,
    found: list[tuple[str, int]],
) -> list[str]:
    removed = _Removed(bucket)
    with lease(access.endpoint) as transport:
        service = Service(access, transport, rule_of(retry), Pace(ceiling=_MAX_DELETES))
        deletions = Deletions(service, removed, DownloadStats())
        for name, generation in found:
            deletions.add(name, generation)
        deletions.flush()
        while deletions.outstanding:
            for (handle, subject), answer in service.wait():
                handle(subject, answer)
    return removed.names
