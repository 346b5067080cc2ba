"""List a bucket: the names that users import."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflux_core._data.changes import ListingChanges, check_names, compared
from dataflux_core._data.csv_file import write_csv
from dataflux_core._data.known_ranges import known_ranges, with_prefix
from dataflux_core._data.listing import Listing, whole_listing, whole_pairs
from dataflux_core._data.trace import check_trace, traced
from dataflux_core._data.trace_record import TraceRecord
from dataflux_core._plan.columns import check_bucket, check_name
from dataflux_core._plan.listing import KeyRange
from dataflux_core._plan.selection import Selection
from dataflux_core._run.clients import MODIFIED_RETRY, client_of
from dataflux_core._run.listing.calls import resumable_pages
from dataflux_core._run.listing.observer import ListingStats, Observer, PageEvent
from dataflux_core._run.listing.options import ListingOptions
from dataflux_core._wire.listing import COMPOSED_PREFIX, Scope
from dataflux_core._wire.page import canonical_fields
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from dataflux_core._wire.page import Page

__all__ = [
    "COMPOSED_PREFIX",
    "DEFAULT_ALLOWED_CLASS",
    "MODIFIED_RETRY",
    "Listing",
    "ListingChanges",
    "ListingController",
    "ListingStats",
    "PageEvent",
    "Selection",
]

DEFAULT_ALLOWED_CLASS = ["STANDARD"]


class ListingController:
    """List the objects of a bucket with up to `max_parallelism` ranges of the namespace at once.

    `prefix` of None is "". `allowed_storage_classes` or `selection` of None is all. Names that end in "/" are left out,
    as are, with `skip_compose`, temporaries under `dataflux-composed-objects/`. Results are always in name order,
    whatever `sort_results`. `resume` names a file that keeps the pages until all is done, from which the same listing
    goes on after an interruption. `.client` may be set to a storage.Client before a run; else one is made for `project`
    from the environment. A large bucket with a hierarchical namespace is listed folder by folder; `hierarchical` of
    True or False decides that without asking the bucket. Raises InvalidArgument.
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
        selection: Selection | None = None,
        resume: str | Path | None = None,
        trace: str | Path | None = None,
        hierarchical: bool | None = None,
    ) -> None:
        self.max_parallelism = max_parallelism
        self.project = project
        self.bucket = bucket
        self.sort_results = sort_results
        self.skip_compose = skip_compose
        self.prefix = "" if prefix is None else prefix
        self.allowed_storage_classes = allowed_storage_classes
        self.retry_config = retry_config
        self.progress = progress
        self.user_project = user_project
        self.selection = selection
        self.resume = resume
        self.trace = trace
        self.hierarchical = hierarchical
        self.client: Any = None
        self.observer: Observer | None = None  # told of each page as it arrives
        self.stats = ListingStats()  # of the latest run
        self._check()
        self._scope(())  # what cannot be asked for is refused here as well as in a run

    def run(self) -> list[tuple[str, int]]:
        """Return (name, size in bytes) of every object; raises DatafluxError where that cannot be exact."""
        scope = self._scope(())
        with self._pages(scope) as arriving:
            return whole_pairs(self.bucket, arriving, names_repeat=scope.selection.names_repeat)

    def listing(self, *, fields: Sequence[str] = ()) -> Listing:
        """Return every object as columns, with the optional columns in `fields`.

        Fields: generation, metageneration, crc32c, md5, content_encoding, content_type, updated, storage_class, etag,
        others of docs/reference/listing.md; the service's own spellings do as well. Raises DatafluxError where the
        result cannot be exact.
        """
        scope = self._scope(fields)
        with self._pages(scope) as arriving:
            pages = list(arriving)
        names_repeat = scope.selection.names_repeat
        return whole_listing(self.bucket, pages, scope.fields, self.stats, names_repeat=names_repeat)

    def stream(self, *, fields: Sequence[str] = ()) -> Iterator[Listing]:
        """Yield parts of the listing as they arrive, in no order, each sorted; memory stays bounded."""
        scope = self._scope(fields)
        return _parts(self._pages(scope), scope.fields)

    def refresh(self, previous: Listing, *, fields: Sequence[str] = ()) -> ListingChanges:
        """List again what was listed as `previous`, with its optional columns besides `fields`; tell what changed.

        The names of `previous` say where to cut, so that all listers work from the first round trip. Raises
        DatafluxError where the result cannot be exact.
        """
        if not isinstance(previous, Listing):
            raise InvalidArgument("previous", repr(previous)[:80], "a Listing, such as Listing.from_parquet(path)")
        scope = self._scope((*previous.fields, *canonical_fields(fields)))
        if scope.selection.names_repeat:
            raise InvalidArgument("selection", repr(self.selection), "no versions, as objects are compared by name")
        previous = with_prefix(previous, self.prefix)
        check_names(previous, "previous")
        with self._pages(scope, known_ranges(previous, self.max_parallelism)) as arriving:
            pages = list(arriving)
        return compared(previous, whole_listing(self.bucket, pages, scope.fields, self.stats))

    def to_parquet(self, path: str | Path, *, fields: Sequence[str] = ()) -> int:
        """List into a Parquet file in bounded memory, whole or not at all; return the number of objects.

        Rows are in the order in which pages arrive; `Listing.from_parquet` puts them in name order. Needs the extra
        `arrow`. Raises FileNotWritten or another DatafluxError.
        """
        from dataflux_core._data.parquet import write_parquet  # noqa: PLC0415 - pyarrow is an extra

        self._check_file(path)
        scope = self._scope(fields)
        with self._pages(scope) as pages:
            return write_parquet(pages, scope.fields, path)

    def to_csv(self, path: str | Path, *, fields: Sequence[str] = ()) -> int:
        """List into a CSV file in bounded memory, whole or not at all; return the number of objects.

        Rows are in the order in which pages arrive. Raises FileNotWritten or another DatafluxError.
        """
        self._check_file(path)
        scope = self._scope(fields)
        with self._pages(scope) as pages:
            return write_csv(pages, scope.fields, path)

    def _check(self) -> None:
        """Raise InvalidArgument where an argument cannot mean anything, ExtraMissing for a trace."""
        if (
            not isinstance(self.max_parallelism, int)
            or isinstance(self.max_parallelism, bool)
            or self.max_parallelism < 1
        ):
            raise InvalidArgument("max_parallelism", repr(self.max_parallelism), "a whole number of at least 1")
        for argument, given in (("project", self.project), ("user_project", self.user_project)):
            if given is not None and not isinstance(given, str):
                raise InvalidArgument(argument, repr(given), "the name of a project, or None")
        check_bucket(self.bucket, "bucket")
        if self.prefix != "":
            check_name("prefix", self.prefix)  # what no object's name can begin with
        for argument, path in (("resume", self.resume), ("trace", self.trace)):
            if path is not None and not isinstance(path, (str, PathLike)):
                raise InvalidArgument(argument, repr(path), "the path of a file, or None")
        if self.trace is not None:
            check_trace(Path(self.trace), *([] if self.resume is None else [self.resume]))
        if self.hierarchical is not None and not isinstance(self.hierarchical, bool):
            raise InvalidArgument("hierarchical", repr(self.hierarchical), "True, False, or None to find out")

    def _check_file(self, path: str | Path) -> None:
        if self.trace is not None:
            check_trace(Path(self.trace), path)

    def _scope(self, fields: Sequence[str]) -> Scope:
        classes = self.allowed_storage_classes
        if isinstance(classes, str) or not isinstance(classes, Collection | None):
            raise InvalidArgument("allowed_storage_classes", repr(classes), "a list of classes, or None for all")
        for storage_class in classes or ():
            if not isinstance(storage_class, str) or not storage_class.isupper():
                raise InvalidArgument("allowed_storage_classes", repr(storage_class), "classes such as 'STANDARD'")
        if not isinstance(self.selection, Selection | None):
            raise InvalidArgument("selection", repr(self.selection), "a Selection(...), or None for everything")
        if self.hierarchical and self.selection is not None and not self.selection.allows_folders:
            raise InvalidArgument("hierarchical", "True", "None beside match_glob, versions or soft_deleted")
        return Scope(
            self.bucket,
            self.prefix,
            canonical_fields(fields),
            None if classes is None else tuple(classes),
            skip_composed=self.skip_compose,
            user_project=self.user_project or "",
            selection=self.selection or Selection(),
        )

    def _pages(
        self, scope: Scope, ranges: Sequence[KeyRange] = (KeyRange.everything(),)
    ) -> AbstractContextManager[Iterator[Page]]:
        client = client_of(self.client, self.project, self.retry_config)
        self.stats = ListingStats()
        options = ListingOptions(
            self.max_parallelism,
            self.observer,
            shows_bar=self.progress,
            ranges=ranges,
            hierarchical=self.hierarchical,
        )
        watch: AbstractContextManager[None] = nullcontext()
        if self.trace is not None:
            record = TraceRecord(f"gs://{self.bucket}/{self.prefix}", self.max_parallelism)
            options = replace(options, onlooker=record.tell)
            watch = traced(Path(self.trace), record)
        return resumable_pages(client, scope, self.stats, options, self.resume, watch)


def _parts(pages: AbstractContextManager[Iterator[Page]], fields: tuple[str, ...]) -> Iterator[Listing]:
    with pages as arriving:
        yield from (Listing([page], fields) for page in arriving if page.count)
