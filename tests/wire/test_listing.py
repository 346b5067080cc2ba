"""From a span to a request, from an answer to columns."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.listing import Span
from dataflux_core._wire.listing import FetchedPage, Scope, list_request, read_page


def query_of(scope: Scope, span: Span) -> dict[str, list[str]]:
    return parse_qs(urlsplit(list_request(scope, span).target).query, strict_parsing=True)


def test_a_request_asks_for_narrow_items_with_their_token() -> None:
    query = query_of(Scope("b"), Span(0, "", None))
    assert query == {
        "maxResults": ["5000"],
        "projection": ["noAcl"],
        "prettyPrint": ["false"],
        "fields": ["items(name,size,storageClass),nextPageToken"],
    }


def test_a_request_names_its_span_exactly() -> None:
    query = query_of(Scope("b", "p&=%/"), Span(0, "a b+c", "é漢😀", "tok=="))
    assert (query["prefix"], query["startOffset"], query["endOffset"]) == (["p&=%/"], ["a b+c"], ["é漢😀"])
    assert query["pageToken"] == ["tok=="]


def test_optional_fields_are_asked_for_by_the_services_names() -> None:
    scope = Scope("b", fields=("md5", "generation", "storage_class"), storage_classes=None)
    assert query_of(scope, Span(0, "", None))["fields"] == [
        "items(name,size,md5Hash,generation,storageClass),nextPageToken"
    ]


def page(scope: Scope, items: list[dict[str, str]], token: str = "") -> FetchedPage:
    answer: dict[str, object] = {"items": items, "nextPageToken": token} if token else {"items": items}
    return read_page(scope, json.dumps(answer).encode())


def item(name: str, storage_class: str = "STANDARD") -> dict[str, str]:
    return {"name": name, "size": "7", "storageClass": storage_class, "generation": "1700000000000001"}


def test_numbers_come_as_text_and_become_numbers() -> None:
    fetched = page(Scope("b", fields=("generation",)), [item("a")], "t")
    assert fetched.page.name_list() == ["a"]
    assert fetched.page.size_list() == [7]
    assert list(memoryview(fetched.page.numbers["generation"]).cast("q")) == [1700000000000001]
    assert fetched.next_token == "t"  # noqa: S105 - a page token


@pytest.mark.parametrize("body", [b"{}", b'{"kind":"storage#objects"}', b'{"items":[]}'])
def test_a_page_without_items_is_empty(body: bytes) -> None:
    fetched = read_page(Scope("b"), body)
    assert (fetched.count, fetched.page.count, fetched.next_token) == (0, 0, "")


@pytest.mark.parametrize("names", [["b", "a"], ["a", "a"], ["a", "c", "b", "d"]])
def test_names_that_do_not_ascend_are_no_page(names: list[str]) -> None:
    with pytest.raises(msgspec.DecodeError, match="ascending"):
        page(Scope("b"), [item(name) for name in names])


def test_the_project_that_pays_is_named() -> None:
    assert query_of(Scope("b", user_project="payer"), Span(0, "", None))["userProject"] == ["payer"]


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"items":[{"name":5}]}', b'{"items":[{"size":"x","name":"a"}]}'])
def test_what_is_no_page_is_an_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_page(Scope("b"), body)


@pytest.mark.parametrize(
    ("scope", "kept"),
    [
        pytest.param(Scope("b"), ["a", "z"], id="by default"),
        pytest.param(Scope("b", storage_classes=None), ["a", "cold", "z"], id="all classes"),
        pytest.param(Scope("b", skip_composed=False), ["a", "dataflux-composed-objects/t", "z"], id="temporaries too"),
        pytest.param(Scope("b", skip_directories=False), ["a", "d/", "z"], id="directory markers too"),
    ],
)
def test_what_is_left_out(scope: Scope, kept: list[str]) -> None:
    items = [item("a"), item("cold", "COLDLINE"), item("d/"), item("dataflux-composed-objects/t"), item("z")]
    fetched = page(scope, items)
    assert fetched.page.name_list() == kept
    assert (fetched.count, fetched.first, fetched.last) == (5, "a", "z")


CLASSES = st.sampled_from(["STANDARD", "NEARLINE", "COLDLINE"])


@given(st.lists(CLASSES, max_size=6), st.frozensets(CLASSES, max_size=3), st.booleans())
def test_exactly_the_wanted_storage_classes_are_kept(
    classes: list[str], wanted: frozenset[str], in_a_column: bool
) -> None:
    items = [item(f"{number}", storage_class) for number, storage_class in enumerate(classes)]
    fields = ("storage_class",) if in_a_column else ()
    fetched = page(Scope("b", fields=fields, storage_classes=tuple(sorted(wanted))), items)
    kept = [(f"{number}", found) for number, found in enumerate(classes) if found in wanted]
    assert fetched.page.name_list() == [name for name, _ in kept]
    assert fetched.count == len(classes)
    if in_a_column:
        assert fetched.page.text_list("storage_class") == [found for _, found in kept]


WHOLE = json.dumps({"items": [item(name) for name in "abc"], "nextPageToken": "token"}, separators=(",", ":")).encode()


def test_whichever_byte_of_a_page_is_flipped_nothing_is_lost() -> None:
    """What a flip makes of ASCII is none: no text may hold it, nor may a key be missing or unknown."""
    for place in range(len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[place] ^= 0xFF
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            read_page(Scope("b", fields=("generation",)), bytes(damaged))


@pytest.mark.parametrize("number", ["size", "generation"])
def test_a_number_of_more_than_64_bits_is_no_page(number: str) -> None:
    with pytest.raises(msgspec.DecodeError, match="64 bits"):
        page(Scope("b", fields=("generation",)), [{**item("a"), number: str(1 << 63)}])


def test_an_object_without_a_name_is_no_page() -> None:
    with pytest.raises(msgspec.DecodeError, match="no name"):
        page(Scope("b"), [item(""), item("a")])


def test_a_page_of_which_nothing_is_wanted_still_tells_where_it_was() -> None:
    fetched = page(Scope("b"), [item("cold", "COLDLINE")], "t")
    assert (fetched.page.count, fetched.count, fetched.last) == (0, 1, "cold")


def test_the_sample_of_a_page_is_spread_over_it() -> None:
    fetched = page(Scope("b"), [item(f"{number:04d}") for number in range(5000)])
    assert len(fetched.sample) == 25
    assert fetched.sample[0] == "0000"
    assert fetched.sample[-1] > "4900"
