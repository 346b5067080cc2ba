"""List a bucket: the names that users import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflux_core._data.listing import Listing, whole_listing
from dataflux_core._run.clients import MODIFIED_RETRY, client_of
from dataflux_core._run.listing.calls import pages_of
from dataflux_core._run.listing.observer import ListingStats, Observer, PageEvent
from dataflux_core._wire.listing import COMPOSED_PREFIX, Scope
from dataflux_core._wire.page import FIELDS
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._wire.page import Page

__all__ = [
    "COMPOSED_PREFIX",
    "DEFAULT_ALLOWED_CLASS",
    "MODIFIED_RETRY",
    "Listing",
    "ListingController",
    "ListingStats",
    "PageEvent",
]

DEFAULT_ALLOWED_CLASS = ["STANDARD"]


class ListingController:
    """List the objects of a bucket with up to `max_parallelism` ranges of the namespace at once.

    `prefix` of None is "". `allowed_storage_classes` of None is all. Names that end in "/" are left out, as are,
    with `skip_compose`, temporaries under `dataflux-composed-objects/`. Results are always in name order, whatever
    `sort_results`. `.client` may be set to a storage.Client before a run; else one is made for `project` from the
    environment. Raises InvalidArgument.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - upstream's interface
        self,
        max_parallelism: int,
        project: str | None,
        bucket: str,
        sort_results: bool = False,  # noqa: FBT001, FBT002 - upstream's interface
        skip_compose: bool = True,  # noqa: FBT001, FBT002 - upstream's interface
        prefix: str | None = "",
        allowed_storage_classes: Sequence[str] | None = DEFAULT_ALLOWED_CLASS,
        retry_config: Any = MODIFIED_RETRY,  # noqa: ANN401 - google.api_core ships no types
        *,
        progress: bool = False,
        user_project: str | None = None,
    ) -> None:
        if not isinstance(max_parallelism, int) or max_parallelism < 1:
            raise InvalidArgument("max_parallelism", repr(max_parallelism), "a whole number of at least 1")
        if not isinstance(bucket, str) or not bucket or "/" in bucket:
            raise InvalidArgument("bucket", repr(bucket), "the name of a bucket, without gs:// or a path")
        if prefix is not None and not isinstance(prefix, str):
            raise InvalidArgument("prefix", repr(prefix), "a string, or None for all objects")
        self.max_parallelism = max_parallelism
        self.project = project
        self.bucket = bucket
        self.sort_results = sort_results
        self.skip_compose = skip_compose
        self.prefix = prefix or ""
        self.allowed_storage_classes = allowed_storage_classes
        self.retry_config = retry_config
        self.progress = progress
        self.user_project = user_project
        self.client: Any = None
        self.observer: Observer | None = None  # told of each page as it arrives
        self.stats = ListingStats()  # of the latest run

    def run(self) -> list[tuple[str, int]]:
        """Return (name, size in bytes) of every object; raises DatafluxError where that cannot be exact."""
        return list(self.listing())

    def listing(self, *, fields: Sequence[str] = ()) -> Listing:
        """Return every object as columns, with the optional columns in `fields`.

        Fields: generation, metageneration, crc32c, md5, content_encoding, content_type, updated, storage_class,
        etag. Raises DatafluxError where the result cannot be exact.
        """
        pages = list(self._pages(fields))
        return whole_listing(self.bucket, pages, tuple(fields), self.stats)

    def stream(self, *, fields: Sequence[str] = ()) -> Iterator[Listing]:
        """Yield parts of the listing as they arrive, in no order, each sorted; memory stays bounded."""
        return (Listing([page], tuple(fields)) for page in self._pages(fields) if page.count)

    def _pages(self, fields: Sequence[str]) -> Iterator[Page]:
        if isinstance(fields, str):
            raise InvalidArgument("fields", repr(fields), "a list of fields")
        unknown = [field for field in fields if field not in FIELDS]
        if unknown:
            raise InvalidArgument("fields", repr(unknown[0]), f"some of {', '.join(FIELDS)}")
        if isinstance(self.allowed_storage_classes, str):
            raise InvalidArgument("allowed_storage_classes", repr(self.allowed_storage_classes), "a list of classes")
        for storage_class in self.allowed_storage_classes or ():
            if not storage_class.isupper():
                raise InvalidArgument("allowed_storage_classes", repr(storage_class), "classes such as 'STANDARD'")
        client = client_of(self.client, self.project, self.retry_config)
        classes = self.allowed_storage_classes
        scope = Scope(
            self.bucket,
            self.prefix,
            tuple(fields),
            None if classes is None else tuple(classes),
            skip_composed=self.skip_compose,
            user_project=self.user_project or "",
        )
        self.stats = ListingStats()
        return pages_of(
            client,
            scope,
            self.stats,
            parallelism=self.max_parallelism,
            observer=self.observer,
            shows_bar=self.progress,
        )
