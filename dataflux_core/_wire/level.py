"""Translate between one level of a bucket and objects.list messages with a delimiter."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from dataflux_core._wire.listing import MAX_PAGE_OBJECTS, Scope, page_of_items
from dataflux_core._wire.message import Request
from dataflux_core._wire.page import NUMBER_FIELDS, TEXT_FIELDS, Page


class LevelPage(msgspec.Struct, frozen=True):
    """One answer: the objects of this level with the prefixes, each ending in "/", that lead to the next."""

    page: Page
    prefixes: list[str]
    next_token: str


class _Item(msgspec.Struct, gc=False):
    name: str
    size: int = 0
    storageClass: str = ""  # noqa: N815 - the service's own spelling, here and below
    generation: int = 0
    metageneration: int = 0
    crc32c: str = ""
    md5Hash: str = ""  # noqa: N815
    contentEncoding: str = ""  # noqa: N815
    contentType: str = ""  # noqa: N815
    updated: str = ""
    etag: str = ""


class _Level(msgspec.Struct):
    items: list[_Item] = []
    prefixes: list[str] = []
    nextPageToken: str = ""  # noqa: N815 - the service's own spelling


_decoder = msgspec.json.Decoder(_Level, strict=False)  # numbers arrive as JSON strings


def level_request(scope: Scope, token: str = "") -> Request:
    """Ask for one page of what lies below the scope's prefix, down to the next "/".

    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
    """
    known = {**NUMBER_FIELDS, **TEXT_FIELDS}
    wanted = dict.fromkeys(["name", "size", "storageClass", *(known[field] for field in scope.fields)])
    query = {
        "delimiter": "/",
        "maxResults": str(MAX_PAGE_OBJECTS),
        "projection": "noAcl",
        "prettyPrint": "false",
        "fields": f"items({','.join(wanted)}),prefixes,nextPageToken",
        "prefix": scope.prefix,
        "pageToken": token,
        "userProject": scope.user_project,
    }
    parts = [f"{key}={quote(value, safe='(),')}" for key, value in query.items() if value]
    return Request("GET", f"/storage/v1/b/{quote(scope.bucket, safe='')}/o?{'&'.join(parts)}")


def read_level(scope: Scope, body: bytes) -> LevelPage:
    """Decode the body of a 200 answer; raises msgspec.DecodeError where it is no such thing."""
    level = _decoder.decode(body)
    return LevelPage(page_of_items(scope, level.items), level.prefixes, level.nextPageToken)
