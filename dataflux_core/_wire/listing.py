"""Translate between spans of the namespace and objects.list messages."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from operator import le, lt
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import msgspec

from dataflux_core._plan.selection import Selection
from dataflux_core._wire.items import item_type, values_of
from dataflux_core._wire.message import Request
from dataflux_core._wire.page import SERVICE_NAMES, Page, page_of
from dataflux_core._wire.selection import chosen, query_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflux_core._plan.listing import Span

COMPOSED_PREFIX = "dataflux-composed-objects/"
# The documentation says 1000; the service sends up to 5000 where projection is noAcl. More is never assumed.
MAX_PAGE_OBJECTS = 5000
SAMPLED_NAMES = 24


class Scope(msgspec.Struct, frozen=True):
    """What a listing asks for, the same for each of its requests."""

    bucket: str
    prefix: str = ""
    fields: tuple[str, ...] = ()
    storage_classes: tuple[str, ...] | None = ("STANDARD",)  # None: all
    skip_composed: bool = True
    skip_directories: bool = True  # names that end in "/"
    user_project: str = ""
    selection: Selection = Selection()

    @property
    def asked_fields(self) -> tuple[str, ...]:
        """The optional fields that the service is asked for: the caller's, then what the selection is judged by."""
        if self.selection.judges_times and "updated" not in self.fields:
            return (*self.fields, "updated")
        return self.fields


class FetchedPage(msgspec.Struct, frozen=True):
    """One answer of objects.list: the kept objects as columns, with what the planner needs of the rest."""

    page: Page
    count: int  # objects received, before filters
    first: str
    last: str
    sample: tuple[str, ...]
    next_token: str
    received_bytes: int


class Item(Protocol):
    """What is used of one decoded object resource."""

    name: str
    size: int
    storageClass: str  # noqa: N815 - the service's own spelling
    updated: str


def list_request(scope: Scope, span: Span, *, max_objects: int = MAX_PAGE_OBJECTS) -> Request:
    """Ask for one page of narrow items.

    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
    """
    parts = [
        f"/storage/v1/b/{quote(scope.bucket, safe='')}/o?maxResults={max_objects}&projection=noAcl&prettyPrint=false",
        f"fields=items({','.join(_service_names(scope))}),nextPageToken",
    ]
    for key, value in (
        ("prefix", scope.prefix),
        ("startOffset", span.start),
        ("endOffset", span.end),
        ("pageToken", span.token),
        ("userProject", scope.user_project),
        *query_of(scope.selection),
    ):
        if value:
            parts.append(f"{key}={quote(value, safe='')}")
    return Request("GET", "&".join(parts))


def read_page(scope: Scope, body: bytes) -> FetchedPage:
    """Decode the body of a 200 answer; raises msgspec.DecodeError where it is no such thing."""
    token, items = _decoder(scope.asked_fields)(body)
    sample = tuple(item.name for item in items[:: max(1, len(items) // SAMPLED_NAMES)])
    names = [item.name for item in items]
    ascends = le if scope.selection.names_repeat else lt
    if not all(map(ascends, names, islice(names, 1, None))):
        raise msgspec.DecodeError("names are not in ascending order")
    first, last = (names[0], names[-1]) if names else ("", "")
    return FetchedPage(page_of_items(scope, items), len(items), first, last, sample, token, len(body))


def page_of_items(scope: Scope, items: Sequence[Item]) -> Page:
    """Pack the items that the scope wants."""
    kept = keep(scope, items)
    columns = {field: values_of(kept, field) for field in scope.fields}
    return page_of([item.name for item in kept], [item.size for item in kept], columns)


def keep(scope: Scope, items: Sequence[Item]) -> Sequence[Item]:
    """Leave out what the scope does not want: what is not selected, temporaries, directory markers."""
    if scope.selection.judges_objects:
        items = chosen(scope.selection, items)
    if scope.storage_classes is not None:
        allowed = frozenset(scope.storage_classes)
        if not allowed.issuperset([item.storageClass for item in items]):
            items = [item for item in items if item.storageClass in allowed]
    if not items:
        return items
    if scope.skip_composed and items[0].name < COMPOSED_PREFIX + "\U0010ffff" and items[-1].name >= COMPOSED_PREFIX:
        items = [item for item in items if not item.name.startswith(COMPOSED_PREFIX)]
    if scope.skip_directories and any([item.name[-1] == "/" for item in items]):  # noqa: C419 - a list is faster here
        items = [item for item in items if item.name[-1] != "/"]
    return items


def _service_names(scope: Scope) -> list[str]:
    wanted = ["name", "size"]
    if scope.storage_classes is not None:
        wanted.append("storageClass")
    return list(dict.fromkeys([*wanted, *map(SERVICE_NAMES.__getitem__, scope.asked_fields)]))


@lru_cache(maxsize=32)
def _decoder(fields: tuple[str, ...]) -> Callable[[bytes], tuple[str, list[Item]]]:
    """Return a function that decodes a page into its token and items; numbers arrive as JSON strings."""
    item = item_type(fields)
    answer = msgspec.defstruct(
        "answer",
        [("items", list[item], msgspec.field(default_factory=list)), ("nextPageToken", str, "")],  # type: ignore[valid-type]
    )
    decoder = msgspec.json.Decoder(answer, strict=False)

    def decode(body: bytes) -> tuple[str, list[Item]]:
        value = decoder.decode(body)
        return value.nextPageToken, value.items  # type: ignore[attr-defined]

    return decode
