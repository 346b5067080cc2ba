from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core.emulator import Synthetic
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._listing import glob_pattern
from dataflux_core.emulator._names import name_fault, prefix_end
from tests.emulator.asking import API, Service

LETTERS = st.sampled_from(["a", "b", "/", "é", "ｚ", "😀", "\0", "\ud7ff", "\ue000", "%", " "])  # noqa: RUF001
TEXT = st.text(LETTERS, max_size=5)
NAMES = st.sets(st.text(LETTERS, min_size=1, max_size=5), max_size=30)


def expected(names: set[str], query: dict[str, Any]) -> tuple[list[str], list[str]]:
    """List by looking at every name."""
    found: list[str] = []
    folders: list[str] = []
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    for name in sorted(names, key=str.encode):
        inside = query.get("startOffset", "").encode() <= name.encode() and name.startswith(prefix)
        if not inside or (query.get("endOffset") and name.encode() >= query["endOffset"].encode()):
            continue
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        folder = name[: cut + len(delimiter)] if cut >= 0 else None
        if folder is None or (query.get("includeTrailingDelimiter") and folder == name):
            found.append(name)
        if folder is not None and folder not in folders:
            folders.append(folder)
    return found, folders


@given(
    names=NAMES,
    query=st.fixed_dictionaries(
        {},
        optional={
            "prefix": TEXT,
            "startOffset": TEXT,
            "endOffset": TEXT,
            "delimiter": st.sampled_from(["/", "a", "/b"]),
            "maxResults": st.integers(1, 7),
            "includeTrailingDelimiter": st.just("true"),
        },
    ),
)
def test_every_page_together_is_what_looking_at_each_name_gives(names: set[str], query: dict[str, Any]) -> None:
    names = {name for name in names if name_fault(name) is None}
    pages = Service(dict.fromkeys(names, b"")).pages(**query)
    listed = [item["name"] for page in pages for item in page.get("items", [])]
    folders = [folder for page in pages for folder in page.get("prefixes", [])]
    assert (listed, folders) == expected(names, query)
    longest = max(len(page.get("items", [])) + len(page.get("prefixes", [])) for page in pages)
    assert longest <= query.get("maxResults", 5000) + ("includeTrailingDelimiter" in query)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=40),
    st.fixed_dictionaries({}, optional={"maxResults": st.integers(1, 7), "delimiter": st.just("1")}),
)
def test_what_is_written_or_deleted_over_a_synthetic_bucket_shows(
    changes: list[tuple[bool, int]], query: dict[str, Any]
) -> None:
    synthetic = Synthetic("unpadded", 40, object_bytes=3)
    service = Service(synthetic)
    names = set(synthetic.names())
    for written, number in changes:
        name = f"object-{number}"
        if written:
            assert service.put(name, b"12345").status == 200
            names.add(name)
        else:
            status = service.ask("DELETE", f"{API}/{name}").status
            assert status == (204 if name in names else 404)
            names.discard(name)
    pages = service.pages(**query)
    listed = [item["name"] for page in pages for item in page.get("items", [])]
    folders = [folder for page in pages for folder in page.get("prefixes", [])]
    assert (listed, folders) == expected(names, query)


@given(TEXT, TEXT)
def test_a_prefix_ends_before_the_first_name_without_it(prefix: str, name: str) -> None:
    end = prefix_end(prefix)
    assert (prefix <= name and (end is None or name < end)) == name.startswith(prefix)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param({"startOffset": "b"}, ["b", "b/c", "d"], id="the start is inclusive"),
        pytest.param({"endOffset": "b/c"}, ["a", "b"], id="the end is exclusive"),
        pytest.param({"startOffset": "b", "endOffset": "b"}, [], id="an empty range lists nothing"),
        pytest.param({"prefix": "b", "startOffset": "b/"}, ["b/c"], id="a prefix narrows a range"),
        pytest.param({"delimiter": "/"}, ["a", "b", "d"], id="a delimiter folds what lies deeper"),
        pytest.param({"matchGlob": "**c"}, ["b/c"], id="two stars cross a slash"),
        pytest.param({"matchGlob": "*c"}, [], id="one star does not cross a slash"),
        pytest.param({"maxResults": "0"}, ["a", "b", "b/c", "d"], id="a limit of zero is no limit"),
    ],
)
def test_filters(query: dict[str, Any], names: list[str]) -> None:
    assert Service(dict.fromkeys(["a", "b", "b/c", "d"], b"")).names(**query) == names


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        pytest.param("a?c", "abc", "a/c", id="a question mark is one character of a segment"),
        pytest.param("[ab]x", "bx", "cx", id="brackets are a choice of characters"),
        pytest.param("[!ab]x", "cx", "ax", id="brackets may exclude"),
        pytest.param("*.{jpg,png}", "q.png", "q.gif", id="braces are alternatives"),
        pytest.param("a.c", "a.c", "abc", id="a full stop is itself"),
    ],
)
def test_globs(glob: str, yes: str, no: str) -> None:
    assert glob_pattern(glob).fullmatch(yes)
    assert not glob_pattern(glob).fullmatch(no)


