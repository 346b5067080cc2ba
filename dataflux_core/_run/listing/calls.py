"""List what one call asks for, in the way that its client allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._run.listing.client_lister import ClientLister
from dataflux_core._run.listing.lister import Lister, ListingOptions
from dataflux_core._run.listing.progress import progress_bar
from dataflux_core._run.retries import rule_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._run.clients import Client
    from dataflux_core._run.listing.observer import ListingStats, Observer
    from dataflux_core._wire.listing import Scope
    from dataflux_core._wire.page import Page


def pages_of(  # noqa: PLR0913 - whose, what, counted where, how, seen by whom
    client: Client,
    scope: Scope,
    stats: ListingStats,
    *,
    parallelism: int,
    observer: Observer | None = None,
    shows_bar: bool = False,
) -> Iterator[Page]:
    """Yield the scope's pages as they arrive, in no order, disjoint, together the whole; raises DatafluxError."""
    with progress_bar(scope.bucket, observer, shown=shows_bar) as onlooker:
        if client.access is None:
            yield from ClientLister(client.client, scope, client.retry, onlooker, stats).pages(parallelism)
        else:
            options = ListingOptions(parallelism, rule_of(client.retry), onlooker)
            yield from Lister(client.access, scope, options, stats).pages()
