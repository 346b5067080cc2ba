"""Translate between spans of the namespace and objects.list messages."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from itertools import islice
from operator import le, lt
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import msgspec

from dataflux_core._plan.selection import Selection
from dataflux_core._wire.items import item_type, values_of
from dataflux_core._wire.message import Request
from dataflux_core._wire.page import SERVICE_NAMES, Page, pack_names, page_of
from dataflux_core._wire.selection import chosen, query_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dataflux_core._plan.listing import Span

COMPOSED_PREFIX = "dataflux-composed-objects/"
# The documentation says 1000; the service sends up to 5000 where projection is noAcl. More is never assumed.
MAX_PAGE_OBJECTS = 5000
SAMPLED_NAMES = 24
NOTHING = Page(0, b"", b"")


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
    prefixes: tuple[str, ...] = ()  # folders in the folder that was asked for
    dropped: Page = NOTHING  # the names that the scope does not want: which of them count depends on the range


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
    most = min(max_objects, span.most_objects or max_objects)
    parts = [
        f"/storage/v1/b/{quote(scope.bucket, safe='')}/o?maxResults={most}&projection=noAcl&prettyPrint=false",
        f"fields=items({','.join(asked_names(scope))}),nextPageToken",
    ]
    prefix, start = scope.prefix, span.start
    if span.folder is not None:
        # Not includeFoldersAsPrefixes: an empty folder would cost a call, the caller perhaps one more permission.
        parts[-1] += ",prefixes&delimiter=/"
        prefix, start = span.folder, start if start > span.folder else ""
    for key, value in (
        ("prefix", prefix),
        ("startOffset", start),
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
    (token, items, prefixes), classes_fit = _decode(scope, body)
    sample = tuple(item.name for item in items[:: max(1, len(items) // SAMPLED_NAMES)])
    names = [item.name for item in items]
    ascends = le if scope.selection.names_repeat else lt
    if not all(map(ascends, names, islice(names, 1, None))) or not all(map(lt, prefixes, islice(prefixes, 1, None))):
        raise msgspec.DecodeError("names are not in ascending order")
    if names and not names[0]:
        raise msgspec.DecodeError("an object has no name")
    first, last = (names[0], names[-1]) if names else ("", "")
    page, dropped = sorted_out(scope, items, names, classes_fit=classes_fit)
    return FetchedPage(page, len(items), first, last, sample, token, len(body), tuple(prefixes), dropped)


def sorted_out(
    scope: Scope, items: Sequence[Item], names: Sequence[str], *, classes_fit: bool = False
) -> tuple[Page, Page]:
    """Pack the items that the scope wants, then the names of the others; `names` are those of `items`.

    `classes_fit` tells that all classes are wanted.
    """
    kept = keep(scope, items, names, classes_fit=classes_fit)
    dropped = NOTHING
    if len(kept) < len(items):
        wanted = set(map(id, kept))  # a name may repeat
        others = [item.name for item in items if id(item) not in wanted]
        dropped = Page(len(others), pack_names(others), b"")
    return _packed(scope, kept, names if kept is items else [item.name for item in kept]), dropped


def page_of_items(scope: Scope, items: Sequence[Item]) -> Page:
    """Pack the items that the scope wants."""
    names = [item.name for item in items]
    kept = keep(scope, items, names, classes_fit=False)
    return _packed(scope, kept, names if kept is items else [item.name for item in kept])


def _packed(scope: Scope, kept: Sequence[Item], names: Sequence[str]) -> Page:
    columns = {field: values_of(kept, field) for field in scope.fields}
    return page_of(names, [item.size for item in kept], columns)


def keep(scope: Scope, items: Sequence[Item], names: Sequence[str], *, classes_fit: bool) -> Sequence[Item]:
    """Leave out what the scope does not want: what is not selected, temporaries, directory markers."""
    if scope.selection.judges_objects:
        items = chosen(scope.selection, items)
    if scope.storage_classes is not None and not classes_fit:
        allowed = frozenset(scope.storage_classes)
        if not allowed.issuperset([item.storageClass for item in items]):
            items = [item for item in items if item.storageClass in allowed]
    if not items:
        return items
    if scope.skip_composed and items[0].name < COMPOSED_PREFIX + "\U0010ffff" and items[-1].name >= COMPOSED_PREFIX:
        items = [item for item in items if not item.name.startswith(COMPOSED_PREFIX)]
    if scope.skip_directories and "/" in [name[-1] for name in names]:
        items = [item for item in items if item.name[-1] != "/"]
    return items


def asked_names(scope: Scope) -> tuple[str, ...]:
    """Return what is asked for of each object, by the service's names."""
    wanted = ["name", "size"]
    if scope.storage_classes is not None:
        wanted.append("storageClass")
    return tuple(dict.fromkeys([*wanted, *map(SERVICE_NAMES.__getitem__, scope.asked_fields)]))


def _decode(scope: Scope, body: bytes) -> tuple[tuple[str, list[Item], list[str]], bool]:
    """Return token, items, prefixes of a page; tell whether every item is of a wanted storage class."""
    asked = asked_names(scope)
    if scope.storage_classes is None:
        return page_decoder(asked)(body), True
    if scope.storage_classes:
        with suppress(msgspec.ValidationError):  # an item is of another class: all are decoded, then told apart
            return page_decoder(asked, scope.storage_classes)(body), True
    return page_decoder(asked)(body), False


@lru_cache(maxsize=32)
def page_decoder(
    asked: tuple[str, ...], classes: tuple[str, ...] | None = None
) -> Callable[[bytes], tuple[str, list[Item], list[str]]]:
    """Return a function that decodes a page into token, items, prefixes; numbers arrive as JSON strings."""
    item = item_type(asked, classes)
    # Nothing else may be there: a damaged `nextPageToken` would end a range before its end.
    answer = msgspec.defstruct(
        "answer",
        [
            ("items", list[item], msgspec.field(default_factory=list)),  # type: ignore[valid-type]
            ("nextPageToken", str, ""),
            ("prefixes", list[str], msgspec.field(default_factory=list)),
            ("kind", str, ""),
        ],
        forbid_unknown_fields=True,
    )
    decoder = msgspec.json.Decoder(answer, strict=False)

    def decode(body: bytes) -> tuple[str, list[Item], list[str]]:
        value = decoder.decode(body)
        return value.nextPageToken, value.items, value.prefixes  # type: ignore[attr-defined]

    return decode
