"""Folders on the wire: what is asked, what is read."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from dataflux_core._plan.listing import KeyRange, Span
from dataflux_core._wire.listing import Scope, list_request, read_page
from dataflux_core._wire.page import Page, page_of


def query_of(target: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(target).query, strict_parsing=True)


def test_a_folder_is_asked_for_with_a_delimiter() -> None:
    query = query_of(list_request(Scope("b", "a"), Span(0, "a/b/c", "a/b/x", folder="a/b/")).target)
    assert (query["prefix"], query["delimiter"]) == (["a/b/"], ["/"])
    assert (query["startOffset"], query["endOffset"]) == (["a/b/c"], ["a/b/x"])
    assert query["fields"] == ["items(name,size,storageClass),nextPageToken,prefixes"]


def test_a_folder_listed_from_its_start_needs_no_offset() -> None:
    query = query_of(list_request(Scope("b"), Span(0, "a/b/", None, folder="a/b/")).target)
    assert not {"startOffset", "endOffset"} & query.keys()


def test_a_listing_without_folders_asks_for_nothing_more() -> None:
    assert not {"delimiter", "prefix"} & query_of(list_request(Scope("b"), Span(0, "", None)).target).keys()


def test_a_glimpse_is_a_short_page() -> None:
    query = query_of(list_request(Scope("b"), Span(0, "a/", "a0", most_objects=100)).target)
    assert query["maxResults"] == ["100"]


def test_folders_come_with_a_page() -> None:
    assert read_page(Scope("b"), b'{"prefixes":["a/","b/"]}').prefixes == ("a/", "b/")
    assert read_page(Scope("b"), b"{}").prefixes == ()


@pytest.mark.parametrize("prefixes", [b'["b/","a/"]', b'["a/","a/"]'])
def test_folders_out_of_order_are_no_page(prefixes: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_page(Scope("b"), b'{"prefixes":%s}' % prefixes)


def test_parts_of_a_page_are_its_rows_in_some_ranges() -> None:
    names = ["a", "b", "c", "d", "e"]
    page = page_of(names, [0, 1, 2, 3, 4], {"etag": ["v", "w", "x", "y", "z"], "generation": [5, 6, 7, 8, 9]})
    parts = page.parts([KeyRange("", "b"), KeyRange("b\0", "d"), KeyRange("d", "d"), KeyRange("d0", None)])
    assert [rows_of(part) for part in parts] == [
        [("a", 0, "v", 5)],
        [("c", 2, "x", 7)],
        [],
        [("e", 4, "z", 9)],
    ]


def rows_of(page: Page) -> list[tuple[str, int, str, int]]:
    generations = memoryview(page.numbers["generation"]).cast("q").tolist()
    return list(zip(page.name_list(), page.size_list(), page.text_list("etag"), generations, strict=True))
