"""Hold one page of a listing as columns."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataflux_core._plan.listing import KeyRange

TEXT_SEPARATOR = "\n"  # no object name holds one: https://cloud.google.com/storage/docs/objects#naming
_ROW = b"\n"

# GCS's own names of the optional fields, by the name that this package gives them.
TEXT_FIELDS = {
    "crc32c": "crc32c",
    "md5": "md5Hash",
    "content_encoding": "contentEncoding",
    "content_type": "contentType",
    "updated": "updated",
    "storage_class": "storageClass",
    "etag": "etag",
    "time_created": "timeCreated",
    "time_deleted": "timeDeleted",
    "soft_delete_time": "softDeleteTime",
    "hard_delete_time": "hardDeleteTime",
    "custom_time": "customTime",
    "cache_control": "cacheControl",
    "content_disposition": "contentDisposition",
    "content_language": "contentLanguage",
    "kms_key_name": "kmsKeyName",
    "metadata": "metadata",
}
FLAG_FIELDS = {"temporary_hold": "temporaryHold", "event_based_hold": "eventBasedHold"}  # 1 or 0
NUMBER_FIELDS = {
    "generation": "generation",
    "metageneration": "metageneration",
    "component_count": "componentCount",
    **FLAG_FIELDS,
}
ALWAYS_THERE = ("name", "size")
SERVICE_NAMES = {**NUMBER_FIELDS, **TEXT_FIELDS}
FIELDS = tuple(SERVICE_NAMES)
_BY_SERVICE_NAME = {theirs: ours for ours, theirs in SERVICE_NAMES.items()}


class Page(msgspec.Struct, frozen=True, gc=False):
    """Objects of one page, as packed columns in name order, that cross a process boundary without being unpacked.

    `names`, and each text column, is UTF-8 joined by newlines; `sizes`, and each number column, is native int64. A
    newline within a text, which no header can hold, has become a space.
    """

    count: int
    names: bytes
    sizes: bytes  # (count,) int64, bytes of each object
    texts: dict[str, bytes] = {}
    numbers: dict[str, bytes] = {}

    def name_list(self) -> list[str]:
        return self.names.decode().split(TEXT_SEPARATOR) if self.count else []

    def name_bytes(self) -> list[bytes]:
        """Return the names in UTF-8, which sorts as they do."""
        return self.names.split(_ROW) if self.count else []

    @property
    def last_name(self) -> bytes:
        return self.names[self.names.rfind(_ROW) + 1 :]

    def size_list(self) -> list[int]:
        return int64s(self.sizes).tolist()

    def text_list(self, field: str) -> list[str]:
        return self.texts[field].decode().split(TEXT_SEPARATOR) if self.count else []

    def rows(self, start: int, stop: int) -> Page:
        """Return rows `start` to `stop` as a page of their own."""
        if start <= 0 and stop >= self.count:
            return self
        width = 8
        return Page(
            max(0, stop - start),
            _text_rows(self.names, start, stop),
            self.sizes[start * width : stop * width],
            {key: _text_rows(column, start, stop) for key, column in self.texts.items()},
            {key: column[start * width : stop * width] for key, column in self.numbers.items()},
        )

    def picked(self, rows: Sequence[int]) -> Page:
        """Return some rows, given in order, as a page of their own."""
        if len(rows) == self.count:
            return self
        return Page(
            len(rows),
            _text_picked(self.names, rows),
            _numbers_picked(self.sizes, rows),
            {key: _text_picked(column, rows) for key, column in self.texts.items()},
            {key: _numbers_picked(column, rows) for key, column in self.numbers.items()},
        )

    def between(self, after: str | None, end: str | None) -> Page:
        """Return the rows whose names are above `after` but below `end`."""
        names = self.name_list()
        start = 0 if after is None else bisect_right(names, after)
        stop = self.count if end is None else bisect_left(names, end)
        return self.rows(start, max(start, stop))

    def parts(self, ranges: Sequence[KeyRange]) -> list[Page]:
        """Return the rows of each of some ranges as a page of its own."""
        names, width = self.name_list(), 8
        texts = {key: column.split(_ROW) for key, column in self.texts.items()}
        pages = []
        for key_range in ranges:
            start = bisect_left(names, key_range.start)
            stop = self.count if key_range.end is None else bisect_left(names, key_range.end)
            pages.append(
                Page(
                    stop - start,
                    TEXT_SEPARATOR.join(names[start:stop]).encode(),
                    self.sizes[start * width : stop * width],
                    {key: _ROW.join(column[start:stop]) for key, column in texts.items()},
                    {key: column[start * width : stop * width] for key, column in self.numbers.items()},
                )
            )
        return pages


def pack_names(names: Sequence[str]) -> bytes:
    """Join names; raises msgspec.DecodeError where one would become two."""
    column = TEXT_SEPARATOR.join(names).encode()
    if column.count(_ROW) >= max(1, len(names)):
        raise msgspec.DecodeError("a name holds a newline")
    return column


def pack_text(values: Sequence[str]) -> bytes:
    column = TEXT_SEPARATOR.join(values).encode()
    if column.count(_ROW) < max(1, len(values)):
        return column
    # As https://www.rfc-editor.org/rfc/rfc9110#section-5.5 lets a recipient do: no row may become two.
    return TEXT_SEPARATOR.join([value.replace(TEXT_SEPARATOR, " ") for value in values]).encode()


def pack_numbers(values: Sequence[int]) -> bytes:
    """Pack numbers; raises msgspec.DecodeError where one is larger than any the service has."""
    try:
        return array("q", values).tobytes()
    except OverflowError as error:
        raise msgspec.DecodeError("a number has more than 64 bits") from error


def canonical_field(field: str) -> str:
    """Return the name that this package gives a field; what is none stays as it is."""
    return _BY_SERVICE_NAME.get(field, field)


def canonical_fields(fields: Iterable[str]) -> tuple[str, ...]:
    """Return each field once, by the name that this package gives it; raises InvalidArgument.

    Name and size come with every object, so that they are no fields, nor a mistake.
    """
    if isinstance(fields, str) or not isinstance(fields, Iterable):
        raise InvalidArgument("fields", repr(fields), "a list of fields")
    named = [canonical_field(field) for field in fields if field not in ALWAYS_THERE]
    for field in named:
        if field not in SERVICE_NAMES:
            raise InvalidArgument("fields", repr(field), f"some of {', '.join(FIELDS)}")
    return tuple(dict.fromkeys(named))


def int64s(column: bytes) -> memoryview[int]:
    """View a number column as its integers, without a copy."""
    return memoryview(column).cast("q")


def _text_rows(column: bytes, start: int, stop: int) -> bytes:
    return _ROW.join(column.split(_ROW)[start:stop])


def _text_picked(column: bytes, rows: Sequence[int]) -> bytes:
    values = column.split(_ROW) if rows else []
    return _ROW.join([values[row] for row in rows])


def _numbers_picked(column: bytes, rows: Sequence[int]) -> bytes:
    values = int64s(column)
    return array("q", [values[row] for row in rows]).tobytes()


def joined(pages: Sequence[Page]) -> Page:
    """Join pages that follow each other, with the same columns."""
    pages = [page for page in pages if page.count]
    if len(pages) < 2:  # noqa: PLR2004 - nothing to join
        return pages[0] if pages else Page(0, b"", b"")
    return Page(
        sum(page.count for page in pages),
        _ROW.join([page.names for page in pages]),
        b"".join([page.sizes for page in pages]),
        {key: _ROW.join([page.texts[key] for page in pages]) for key in pages[0].texts},
        {key: b"".join([page.numbers[key] for page in pages]) for key in pages[0].numbers},
    )


def page_of(
    names: Sequence[str], sizes: Sequence[int], columns: Mapping[str, Sequence[str] | Sequence[int]] | None = None
) -> Page:
    """Pack parallel sequences into a page."""
    texts: dict[str, bytes] = {}
    numbers: dict[str, bytes] = {}
    for key, values in (columns or {}).items():
        if key in NUMBER_FIELDS:
            numbers[key] = pack_numbers(values)  # type: ignore[arg-type]
        else:
            texts[key] = pack_text(values)  # type: ignore[arg-type]
    return Page(len(names), pack_names(names), pack_numbers(sizes), texts, numbers)
