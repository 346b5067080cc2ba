"""Open an index of samples."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from dataflux_core._data.index.csv_rows import csv_rows
from dataflux_core._data.index.given_tables import rows_in_memory, rows_of_table
from dataflux_core._data.index.grouping import OWN_INDEX, samples_of
from dataflux_core._data.index.json_rows import json_rows
from dataflux_core._data.index.mapped import MappedIndex, mapped
from dataflux_core._data.index.parquet_files import filtered, parquet_part, parquet_rows
from dataflux_core._data.index.parquet_index import parquet_index
from dataflux_core._data.index.places import Place, place_of, root_of
from dataflux_core._data.index.rows import Rows, check_columns, chosen, common_schema, first_rows, together
from dataflux_core._data.index.sample_index import Home, IndexOptions
from dataflux_core._data.index.scratch import Scratch
from dataflux_core._data.index.sources import Sources
from dataflux_core._data.listing import Listing
from dataflux_core._data.tables import table_of
from dataflux_core._plan.sample_names import ID
from dataflux_core.errors import IndexUnusable, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from dataflux_core._data.index.parquet_files import ParquetPart
    from dataflux_core._data.index.sample_index import SampleIndex
    from dataflux_core._run.client_source import ClientSource

log = logging.getLogger(__name__)

_OPTIONAL = ("generation", "crc32c")  # of a listing


def open_index(
    source: Any,  # noqa: ANN401 - whatever a caller gives
    options: IndexOptions | None = None,
    client: ClientSource = None,
    *,
    shows_bar: bool = False,
) -> SampleIndex:
    """Open a path, a URL, a directory, a Listing, or samples in memory; raises IndexUnusable or another DatafluxError.

    Files: CSV, JSON, Parquet, a wildcard of them, split_file_texts.txt. A directory that has an index.parquet of its
    own is what that says, unless it is to be listed anew. Local Parquet files are read as rows are asked for;
    everything else is copied once to a file that processes map. A remote file is brought here whole.
    """
    began_s = time.perf_counter()
    options = _checked(options or IndexOptions())
    opening = _Opening(options, client, shows_bar=shows_bar)
    if isinstance(source, (str, os.PathLike)):
        place = place_of(os.fspath(source))
        index = opening.directory(place) if _is_directory(place) else opening.files(place)
    elif isinstance(source, Listing):
        index = opening.listing(source)
    else:
        index = opening.copied(rows_in_memory(source))
    log.info("index.opened samples=%d elapsed_s=%.3f", len(index), time.perf_counter() - began_s)
    return index


def _is_directory(place: Place) -> bool:
    return place.is_directory and not place.is_wildcard


def _checked(options: IndexOptions) -> IndexOptions:
    """Refuse what cannot mean anything; raises InvalidArgument."""
    condition, most, columns = options.filter, options.max_samples, options.columns
    if condition is not None and not isinstance(condition, pc.Expression):
        example = "an expression such as pyarrow.compute.field('width') > 512"
        raise InvalidArgument("filter", repr(condition)[:80], example)
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise InvalidArgument("max_samples", repr(most), "a whole number of at least 1, or None")
    if columns is not None and (not isinstance(columns, tuple) or not columns or len(set(columns)) < len(columns)):
        raise InvalidArgument(
            "columns", repr(columns)[:80], "a tuple of different names of columns, at least one, or None"
        )
    return options


class _Opening:
    """One opening: what is asked for, where copies go."""

    def __init__(self, options: IndexOptions, client: ClientSource, *, shows_bar: bool) -> None:
        self._options = options
        self._root = root_of(options.root) if options.root else ""
        self._scratch = Scratch(options.scratch)
        self._sources = Sources(self._scratch, client, shows_bar=shows_bar)

    def directory(self, place: Place) -> SampleIndex:
        files, root = self._sources.files_below(place)
        if not self._options.lists_anew and pc.any(pc.equal(files.column("name"), OWN_INDEX)).as_py():
            return self.files(place_of(f"{root}{OWN_INDEX}"))
        return self._grouped(files, root, place.shown)

    def listing(self, listing: Listing) -> SampleIndex:
        if not self._root:
            raise InvalidArgument("root", "''", "where the names of the listing lie, such as root='gs://bucket'")
        base = self._root.rstrip("/")
        fields = [field for field in _OPTIONAL if field in listing.fields]
        files = table_of(listing.pages, fields)
        return self._grouped(files, f"{base}/", f"the listing of {base}")

    def files(self, place: Place) -> SampleIndex:
        places = self._sources.index_files(place)
        kinds = [each.kind for each in places]
        source = place.shown if len(places) == 1 or place.is_paths or place.is_wildcard else f"{len(places)} files"
        home = _home(place, places, self._root)
        if set(kinds) == {"parquet"}:
            parts = [parquet_part(self._sources.local(each), each.shown) for each in places]
            return self._parquet(parts, source, home)
        rows = [self._rows(each) for each in places]
        return self.copied(together(rows, source), home)

    def copied(self, rows: Rows, home: Home | None = None) -> SampleIndex:
        """Read all rows once, into a file that processes map."""
        options = self._options
        columns = self._columns(rows.schema, rows.source)
        # Which columns the filter needs, pyarrow does not tell.
        needed = columns if options.filter is None else tuple(rows.schema.names)
        batches = chosen(rows.read(needed), options.filter, columns, rows.source)
        return self._mapped(batches, rows, columns, home or Home(root=self._root))

    def _rows(self, place: Place) -> Rows:
        path = self._sources.local(place)
        if place.kind == "parquet":
            return parquet_rows(parquet_part(path, place.shown))
        return csv_rows(path, place.shown) if place.kind == "csv" else json_rows(path, place.shown)

    def _grouped(self, files: pa.Table, root: str, source: str) -> SampleIndex:
        table = samples_of(files, root, source)
        rows = rows_of_table(table, source)
        # Where the directory lies does not make it another.
        places = {name: len(root) for name in table.column_names if name != ID and "." not in name}
        return self.copied(
            Rows(source, rows.schema, rows.read, places), Home(root.rstrip("/"), "://" in root, self._root)
        )

    def _parquet(self, parts: Sequence[ParquetPart], source: str, home: Home) -> SampleIndex:
        options = self._options
        schemas = [(part.source, part.schema) for part in parts]
        schema = common_schema(schemas, source, options.columns)
        if options.filter is None:
            if not sum(part.rows for part in parts):
                raise _empty(source, filtered_out=False)
            return parquet_index(parts, schema, scratch=self._scratch, home=home, max_samples=options.max_samples)
        condition = options.filter
        batches = (batch for part in parts for batch in filtered(part, condition, schema))
        return self._mapped(batches, Rows(source, schema, lambda _: iter(())), tuple(schema.names), home)

    def _columns(self, schema: pa.Schema, source: str) -> tuple[str, ...]:
        columns = self._options.columns
        if columns is None:
            return tuple(schema.names)
        check_columns(schema, columns, source)
        return columns

    def _mapped(self, batches: Iterator[pa.RecordBatch], rows: Rows, columns: Sequence[str], home: Home) -> MappedIndex:
        schema = rows.schema.empty_table().select(list(columns)).schema
        kept = first_rows(batches, self._options.max_samples)
        places = {name: rows.places[name] for name in columns if name in rows.places}
        index = mapped(kept, schema, scratch=self._scratch, home=home, places=places)
        if not len(index):
            raise _empty(rows.source, filtered_out=self._options.filter is not None)
        return index


def _empty(source: str, *, filtered_out: bool) -> IndexUnusable:
    if filtered_out:
        return IndexUnusable(source, "the filter lets no sample through", "give another filter")
    return IndexUnusable(source, "there is no sample in it", "give an index with at least one sample")


def _home(place: Place, places: Sequence[Place], root: str) -> Home:
    """Return the directory of the files; where they lie in several, that of the wildcard or of the list of paths."""
    is_remote = any(each.scheme != "file" for each in places)
    parents = {each.parent for each in places}
    if len(parents) == 1:
        return Home(parents.pop(), is_remote, root)
    base = str(Place(place.scheme, place.bucket, place.fixed)).rstrip("/") if place.is_wildcard else place.parent
    return Home(base, is_remote, root, is_scattered=True)
