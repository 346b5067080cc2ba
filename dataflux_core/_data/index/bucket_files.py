"""Find index files or directories in a bucket on Google Cloud Storage; bring files here."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dataflux_core._data.index.scratch import written
from dataflux_core._data.listing import Listing, whole_listing
from dataflux_core._data.tables import table_of
from dataflux_core._data.target_tree import checksum_of
from dataflux_core._plan.columns import columns_of
from dataflux_core._plan.selection import Selection
from dataflux_core._run.advice import advising_datasets
from dataflux_core._run.client_source import given_client
from dataflux_core._run.listing.calls import pages_of
from dataflux_core._run.listing.observer import ListingStats
from dataflux_core._run.listing.options import ListingOptions
from dataflux_core._run.reading.client_reader import ClientReader
from dataflux_core._run.reading.direct import bytes_of
from dataflux_core._run.reading.options import ReadOptions
from dataflux_core._run.reading.pieces import read_pieces
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.retries import rule_of
from dataflux_core._wire.listing import Scope
from dataflux_core._wire.objects import crc32c_number, crc32c_text
from dataflux_core.errors import ChecksumMismatch, ObjectNotFound

if TYPE_CHECKING:
    from pathlib import Path

    from dataflux_core._run.client_source import ClientSource
    from dataflux_core._run.clients import Client

_PARALLELISM = 64  # ranges listed at once
_FIELDS = ("generation", "crc32c")


class BucketFiles:
    """Files of one bucket, listed and read by a client that is made when it is first needed."""

    def __init__(self, bucket: str, client: ClientSource, *, shows_bar: bool = False) -> None:
        self._bucket = bucket
        self._given = client
        self._shows_bar = shows_bar
        self._client: Client | None = None

    def files_below(self, directory: str) -> pa.Table:
        """Return name (below the directory), size, crc32c, generation of every object; raises DatafluxError."""
        listing = self._listed(directory)
        return _without_prefix(table_of(listing.pages, listing.fields), len(directory))

    def matches(self, wildcard: str, fixed: str) -> list[str]:
        """Return the names that match, in their order."""
        return self._listed(fixed, Selection(match_glob=wildcard)).names

    def fetch(self, name: str, path: Path) -> None:
        """Write an object to a file, checked; raises ObjectNotFound or another DatafluxError."""
        found = self._listed(name, Selection(start_offset=name, end_offset=f"{name}\0"))
        if not len(found):
            raise ObjectNotFound(self._bucket, name)
        self._read(found, path)

    def _read(self, found: Listing, path: Path) -> None:
        client, objects, stats = self._opened(), columns_of(found), DownloadStats()
        options = ReadOptions(rule=rule_of(client.retry), strategy="direct")
        with advising_datasets(), written(path) as aside, aside.open("wb") as file:
            if client.access is None:
                reader = ClientReader(client.client, self._bucket, client.retry, options, stats)
                for group in reader.read(objects):
                    file.writelines(bytes_of(group.parts))
            else:
                with closing(read_pieces(client.access, self._bucket, objects, options, stats)) as pieces:
                    for piece in pieces:
                        file.seek(piece.start)
                        file.write(piece.content)
            file.flush()
            self._check(found, aside)

    def _check(self, found: Listing, path: Path) -> None:
        listed = found.column("crc32c")[0]
        with path.open("rb") as file:
            value = checksum_of(file.fileno())
        if listed and value != crc32c_number(str(listed)):
            raise ChecksumMismatch(found.names[0], str(listed), crc32c_text(value))

    def _listed(self, prefix: str, selection: Selection | None = None) -> Listing:
        scope = Scope(self._bucket, prefix, _FIELDS, storage_classes=None, selection=selection or Selection())
        options = ListingOptions(_PARALLELISM, shows_bar=self._shows_bar)
        with advising_datasets():
            pages = list(pages_of(self._opened(), scope, ListingStats(), options))
        return whole_listing(self._bucket, pages, _FIELDS)

    def _opened(self) -> Client:
        if self._client is None:
            from dataflux_core._run.clients import MODIFIED_RETRY, client_of  # noqa: PLC0415 - slow import

            self._client = client_of(given_client(self._given), None, MODIFIED_RETRY)
        return self._client


def _without_prefix(files: pa.Table, length: int) -> pa.Table:
    """Cut so many characters off each name."""
    if not length:
        return files

    # Not binary_slice, which fails for values that are shorter than what is cut off.
    cut = pc.utf8_slice_codeunits(files.column("name"), length)
    return files.set_column(files.column_names.index("name"), "name", cut)
