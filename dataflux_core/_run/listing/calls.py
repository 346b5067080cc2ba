"""List what one call asks for, in the way that its client allows."""

from __future__ import annotations

import logging
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dataflux_core._plan.coverage import common_parts, remaining
from dataflux_core._run.listing.checkpoint import Checkpoint
from dataflux_core._run.listing.client_lister import ClientLister
from dataflux_core._run.listing.lister import Lister
from dataflux_core._run.listing.observer import all_told
from dataflux_core._run.listing.progress import progress_bar
from dataflux_core._run.retries import rule_of
from dataflux_core._wire.checkpoint import Asked

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dataflux_core._plan.listing import KeyRange
    from dataflux_core._run.clients import Client
    from dataflux_core._run.listing.observer import ListingStats
    from dataflux_core._run.listing.options import ListingOptions
    from dataflux_core._wire.listing import Scope
    from dataflux_core._wire.page import Page

log = logging.getLogger(__name__)


def pages_of(client: Client, scope: Scope, stats: ListingStats, options: ListingOptions) -> Generator[Page, None, None]:
    """Yield the scope's pages as they arrive, in no order, disjoint, together the whole; raises DatafluxError."""
    ranges = common_parts(options.ranges, scope.selection.ranges(scope.prefix))
    if options.checkpoint is not None:
        ranges = remaining(ranges, options.checkpoint.key_ranges)
        yield from _kept_pages(options.checkpoint, ranges, stats)
    url = f"gs://{scope.bucket}/{scope.prefix}" if scope.prefix else f"gs://{scope.bucket}"
    with progress_bar(url, stats, wanted=options.shows_bar) as bar:
        onlooker = all_told(options.observer, options.onlooker, bar)
        options = replace(options, onlooker=onlooker, ranges=ranges)
        if client.access is None:
            yield from ClientLister(client.client, scope, client.retry, options, stats).pages()
        else:
            yield from Lister(client.access, scope, rule_of(client.retry), options, stats).pages()


@contextmanager
def resumable_pages(  # noqa: PLR0913, PLR0917 - what one call asks for, where its pages are kept, who looks on
    client: Client,
    scope: Scope,
    stats: ListingStats,
    options: ListingOptions,
    resume: str | Path | None,
    watch: AbstractContextManager[None],
) -> Iterator[Iterator[Page]]:
    """Give the pages, kept in the file `resume` until this context is left, as `watch` before it, without an error."""
    with ExitStack() as exit_:
        if resume is not None:
            options = replace(options, checkpoint=exit_.enter_context(checkpoint_of(client, scope, resume)))
        exit_.enter_context(watch)
        yield exit_.enter_context(closing(pages_of(client, scope, stats, options)))


def checkpoint_of(client: Client, scope: Scope, path: str | Path) -> Checkpoint:
    """Return the checkpoint in `path`, to be entered."""
    endpoint = "" if client.access is None else client.access.endpoint.base_url
    return Checkpoint(path, Asked.of(endpoint, scope))


def _kept_pages(checkpoint: Checkpoint, left: list[KeyRange], stats: ListingStats) -> Iterator[Page]:
    """Yield what an earlier run has listed."""
    if not checkpoint.covered:
        return
    for covered, page in checkpoint.pages(left):
        stats.objects += page.count
        stats.resumed_objects += page.count
        stats.left_out += covered.left_out
        if page.count:
            yield page
    log.info("list.resumed objects=%d ranges_left=%d", stats.resumed_objects, len(left))
