"""Translate between one level of a bucket and objects.list messages with a delimiter."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from dataflux_core._wire.listing import MAX_PAGE_OBJECTS, Scope, asked_names, page_decoder, page_of_items
from dataflux_core._wire.message import Request
from dataflux_core._wire.page import Page


class LevelPage(msgspec.Struct, frozen=True):
    """One answer: the objects of this level with the prefixes, each ending in "/", that lead to the next."""

    page: Page
    prefixes: list[str]
    next_token: str
    left_out: int = 0  # objects of this level that the scope does not want


def level_request(scope: Scope, token: str = "") -> Request:
    """Ask for one page of what lies below the scope's prefix, down to the next "/".

    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
    """
    query = {
        "delimiter": "/",
        "maxResults": str(MAX_PAGE_OBJECTS),
        "projection": "noAcl",
        "prettyPrint": "false",
        "fields": f"items({','.join(asked_names(scope))}),prefixes,nextPageToken",
        "prefix": scope.prefix,
        "pageToken": token,
        "userProject": scope.user_project,
    }
    parts = [f"{key}={quote(value, safe='(),')}" for key, value in query.items() if value]
    return Request("GET", f"/storage/v1/b/{quote(scope.bucket, safe='')}/o?{'&'.join(parts)}")


def read_level(scope: Scope, body: bytes) -> LevelPage:
    """Decode the body of a 200 answer; raises msgspec.DecodeError where it is no such thing."""
    token, items, prefixes = page_decoder(asked_names(scope))(body)
    page = page_of_items(scope, items)
    return LevelPage(page, prefixes, token, len(items) - page.count)
