"""Translate between spans of the namespace and objects.list messages."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from operator import lt
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import msgspec

from dataflux_core._wire.message import Request
from dataflux_core._wire.page import NUMBER_FIELDS, TEXT_FIELDS, Page, page_of

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


def list_request(scope: Scope, span: Span, *, max_objects: int = MAX_PAGE_OBJECTS) -> Request:
    """Ask for one page of narrow items.

    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
    """
    parts = [
        f"/storage/v1/b/{quote(scope.bucket, safe='')}/o?maxResults={max_objects}&projection=noAcl&prettyPrint=false",
        f"fields=items({','.join(_service_fields(scope))}),nextPageToken",
    ]
    for key, value in (
        ("prefix", scope.prefix),
        ("startOffset", span.start),
        ("endOffset", span.end),
        ("pageToken", span.token),
        ("userProject", scope.user_project),
    ):
        if value:
            parts.append(f"{key}={quote(value, safe='')}")
    return Request("GET", "&".join(parts))


def read_page(scope: Scope, body: bytes) -> FetchedPage:
    """Decode the body of a 200 answer; raises msgspec.DecodeError where it is no such thing."""
    token, items = _decoder(scope.fields)(body)
    sample = tuple(item.name for item in items[:: max(1, len(items) // SAMPLED_NAMES)])
    names = [item.name for item in items]
    if not all(map(lt, names, islice(names, 1, None))):
        raise msgspec.DecodeError("names are not in ascending order")
    first, last = (names[0], names[-1]) if names else ("", "")
    return FetchedPage(page_of_items(scope, items), len(items), first, last, sample, token, len(body))


def page_of_items(scope: Scope, items: Sequence[Item]) -> Page:
    """Pack the items that the scope wants."""
    kept = keep(scope, items)
    columns = {key: [getattr(item, _service_name(key)) for item in kept] for key in scope.fields}
    return page_of([item.name for item in kept], [item.size for item in kept], columns)


def keep(scope: Scope, items: Sequence[Item]) -> Sequence[Item]:
    """Leave out what the scope does not want: other storage classes, temporaries, directory markers."""
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


def _service_name(field: str) -> str:
    return NUMBER_FIELDS.get(field) or TEXT_FIELDS[field]


def _service_fields(scope: Scope) -> list[str]:
    wanted = ["name", "size"]
    if scope.storage_classes is not None:
        wanted.append("storageClass")
    return list(dict.fromkeys([*wanted, *map(_service_name, scope.fields)]))


@lru_cache(maxsize=32)
def _decoder(fields: tuple[str, ...]) -> Callable[[bytes], tuple[str, list[Item]]]:
    """Return a function that decodes a page into its token and items; numbers arrive as JSON strings."""
    members: list[tuple[str, type] | tuple[str, type, object]] = [
        ("name", str),
        ("size", int, 0),
        ("storageClass", str, ""),
    ]
    for field in fields:
        name = _service_name(field)
        if name != "storageClass":
            members.append((name, int, 0) if field in NUMBER_FIELDS else (name, str, ""))
    item = msgspec.defstruct("item", members, gc=False)
    answer = msgspec.defstruct(
        "answer",
        [("items", list[item], msgspec.field(default_factory=list)), ("nextPageToken", str, "")],  # type: ignore[valid-type]
    )
    decoder = msgspec.json.Decoder(answer, strict=False)

    def decode(body: bytes) -> tuple[str, list[Item]]:
        value = decoder.decode(body)
        return value.nextPageToken, value.items  # type: ignore[attr-defined]

    return decode
