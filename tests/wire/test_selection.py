"""From a selection to a request, from an answer to what is kept of it; the many fields of an object."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflux_core._plan.listing import Span
from dataflux_core._plan.selection import Selection
from dataflux_core._wire.level import read_level
from dataflux_core._wire.listing import Scope, list_request, read_page
from dataflux_core._wire.message import Answer
from dataflux_core._wire.page import FIELDS, NUMBER_FIELDS, SERVICE_NAMES, Page, canonical_fields, int64s, page_of
from dataflux_core._wire.refusal import listing_error
from dataflux_core._wire.selection import sortable
from dataflux_core.errors import InvalidArgument

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001


ORDINARY = {
    "size": "0",
    "storageClass": "STANDARD",
    "generation": "1",
    "metageneration": "1",
    "updated": "2026-11-21T12:00:00.000Z",
    "timeCreated": "2026-11-21T12:00:00.000Z",
    "etag": "CAE=",
}


def body_of(*items: dict[str, Any]) -> bytes:
    """Write a page of items, each with what every object has."""
    return json.dumps({"items": [{**ORDINARY, **item} for item in items]}).encode()


def query_of(**wanted: Any) -> dict[str, list[str]]:
    request = list_request(Scope("b", storage_classes=None, selection=Selection(**wanted)), Span(0, "", None))
    return parse_qs(urlsplit(request.target).query, strict_parsing=True)


def kept(items: list[dict[str, Any]], **wanted: Any) -> list[str]:
    scope = Scope("b", storage_classes=None, selection=Selection(**wanted))
    return read_page(scope, body_of(*items)).page.name_list()


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        pytest.param({"match_glob": "**.{a&b,%}"}, {"matchGlob": ["**.{a&b,%}"]}, id="a glob, escaped"),
        pytest.param({"versions": True}, {"versions": ["true"]}, id="every generation"),
        pytest.param({"soft_deleted": True}, {"softDeleted": ["true"]}, id="soft-deleted generations"),
        pytest.param({"min_bytes": 5}, {}, id="sizes are left to us"),
        pytest.param(
            {"updated_from": NOON}, {"fields": ["items(name,size,updated),nextPageToken"]}, id="times need a field"
        ),
    ],
)
def test_what_the_service_is_asked(wanted: dict[str, Any], asked: dict[str, list[str]]) -> None:
    plain = query_of()
    assert query_of(**wanted) == {**plain, **asked}


def test_a_field_that_is_asked_for_anyway_is_asked_for_once() -> None:
    scope = Scope("b", fields=("updated", "md5"), storage_classes=None, selection=Selection(updated_from=NOON))
    assert "items(name,size,updated,md5Hash)" in list_request(scope, Span(0, "", None)).target


def test_a_field_that_only_the_selection_needs_is_no_column() -> None:
    scope = Scope("b", storage_classes=None, selection=Selection(updated_from=NOON))
    assert read_page(scope, body_of({"name": "a"})).page == page_of(["a"], [0])


@given(st.lists(st.integers(0, 6), max_size=20), st.integers(0, 6), st.integers(0, 6))
def test_both_limits_of_a_size_are_included(sizes: list[int], least: int, span: int) -> None:
    items = [{"name": f"{place:02d}", "size": str(size)} for place, size in enumerate(sizes)]
    wanted = [f"{place:02d}" for place, size in enumerate(sizes) if least <= size <= least + span]
    assert kept(items, min_bytes=least, max_bytes=least + span) == wanted


@pytest.mark.parametrize(
    ("updated", "is_kept"),
    [
        pytest.param("2026-11-21T11:59:59.999Z", False, id="a millisecond before"),
        pytest.param("2026-11-21T12:00:00.000Z", True, id="at the time"),
        pytest.param("2026-11-21T12:00:00Z", True, id="at the time, without a fraction"),
        pytest.param("2026-11-21T12:00:00.1Z", True, id="a fraction of one digit"),
        pytest.param("2026-11-21T12:00:00.999Z", True, id="a millisecond before the end"),
        pytest.param("2026-11-21T12:00:01.000Z", False, id="at the end"),
        pytest.param("2026-11-21T12:00:01Z", False, id="at the end, without a fraction"),
    ],
)
def test_times_from_one_on_before_the_other(updated: str, is_kept: bool) -> None:
    items = [{"name": "a", "updated": updated}]
    assert kept(items, updated_from=NOON, updated_before=NOON + timedelta(seconds=1)) == ["a"] * is_kept


@given(MOMENTS, MOMENTS, st.sampled_from(["auto", "milliseconds", "microseconds"]), st.integers(-12, 12))
@example(NOON, NOON, "auto", 0)
@example(NOON, NOON, "milliseconds", 3)
@example(NOON + timedelta(microseconds=1), NOON, "milliseconds", 0)
def test_times_compare_as_text_as_they_do_as_times(
    bound: datetime, updated: datetime, exactness: str, zone_h: int
) -> None:
    if exactness == "milliseconds":
        updated = updated.replace(microsecond=updated.microsecond // 1000 * 1000)
    text = updated.replace(tzinfo=None).isoformat(timespec=exactness)
    written = sortable(bound.astimezone(timezone(timedelta(hours=zone_h))))
    assert (written <= text) == (bound <= updated)


def test_names_may_repeat_only_where_generations_are_listed() -> None:
    items = [{"name": "a"}, {"name": "a"}, {"name": "b"}]
    assert kept(items, versions=True) == kept(items, soft_deleted=True) == ["a", "a", "b"]
    with pytest.raises(msgspec.DecodeError, match="ascending"):
        kept(items)
    with pytest.raises(msgspec.DecodeError, match="ascending"):
        kept([{"name": "b"}, {"name": "a"}], versions=True)


def test_a_glob_that_the_service_refuses_is_named() -> None:
    scope = Scope("b", selection=Selection(match_glob="a[b"))
    error = listing_error(Answer(400, (), b'{"error":{"message":"no such glob"}}', ""), scope, endpoint="e")
    assert str(error) == "gs://b with match_glob='a[b': HTTP 400: no such glob; correct the glob, or list without it"


WHOLE: dict[str, Any] = {
    "name": "a",
    "size": "1",
    "storageClass": "NEARLINE",
    "generation": "1700000000000001",
    "metageneration": "2",
    "componentCount": 3,
    "temporaryHold": True,
    "eventBasedHold": False,
    "crc32c": "AAAAAA==",
    "md5Hash": "XrY7u+Ae7tCTyyK7j1rNww==",
    "contentEncoding": "gzip",
    "contentType": "text/plain",
    "contentLanguage": "de",
    "contentDisposition": 'attachment; filename="ü.txt"',
    "cacheControl": "no-store",
    "etag": "CAE=",
    "kmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k",
    "metadata": {"z": "line\nbreak", "a": 'é"'},
    **{
        name: f"2026-11-2{day}T12:00:00.000Z"
        for day, name in enumerate(
            ["updated", "timeCreated", "timeDeleted", "softDeleteTime", "hardDeleteTime", "customTime"]
        )
    },
}


def values(page: Page, field: str) -> list[Any]:
    return int64s(page.numbers[field]).tolist() if field in NUMBER_FIELDS else page.text_list(field)


@pytest.mark.parametrize("read", [read_page, read_level], ids=["a flat page", "a level"])
@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_what_the_service_says_or_empty(field: str, read: Any) -> None:
    scope = Scope("b", fields=(field,), storage_classes=None)
    page = read(scope, body_of(WHOLE, {"name": "bare"})).page
    said, bare = WHOLE[SERVICE_NAMES[field]], ORDINARY.get(SERVICE_NAMES[field])
    if field == "metadata":
        said = '{"a":"é\\"","z":"line\\nbreak"}'
    assert values(page, field) == ([int(said), int(bare or 0)] if field in NUMBER_FIELDS else [said, bare or ""])


@pytest.mark.parametrize("read", [read_page, read_level], ids=["a flat page", "a level"])
@pytest.mark.parametrize("key", ["name", *ORDINARY])
def test_a_page_with_an_object_that_lacks_what_every_object_has_was_damaged(key: str, read: Any) -> None:
    item = {"name": "a", **ORDINARY}
    asked = [field for field, name in SERVICE_NAMES.items() if name == key]
    body = json.dumps({"items": [{name: value for name, value in item.items() if name != key}]}).encode()
    with pytest.raises(msgspec.DecodeError, match=f"missing required field `{key}`"):
        read(Scope("b", fields=tuple(asked)), body)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(st.lists(st.tuples(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2)), min_size=1, max_size=8))
def test_no_text_can_shift_the_rows_of_a_column(objects: list[tuple[str, dict[str, str]]]) -> None:
    items = [
        {"name": f"{place}", "contentDisposition": disposition, "metadata": metadata}
        for place, (disposition, metadata) in enumerate(objects)
    ]
    scope = Scope("b", fields=("content_disposition", "metadata"), storage_classes=None)
    page = read_page(scope, body_of(*items)).page
    assert page.text_list("content_disposition") == [disposition.replace("\n", " ") for disposition, _ in objects]
    read = [json.loads(text) if text else {} for text in page.text_list("metadata")]
    assert read == [metadata for _, metadata in objects]


def test_a_name_with_a_newline_makes_no_page() -> None:
    with pytest.raises(msgspec.DecodeError, match="newline"):
        kept([{"name": "a\nb"}])


def test_fields_go_by_our_names_or_by_the_services() -> None:
    assert canonical_fields(["md5Hash", "contentEncoding", "md5", "updated"]) == ("md5", "content_encoding", "updated")
    assert canonical_fields(SERVICE_NAMES.values()) == FIELDS


def test_name_and_size_are_there_whether_asked_for_or_not() -> None:
    assert canonical_fields(["name", "generation", "size"]) == ("generation",)


@pytest.mark.parametrize("fields", ["crc32c", ["colour"], None, 5], ids=["a text", "unknown", "None", "a number"])
def test_fields_that_there_are_not(fields: Any) -> None:
    with pytest.raises(InvalidArgument, match="^fields="):
        canonical_fields(fields)
