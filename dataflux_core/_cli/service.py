"""Ask the service on behalf of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._data.listing import whole_listing
from dataflux_core._run.access import new_client
from dataflux_core._run.clients import MODIFIED_RETRY, client_of
from dataflux_core._run.listing.calls import pages_of
from dataflux_core._run.listing.level_lister import list_level
from dataflux_core._run.listing.observer import ListingStats
from dataflux_core._run.listing.options import ListingOptions
from dataflux_core._run.retries import rule_of
from dataflux_core._wire.listing import COMPOSED_PREFIX, Scope
from dataflux_core.errors import DatafluxError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._cli.arguments import Place
    from dataflux_core._cli.command import CommonOptions
    from dataflux_core._data.listing import Listing
    from dataflux_core._run.clients import Client
    from dataflux_core._wire.level import LevelPage
    from dataflux_core._wire.page import Page


LISTING_PARALLELISM = 64  # ranges at once


class NothingFound(DatafluxError):
    """No object has the prefix that was asked for."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place

    def __str__(self) -> str:
        hint = "; '*' has no meaning of its own here, give a prefix instead" if "*" in self.place else ""
        return f"{self.place}: no object's name begins so{hint}"


@dataclass(frozen=True, slots=True)
class Query:
    """What to list of a bucket."""

    place: Place
    fields: Sequence[str] = ()
    everything: bool = False  # temporaries and names that end in "/" as well
    parallelism: int = LISTING_PARALLELISM

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
        )

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


def pages(client: Client, query: Query, *, shows_bar: bool) -> Iterator[Page]:
    """Yield the listing as it arrives, in no order."""
    return pages_of(client, query.scope, ListingStats(), ListingOptions(query.parallelism, shows_bar=shows_bar))


def listing(client: Client, query: Query, *, shows_bar: bool) -> Listing:
    """Return the listing in the order of names; raises NothingFound where a prefix has none."""
    found = list(pages(client, query, shows_bar=shows_bar))
    if query.place.prefix and not any(page.count for page in found):
        raise NothingFound(str(query.place))
    return whole_listing(query.place.bucket, found, tuple(query.fields))


def levels(client: Client, query: Query) -> Iterator[LevelPage]:
    """Yield one level of the bucket, in order."""
    if client.access is None:
        raise TypeError("a command's client is always a plain one")
    return list_level(client.access, query.scope, rule_of(client.retry))