def test_a_page_is_capped_whatever_is_asked_for() -> None:
    service = Service(Synthetic("sequential", 100), max_page=30)
    assert [len(page["items"]) for page in service.pages(maxResults=1000)] == [30, 30, 30, 10]


def test_without_next_page_token_in_fields_there_is_none() -> None:
    service = Service(Synthetic("sequential", 10), max_page=4)
    assert set(service.page(fields="items(name)")) == {"items"}
    assert set(service.page(fields="items(name),nextPageToken")) == {"items", "nextPageToken"}
    assert set(service.page(fields="nextPageToken")) == {"nextPageToken"}
    assert service.page(fields="prefixes") == {}


@pytest.mark.parametrize(
    "fields",
    [
        "items(name,size,storageClass),nextPageToken",
        "items(size)",
        "items/name,kind",
        "items(name,size,generation,crc32c,contentEncoding,updated,storageClass),nextPageToken",
        "items(id,selfLink,mediaLink,md5Hash)",
        "",
        "*",
        "items(*)",
    ],
)
@pytest.mark.parametrize("object_bytes", [17, (5, 50)])
@pytest.mark.parametrize("prefix", ["", 'needs "escaping"\\/', "100%s/"])
def test_lines_written_by_column_are_those_written_one_by_one(
    fields: str, object_bytes: int | tuple[int, int], prefix: str
) -> None:
    service = Service(Synthetic("mixed", 60, object_bytes=object_bytes, prefix=prefix))
    listed = service.page(fields=fields)["items"]
    # An object that was put keeps a page from being written by columns.
    service.put(prefix[:1] + "zzz", b"")
    again = service.page(fields=fields)["items"]
    written = service.names().index(prefix[:1] + "zzz")
    del again[written]
    assert listed == again


def test_sizes_and_sums_listed_are_those_of_the_bytes() -> None:
    synthetic = Synthetic("unicode", 30, object_bytes=(5, 50))
    service = Service(synthetic)
    for item in service.page()["items"]:
        described = service.get(item["name"]).json
        assert item == described
        assert int(item["size"]) == len(synthetic.content(item["name"])) == len(service.read(item["name"]).body)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"pageToken": "%%%"}, id="a token that is none"),
        pytest.param({"pageToken": "YWJj"}, id="a token of another service"),
        pytest.param({"maxResults": "many"}, id="a limit that is no number"),
        pytest.param({"maxResults": "-1"}, id="a negative limit"),
        pytest.param({"fields": "items(name"}, id="a selector without its end"),
        pytest.param({"fields": "items(),x"}, id="a selector of nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, Any]) -> None:
    found = Service().ask("GET", API, **query)
    assert found.status == 400
    assert found.json["error"]["code"] == 400


def test_a_name_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(ApiError, match="not UTF-8"):
        Service().ask("GET", f"{API}?prefix=%FF")


def test_folding_twenty_million_objects_looks_at_few() -> None:
    service = Service(Synthetic("deep", 20_000_000))
    assert service.page(delimiter="/")["prefixes"] == ["d0/", "d1/"]
    assert len(service.page(delimiter="/", prefix="d0/")["prefixes"]) == 16
    assert len(list(islice(service.page(prefix="d1/d3/d1", delimiter="/")["prefixes"], 20))) == 1
