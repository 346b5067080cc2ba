"""Remove temporaries that no process looks after any more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.pacing import Pace
from dataflux_core._run.connections import lease
from dataflux_core._run.listing.calls import pages_of
from dataflux_core._run.listing.observer import ListingStats
from dataflux_core._run.listing.options import ListingOptions
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
# What a download makes: our uuid4 in 32 digits, or upstream's in its usual form. Anything else that lies under the
# prefix was put there by somebody who may want it.
_TEMPORARY = re.compile(
    re.escape(COMPOSED_PREFIX) + r"(?:[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)


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
    younger: int  # temporaries that are left alone
    strangers: int  # objects under the prefix that no download made: left alone, whatever their age


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
    old_bytes = younger = strangers = 0
    for page in pages_of(client, scope, ListingStats(), ListingOptions(_LISTED_RANGES)):
        old = old_ones(page, before=before)
        objects += old.objects
        old_bytes += old.bytes
        younger += old.younger
        strangers += old.strangers
    return Leftovers(sorted(objects), old_bytes, younger, strangers)


def old_ones(page: Page, *, before: datetime) -> Leftovers:
    """Pick the temporaries of a page that were written before a time."""
    names, sizes, generations = page.name_list(), page.size_list(), int64s(page.numbers["generation"])
    written = page.text_list("updated")
    temporaries = [row for row, name in enumerate(names) if _TEMPORARY.fullmatch(name)]
    old = [row for row in temporaries if datetime.fromisoformat(written[row].replace("Z", "+00:00")) < before]
    objects = [(names[row], generations[row]) for row in old]
    size_sum = sum(sizes[row] for row in old)
    return Leftovers(objects, size_sum, len(temporaries) - len(old), page.count - len(temporaries))


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
