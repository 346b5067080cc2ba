"""Make streams of the URLs that an index of samples names."""

from __future__ import annotations

import re
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dataflux_core._data.flare.creating import Chunks, joined, stem_and_ending, stream_of_samples
from dataflux_core._data.index.rows import missing
from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._plan.sample_names import ID
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dataflux_core._data.flare.creating import Said
    from dataflux_core._data.index.sample_index import SampleIndex
    from dataflux_core._wire.flare.streams import StreamSpec

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WEB = ("http://", "https://")
_SIZE, _CRC32C = ".size", ".crc32c"
_LOOKED_AT = 1000  # rows


def streams_of_index(
    index: SampleIndex, url_of: Callable[[str], str], said: Said, columns: Sequence[str] | None = None, source: str = ""
) -> list[StreamSpec]:
    """Make a stream of each column of URLs, of those in `columns` alone where these are given.

    `url_of` says where an object gs://bucket/name is on the web. Where no value is missing, the streams share a key,
    for their records come in the order of the rows. Raises IndexUnusable.
    """
    if columns is None:
        columns = _columns_of_urls(index)
        if not columns:
            raise IndexUnusable(source, "no column of it holds URLs", "name some with --columns, or mend the index")
    for column in columns:
        if column not in index.columns:
            raise IndexUnusable(source, f"it has no column {column!r}, {missing(index.columns)}", "correct --columns")
    found = {column: _chunks(index, column, _Places(url_of, said.base_url, source, column)) for column in columns}
    tied = len(found) > 1 and all(len(chunks.urls) == len(index) for chunks in found.values())
    return [stream_of_samples(column, chunks, said, ID if tied else "") for column, chunks in found.items()]


class _Places:
    """What the values of one column mean on the web."""

    def __init__(self, url_of: Callable[[str], str], base_url: str, source: str, column: str) -> None:
        self._url_of = url_of
        self._base_url = base_url
        self._source = source
        self._column = column

    def url(self, row: int, value: Any) -> str:  # noqa: ANN401 - whatever an index holds
        if isinstance(value, str) and value:
            if value.startswith(_WEB):
                return value
            if value.startswith("gs://"):
                return self._url_of(value)
            if self._base_url and not value.startswith("/") and not _SCHEME.match(value):
                return joined(self._base_url, value)
        shown = shown_url(value) if isinstance(value, str) else repr(value)[:80]
        problem = f"row {row}, column {self._column!r}: {shown} is not on the web"
        raise IndexUnusable(self._source, problem, "give https:// or gs://; with --base-url a path without / before it")


def _chunks(index: SampleIndex, column: str, places: _Places) -> Chunks:
    sizes_of, crc32cs_of = f"{column}{_SIZE}", f"{column}{_CRC32C}"
    urls, sizes, crc32cs, endings = list[str](), list[int](), list[str](), set[str]()
    for first, batch in _batches(index, [name for name in (column, sizes_of, crc32cs_of) if name in index.columns]):
        known = zip(_known(batch, sizes_of, int, UNKNOWN_SIZE), _known(batch, crc32cs_of, str, ""), strict=True)
        for row, (value, (size, crc32c)) in enumerate(zip(batch.column(column).to_pylist(), known, strict=True), first):
            if value is None:
                continue
            urls.append(places.url(row, value))
            sizes.append(size)
            crc32cs.append(crc32c)
            endings.add(stem_and_ending(value.partition("?")[0] if value.startswith(_WEB) else value)[1])
    return Chunks(urls, sizes, crc32cs, endings.pop() if len(endings) == 1 else "")


def _known(batch: pa.RecordBatch, column: str, kind: type[Any], unknown: Any) -> Iterable[Any]:  # noqa: ANN401 - as above
    if column not in batch.schema.names:
        return repeat(unknown, batch.num_rows)
    return (value if isinstance(value, kind) else unknown for value in batch.column(column).to_pylist())


def _batches(index: SampleIndex, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    first = 0
    for batch in index.batches(columns):
        yield first, batch
        first += batch.num_rows


def _columns_of_urls(index: SampleIndex) -> list[str]:
    """Return the columns whose first values are URLs."""
    first = next(iter(index.batches())).slice(0, _LOOKED_AT)
    found = []
    for name in first.schema.names:
        column = first.column(name)
        if pa.types.is_string(column.type) and name != ID:
            values = [value for value in column.to_pylist() if value]
            if values and _SCHEME.match(values[0]):
                found.append(name)
    return found
