"""Remove temporaries that no process looks after any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.listing.calls import pages_of
from dataflux_core._run.listing.observer import ListingStats
from dataflux_core._run.reading.deletions import Deletions
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.retries import rule_of
from dataflux_core._run.service import Service
from dataflux_core._wire.listing import COMPOSED_PREFIX, Scope
from dataflux_core._wire.page import int64s

if TYPE_CHECKING:
    from datetime import timedelta

    from dataflux_core._run.access import Access
    from dataflux_core._run.clients import Client
    from dataflux_core._wire.page import Page

_MAX_DELETES = 16  # batches in flight
_LISTED_RANGES = 16


class _Removed:
    """The names that went."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.names: list[str] = []

    def gone(self, name: str) -> None:
        self.names.append(name)

    def kept(self, name: str) -> None:
        """Leave it out; a warning has been logged."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Temporaries old enough to be nobody's."""

    objects: list[tuple[str, int]]  # name, generation
    bytes: int
    younger: int  # objects that are left alone


def find_leftovers(client: Client, bucket: str, *, older_than: timedelta) -> Leftovers:
    """List the temporaries of a bucket, pick those made longer than `older_than` ago."""
    before = datetime.now(timezone.utc) - older_than
    scope = Scope(
        bucket,
        COMPOSED_PREFIX,
        fields=("generation", "updated"),
        storage_classes=None,
        skip_composed=False,
        skip_directories=False,
    )
    objects: list[tuple[str, int]] = []
    old_bytes = younger = 0
    for page in pages_of(client, scope, ListingStats(), parallelism=_LISTED_RANGES):
        old = old_ones(page, before=before)
        objects += old.objects
        old_bytes += old.bytes
        younger += old.younger
    return Leftovers(sorted(objects), old_bytes, younger)


def old_ones(page: Page, *, before: datetime) -> Leftovers:
    """Pick the objects of a page that were written before a time."""
    names, sizes, generations = page.name_list(), page.size_list(), int64s(page.numbers["generation"])
    written = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in page.text_list("updated")]
    old = [row for row, when in enumerate(written) if when < before]
    objects = [(names[row], generations[row]) for row in old]
    return Leftovers(objects, sum(sizes[row] for row in old), page.count - len(old))


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
