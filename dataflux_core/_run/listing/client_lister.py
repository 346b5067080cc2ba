"""List through the public methods of a client that is not a plain storage.Client."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.listing import ListingPlan, NoProgress, PageFacts, Span
from dataflux_core._run.crew import Crew
from dataflux_core._run.listing.observer import ListingStats, Observer, PageEvent
from dataflux_core._wire.listing import MAX_PAGE_OBJECTS, SAMPLED_NAMES, FetchedPage, Scope, page_of_items
from dataflux_core.errors import ListingInexact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._wire.page import Page


class _BlobItem:
    """A blob, real or fake, as the item of a page; what a fake lacks is taken to be ordinary."""

    __slots__ = ("_blob", "name", "size", "storageClass")

    def __init__(self, blob: Any) -> None:  # noqa: ANN401 - a blob or a fake of one
        self._blob = blob
        self.name: str = blob.name
        self.size = int(blob.size or 0)
        self.storageClass: str = getattr(blob, "storage_class", None) or "STANDARD"

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - blobs are untyped
        value = getattr(self._blob, _BLOB_ATTRIBUTES.get(name, name), None)
        if isinstance(value, datetime):
            return value.isoformat().replace("+00:00", "Z")
        return value or ("" if name in _BLOB_ATTRIBUTES else 0)


_BLOB_ATTRIBUTES = {
    "crc32c": "crc32c",
    "md5Hash": "md5_hash",
    "contentEncoding": "content_encoding",
    "contentType": "content_type",
    "updated": "updated",
    "etag": "etag",
}


@dataclass(frozen=True, slots=True)
class _Fetched:
    span: Span
    asked_s: float
    page: FetchedPage


class ClientLister:
    """A listing by `client.bucket(name).list_blobs(…)`: in threads for a storage.Client's subclass.

    A fake may not stand threads, so it is asked for one page at a time. Its retries are the client's own.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - a client or a fake of one
        scope: Scope,
        retry_config: Any,  # noqa: ANN401 - google.api_core ships no types
        observer: Observer | None,
        stats: ListingStats,
    ) -> None:
        self._client = client
        self._scope = scope
        self._retry_config = retry_config
        self._observer = observer
        self.stats = stats

    def pages(self, parallelism: int) -> Iterator[Page]:
        """Yield the pages as they arrive, in no order, disjoint, together the whole scope."""
        from google.cloud import storage  # noqa: PLC0415 - slow import

        threads = min(parallelism, 32) if isinstance(self._client, storage.Client) else 1
        plan = ListingPlan(threads)
        began_s = time.perf_counter()
        with Crew[_Fetched](threads, "dataflux-list") as crew:
            while not plan.done:
                for span in plan.next_spans(threads - crew.running):
                    crew.submit(partial(self._fetch, span))
                    self.stats.calls += 1
                self.stats.peak_in_flight = max(self.stats.peak_in_flight, crew.running)
                page = self._learn(plan, crew.take())
                self.stats.objects += page.count
                yield page
        self.stats.splits, self.stats.empty_halves = plan.counts.splits, plan.counts.empty_halves
        self.stats.elapsed_s = time.perf_counter() - began_s

    def _learn(self, plan: ListingPlan, answer: _Fetched) -> Page:
        span, fetched = answer.span, answer.page
        facts = PageFacts(fetched.count, fetched.first, fetched.last, fetched.sample, fetched.next_token)
        try:
            kept = plan.receive(span, facts)
        except NoProgress as error:
            raise ListingInexact(self._scope.bucket, str(error)) from error
        if self._observer is not None:
            now_s = time.perf_counter()
            self._observer(
                PageEvent(span.range_id, 0, answer.asked_s, now_s, fetched.count, fetched.first, fetched.last, 0)
            )
        self.stats.left_out += fetched.count - fetched.page.count
        return fetched.page.between(kept.after, kept.end)

    def _fetch(self, span: Span) -> _Fetched:
        """Ask for one page; where it is full there may be more, and its last name serves as the token."""
        asked_s = time.perf_counter()
        payer = {"user_project": self._scope.user_project} if self._scope.user_project else {}
        blobs = self._client.bucket(self._scope.bucket, **payer).list_blobs(
            max_results=MAX_PAGE_OBJECTS,
            start_offset=span.token or span.start,
            end_offset=span.end or "",
            prefix=self._scope.prefix,
            retry=self._retry_config,
        )
        items = [_BlobItem(blob) for blob in blobs]
        full = len(items) >= MAX_PAGE_OBJECTS
        if span.token and items and items[0].name == span.token:
            del items[0]
        token = items[-1].name if full and items else ""
        first, last = (items[0].name, items[-1].name) if items else ("", "")
        sample = tuple(item.name for item in items[:: max(1, len(items) // SAMPLED_NAMES)])
        page = FetchedPage(page_of_items(self._scope, items), len(items), first, last, sample, token, 0)
        return _Fetched(span, asked_s, page)
