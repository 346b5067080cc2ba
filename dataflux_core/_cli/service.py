"""Ask the service on behalf of a command."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._cli.command import say
from dataflux_core._cli.text import counted
from dataflux_core._data.known_ranges import known_ranges
from dataflux_core._data.listing import whole_listing
from dataflux_core._data.trace import traced
from dataflux_core._data.trace_record import TraceRecord
from dataflux_core._plan.listing import KeyRange
from dataflux_core._plan.selection import Selection
from dataflux_core._run.access import new_client
from dataflux_core._run.clients import MODIFIED_RETRY, client_of
from dataflux_core._run.listing.calls import checkpoint_of, pages_of
from dataflux_core._run.listing.level_lister import list_level
from dataflux_core._run.listing.observer import ListingStats
from dataflux_core._run.listing.options import ListingOptions
from dataflux_core._run.retries import rule_of
from dataflux_core._wire.listing import COMPOSED_PREFIX, Scope
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from dataflux_core._cli.arguments import Place
    from dataflux_core._cli.command import CommonOptions
    from dataflux_core._data.listing import Listing
    from dataflux_core._run.clients import Client
    from dataflux_core._run.listing.checkpoint import Checkpoint
    from dataflux_core._run.listing.observer import Onlooker
    from dataflux_core._wire.level import LevelPage
    from dataflux_core._wire.page import Page


LISTING_PARALLELISM = 64  # ranges at once


class NothingFound(DatafluxError):
    """No object has the prefix that was asked for, or only some that are left out."""

    def __init__(self, place: str, left_out: int = 0) -> None:
        super().__init__(place, left_out)
        self.place, self.left_out = place, left_out

    def __str__(self) -> str:
        if self.left_out:
            return _only_left_out(self.place, self.left_out)
        hint = "'*' has no meaning of its own here, --match-glob of ls -r, du or download takes patterns"
        return f"{self.place}: no object's name begins so{f'; {hint}' if '*' in self.place else ''}"


def _only_left_out(place: str, objects: int) -> str:
    return (
        f"{place}: nothing but {counted(objects, 'object')} that {'is' if objects == 1 else 'are'} left out: -a shows "
        "temporaries of downloads as well as names that end in '/'"
    )


@dataclass(frozen=True, slots=True)
class Query:
    """What to list of a bucket."""

    place: Place
    fields: Sequence[str] = ()
    everything: bool = False  # temporaries and names that end in "/" as well
    parallelism: int = LISTING_PARALLELISM
    stats: ListingStats = field(default_factory=ListingStats)
    onlooker: Onlooker | None = None
    checkpoint: Checkpoint | None = None  # where pages are kept
    ranges: Sequence[KeyRange] = (KeyRange.everything(),)  # to begin with
    selection: Selection = field(default_factory=Selection)
    quiet: bool = False
    hierarchical: bool | None = None  # whether folders are listed one by one; None: as the bucket has it

    @property
    def scope(self) -> Scope:
        within_temporaries = self.place.prefix.startswith(COMPOSED_PREFIX)
        return Scope(
            self.place.bucket,
            self.place.prefix,
            tuple(self.fields),
            storage_classes=None,
            skip_composed=not self.everything and not within_temporaries,
            skip_directories=not self.everything,
            selection=self.selection,
        )

    @property
    def must_find(self) -> bool:
        """Tell whether it is a mistake where nothing is found: all that has the prefix was asked for."""
        return bool(self.place.prefix) and self.selection == Selection()

    @property
    def hint(self) -> str:
        """Say what may be wrong where nothing was chosen; "" where nothing is."""
        glob = self.selection.match_glob
        if self.stats.left_out and not self.selection.judges_objects:
            return _only_left_out(str(self.place), self.stats.left_out)
        if not glob or self.quiet:
            return ""
        is_simple = "/" not in glob and not glob.startswith("**")
        better = f", perhaps {self.place.directory + '**' + glob.lstrip('*')!r}" if is_simple else ""
        return f"nothing was chosen; --match-glob {glob!r} is matched against whole names, '*' stops at '/'{better}"

    def shows(self, prefix: str) -> bool:
        """Tell whether a prefix is listed: that of temporaries only where it is asked for."""
        return prefix != COMPOSED_PREFIX or not self.scope.skip_composed


def open_client(options: CommonOptions) -> Client:
    """Make the client that the options ask for; raises CredentialsMissing."""
    client = new_client(options["project"])
    if options["billing_project"]:
        # A header rather than the parameter userProject: every request carries it then, reads as well as lists.
        headers = {"x-goog-user-project": options["billing_project"]}
        client._connection.extra_headers = headers  # noqa: SLF001 - where Client's own parameter puts them
    return client_of(client, None, MODIFIED_RETRY)


@contextmanager
def watched(query: Query, trace: str) -> Iterator[Query]:
    """Give the query with a trace, which is written when this context is left, however."""
    record = TraceRecord(str(query.place), query.parallelism)
    with traced(Path(trace), record):
        yield replace(query, onlooker=record.tell)


@contextmanager
def resumable(client: Client, query: Query, path: str) -> Iterator[Query]:
    """Give the query with the checkpoint in `path`, which is removed when all was done with the answer."""
    nothing_found: NothingFound | None = None
    with checkpoint_of(client, query.scope, path) as checkpoint:
        try:
            yield replace(query, checkpoint=checkpoint)
        except NothingFound as error:  # that is an answer too: the next run is to ask anew
            nothing_found = error
    if nothing_found is not None:
        raise nothing_found


def pages(client: Client, query: Query, *, shows_bar: bool) -> Generator[Page, None, None]:
    """Yield the listing as it arrives, in no order."""
    options = ListingOptions(
        query.parallelism,
        onlooker=query.onlooker,
        shows_bar=shows_bar,
        ranges=query.ranges,
        checkpoint=query.checkpoint,
        hierarchical=query.hierarchical,
    )
    return pages_of(client, query.scope, query.stats, options)


def found_pages(client: Client, query: Query, *, shows_bar: bool) -> Generator[Page, None, None]:
    """Yield the listing as it arrives, in no order; raises NothingFound at its end where a prefix has none.

    Where a choice left nothing, that may be meant, so it is only said why it may not.
    """
    is_empty = True
    for page in pages(client, query, shows_bar=shows_bar):
        is_empty = is_empty and not page.count
        yield page
    if is_empty and query.must_find:
        raise NothingFound(str(query.place), query.stats.left_out)
    if is_empty and query.hint:
        say(query.hint)


def listing(client: Client, query: Query, *, shows_bar: bool) -> Listing:
    """Return the listing in the order of names; raises NothingFound where a prefix has none."""
    found = list(found_pages(client, query, shows_bar=shows_bar))
    names_repeat = query.selection.names_repeat
    return whole_listing(query.place.bucket, found, tuple(query.fields), names_repeat=names_repeat)


def listing_again(client: Client, query: Query, previous: Listing, *, shows_bar: bool) -> Listing:
    """Return the listing in the order of names, cut at those that are known; that nothing is left is an answer too."""
    query = replace(query, ranges=known_ranges(previous, query.parallelism))
    return whole_listing(query.place.bucket, list(pages(client, query, shows_bar=shows_bar)), tuple(query.fields))


def levels(client: Client, query: Query) -> Iterator[LevelPage]:
    """Yield one level of the bucket, in order."""
    if client.access is None:
        raise TypeError("a command's client is always a plain one")
    return list_level(client.access, query.scope, rule_of(client.retry))
