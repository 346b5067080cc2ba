"""Buckets on the wire: what is asked of one, what is read."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from dataflux_core._plan.bucket import BucketFacts
from dataflux_core._wire.bucket import (
    FACT_FIELDS,
    HIERARCHY_FIELDS,
    bucket_request,
    facts_of,
    permissions_of,
    read_bucket,
)
from dataflux_core._wire.message import Answer

DAY_S = 86_400
# Written by hand after the documented resource: numbers of seconds are strings there.
ALL_AT_ONCE = b"""{
  "location": "NAM4", "locationType": "dual-region", "storageClass": "NEARLINE",
  "softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": "2026-01-01T00:00:00Z"},
  "versioning": {"enabled": true}, "retentionPolicy": {"retentionPeriod": "3600", "isLocked": true},
  "defaultEventBasedHold": true, "hierarchicalNamespace": {"enabled": true}, "billing": {"requesterPays": true},
  "autoclass": {"enabled": true}, "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}},
  "somethingNew": {"of": ["any", "kind"]}
}"""


def query_of(target: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(target).query, strict_parsing=True)


def test_a_bucket_is_asked_for_what_decides_alone() -> None:
    request = bucket_request("b/x", user_project="pay er")
    assert (request.method, urlsplit(request.target).path) == ("GET", "/storage/v1/b/b%2Fx")
    assert query_of(request.target)["fields"] == [",".join(FACT_FIELDS)]
    assert query_of(request.target)["userProject"] == ["pay er"]


def test_a_bucket_may_be_asked_for_its_namespace_alone() -> None:
    query = query_of(bucket_request("b", HIERARCHY_FIELDS).target)
    assert query["fields"] == ["hierarchicalNamespace"]
    assert "userProject" not in query


def test_all_that_a_bucket_says_is_read() -> None:
    assert read_bucket(ALL_AT_ONCE) == BucketFacts(
        location="NAM4",
        location_type="dual-region",
        storage_class="NEARLINE",
        soft_delete_s=7 * DAY_S,
        versioning=True,
        retention_s=3600,
        default_event_based_hold=True,
        hierarchical=True,
        requester_pays=True,
        autoclass=True,
        uniform_access=True,
    )


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        pytest.param(b"{}", BucketFacts(uniform_access=False), id="what is missing is off"),
        pytest.param(
            b'{"softDeletePolicy":{},"versioning":{},"retentionPolicy":{},"billing":{},"autoclass":{},'
            b'"hierarchicalNamespace":{},"iamConfiguration":{}}',
            BucketFacts(uniform_access=False),
            id="so is what is empty",
        ),
        pytest.param(
            b'{"softDeletePolicy":{"retentionDurationSeconds":"0"},"versioning":{"enabled":false}}',
            BucketFacts(uniform_access=False),
            id="and what is switched off",
        ),
        pytest.param(
            b'{"softDeletePolicy":{"retentionDurationSeconds":86400}}',
            BucketFacts(soft_delete_s=DAY_S, uniform_access=False),
            id="numbers may be numbers",
        ),
        pytest.param(
            b'{"storageClass":"RAPID","locationType":"zone"}',
            BucketFacts(storage_class="RAPID", location_type="zone", uniform_access=False),
            id="a Rapid bucket",
        ),
    ],
)
def test_what_a_bucket_says_of_itself(body: bytes, facts: BucketFacts) -> None:
    assert read_bucket(body) == facts


@pytest.mark.parametrize(
    ("body", "hierarchical"),
    [
        pytest.param(b'{"hierarchicalNamespace":{"enabled":true}}', True, id="enabled"),
        pytest.param(b'{"hierarchicalNamespace":{"enabled":false}}', False, id="disabled"),
        pytest.param(b'{"hierarchicalNamespace":{}}', False, id="neither"),
        pytest.param(b"{}", False, id="a bucket from before there was such a thing"),
    ],
)
def test_what_a_bucket_says_of_its_namespace(body: bytes, *, hierarchical: bool) -> None:
    assert read_bucket(body).hierarchical is hierarchical


def test_an_answer_that_is_no_bucket_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        read_bucket(b"[]")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(403, (), b"{}"), id="a reader who may not see the bucket"),
        pytest.param(Answer(401, (), b""), id="nobody in particular"),
        pytest.param(Answer(0, (), b"", failure="reset"), id="no answer at all"),
        pytest.param(Answer(200, (), b"<html>"), id="a proxy's own answer"),
        pytest.param(Answer(200, (), b'{"location": "\xff", "permissions": ["\xff"]}'), id="an answer that is no text"),
    ],
)
def test_a_bucket_that_does_not_say_is_taken_for_a_new_one(answer: Answer) -> None:
    assert facts_of(answer) == BucketFacts.assumed()
    assert BucketFacts.assumed().soft_delete_s == 7 * DAY_S
    assert permissions_of(answer) is None


def test_answers_are_read() -> None:
    assert facts_of(Answer(200, (), ALL_AT_ONCE)).location == "NAM4"
    assert permissions_of(Answer(200, (), b'{"permissions":["a"]}')) == frozenset({"a"})
    assert permissions_of(Answer(200, (), b"{}")) == frozenset()
