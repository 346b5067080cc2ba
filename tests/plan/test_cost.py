"""What composing costs beside reading directly; what forbids it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.bucket import DAY_S, BucketFacts
from dataflux_core._plan.cost import ComposeCost, compose_cost
from dataflux_core._plan.obstacles import COMPOSE_PERMISSIONS, duration_text, obstacles, verdict
from dataflux_core._plan.prices import GIB, Prices, prices_for
from dataflux_core.errors import InvalidArgument

PLAIN = BucketFacts()
SOFT_DELETE = BucketFacts(soft_delete_s=7 * DAY_S)
NEARLINE = BucketFacts(storage_class="NEARLINE")
MULTI_REGION = BucketFacts(location_type="multi-region")
MILLION = 1_000_000
GRANTED = frozenset(COMPOSE_PERMISSIONS)


@pytest.mark.parametrize(
    ("sources", "usd"),
    [
        pytest.param(32, 0.169, id="composed by 32"),
        pytest.param(13, 0.415, id="composed by 13"),
        pytest.param(2, 2.70, id="composed by 2"),
    ],
)
def test_a_million_objects_without_soft_delete(sources: int, usd: float) -> None:
    cost = compose_cost(PLAIN)
    assert cost.composed_usd(sources, 10_000 * sources) * MILLION / sources == pytest.approx(usd, rel=2e-3)
    assert cost.direct_usd(MILLION) == pytest.approx(0.40)


@pytest.mark.parametrize(
    ("facts", "sources"),
    [
        pytest.param(PLAIN, 13.5, id="one region"),
        pytest.param(MULTI_REGION, 26.0, id="several regions"),
        pytest.param(replace(PLAIN, hierarchical=True), 14.0, id="a hierarchical namespace"),
        pytest.param(NEARLINE, 11.0, id="Nearline, of objects without bytes"),
    ],
)
def test_so_many_empty_objects_cost_the_same_either_way(facts: BucketFacts, sources: float) -> None:
    assert compose_cost(facts).break_even_sources() == pytest.approx(sources)


@pytest.mark.parametrize(
    ("facts", "least_bytes", "most_bytes"),
    [
        pytest.param(PLAIN, math.inf, math.inf, id="without soft delete whatever the size"),
        pytest.param(SOFT_DELETE, 53_900, 54_000, id="with soft delete up to some 54 kB"),
        pytest.param(replace(SOFT_DELETE, soft_delete_s=90 * DAY_S), 4_100, 4_300, id="kept for 90 days up to 4 kB"),
        pytest.param(MULTI_REGION, 4_000, 4_100, id="in several regions up to 4 kB"),
        pytest.param(replace(MULTI_REGION, soft_delete_s=7 * DAY_S), 3_000, 3_100, id="and with soft delete 3 kB"),
        pytest.param(NEARLINE, 35_000, 36_000, id="in Nearline up to 35 kB"),
    ],
)
def test_groups_of_32_pay(facts: BucketFacts, least_bytes: float, most_bytes: float) -> None:
    assert least_bytes <= compose_cost(facts).break_even_bytes() <= most_bytes


def test_megabytes_under_soft_delete_cost_eleven_times_as_much() -> None:
    cost = compose_cost(SOFT_DELETE)
    ratio = cost.composed_usd(32, 32 * MILLION) / cost.direct_usd(32)
    assert ratio == pytest.approx(11, abs=0.5)
    assert not cost.pays(32, 32 * MILLION)


def test_a_temporary_is_billed_for_the_longer_of_soft_delete_and_least_time() -> None:
    per_byte = [
        compose_cost(replace(NEARLINE, soft_delete_s=days * DAY_S)).per_byte_composed * GIB for days in (0, 7, 30, 60)
    ]
    assert per_byte[0] == per_byte[1] == per_byte[2] == pytest.approx(0.010 / 730 * 24 * 30 + 0.01)
    assert per_byte[3] == pytest.approx(0.010 / 730 * 24 * 60 + 0.01)


def test_what_is_retrieved_either_way_is_in_neither_sum() -> None:
    cost = compose_cost(NEARLINE)
    assert cost.per_byte_read * GIB == pytest.approx(0.01)
    assert cost.direct_usd(3) == pytest.approx(3e-6)


def test_too_few_never_pay_whatever_the_size() -> None:
    assert compose_cost(SOFT_DELETE).break_even_bytes(13) == 0
    assert compose_cost(PLAIN).break_even_bytes(14) == math.inf


def test_too_many_bytes_never_pay_however_many_objects() -> None:
    assert compose_cost(SOFT_DELETE).break_even_sources(100_000) == math.inf


def test_more_than_one_composite_holds_are_several() -> None:
    cost = compose_cost(PLAIN)
    assert cost.composed_usd(33, 0) == pytest.approx(2 * cost.composed_usd(32, 0))


USD = st.floats(1e-9, 1e-3)
COSTS = st.builds(ComposeCost, USD, USD, st.floats(1e-14, 1e-9))


@given(COSTS, st.integers(2, 32), st.integers(0, 1 << 40))
def test_a_group_pays_below_the_break_even_size_only(cost: ComposeCost, sources: int, size: int) -> None:
    even = cost.break_even_bytes(sources) * sources
    if not math.isclose(size, even, rel_tol=1e-6, abs_tol=1):
        assert cost.pays(sources, size) is (size < even)


@given(COSTS, st.integers(1, 32), st.floats(0, 1e9))
def test_a_group_pays_above_the_break_even_count_only(cost: ComposeCost, sources: int, object_bytes: float) -> None:
    even = cost.break_even_sources(object_bytes)
    if not math.isclose(sources, even, rel_tol=1e-6):
        size = round(object_bytes) * sources
        if math.isclose(cost.composed_usd(sources, size), cost.direct_usd(sources), rel_tol=1e-6):
            return
        assert cost.pays(sources, size) is (sources > cost.break_even_sources(round(object_bytes)))


@given(COSTS, st.integers(2, 32), st.integers(0, 1 << 40))
def test_a_byte_more_never_makes_composing_cheaper(cost: ComposeCost, sources: int, size: int) -> None:
    assert cost.composed_usd(sources, size + 1) >= cost.composed_usd(sources, size)


@pytest.mark.parametrize(
    ("facts", "storage_class", "estimate"),
    [
        pytest.param(PLAIN, None, False, id="a plain bucket's prices were looked up"),
        pytest.param(BucketFacts.assumed(), None, True, id="a bucket that does not say"),
        pytest.param(NEARLINE, None, True, id="a colder class"),
        pytest.param(PLAIN, "ARCHIVE", True, id="objects of a colder class in a plain bucket"),
        pytest.param(MULTI_REGION, None, True, id="several regions"),
        pytest.param(replace(PLAIN, hierarchical=True), None, True, id="a hierarchical namespace"),
        pytest.param(BucketFacts(storage_class="RAPID", location_type="zone"), None, True, id="a Rapid bucket"),
    ],
)
def test_estimates_are_marked_as_such(facts: BucketFacts, storage_class: str | None, *, estimate: bool) -> None:
    prices = prices_for(facts, storage_class)
    assert prices.is_estimate is estimate
    assert "cloud.google.com/storage/pricing" in prices.source


@pytest.mark.parametrize(
    ("facts", "billed"),
    [
        pytest.param(BucketFacts(storage_class="REGIONAL"), "STANDARD", id="a class of old"),
        pytest.param(BucketFacts(storage_class="COLDLINE"), "COLDLINE", id="its own"),
        pytest.param(BucketFacts(storage_class="COLDLINE", autoclass=True), "STANDARD", id="with Autoclass always"),
    ],
)
def test_requests_are_billed_by_a_class(facts: BucketFacts, billed: str) -> None:
    assert facts.billed_class == billed
    assert prices_for(facts) == prices_for(replace(facts, storage_class=billed, autoclass=False))


def test_prices_of_ones_own_replace_the_usual_ones() -> None:
    prices = prices_for(SOFT_DELETE).overridden({"class_a_usd_per_million": 1.0})
    assert (prices.class_a_usd_per_million, prices.class_b_usd_per_million) == (1.0, 0.4)
    assert "given: class_a_usd_per_million" in prices.source
    assert prices_for(PLAIN).overridden({}) == prices_for(PLAIN)
    assert compose_cost(PLAIN, Prices(4.0, 0.5, 0.02)).break_even_sources() == pytest.approx(9)


def test_all_prices_given_are_no_estimate() -> None:
    own = {
        "class_a_usd_per_million": 1,
        "class_b_usd_per_million": 1,
        "storage_usd_per_gib_month": 1,
        "retrieval_usd_per_gib": 1,
        "replication_usd_per_gib": 1,
        "minimum_days": 1,
    }
    assert not prices_for(NEARLINE).overridden(own).is_estimate
    assert prices_for(NEARLINE).overridden({"minimum_days": 0}).is_estimate


@pytest.mark.parametrize(
    "given_prices",
    [
        pytest.param({"class_c": 1.0}, id="of nothing known"),
        pytest.param({"minimum_days": -1.0}, id="less than nothing"),
        pytest.param({"minimum_days": math.nan}, id="no number"),
        pytest.param({"minimum_days": math.inf}, id="without end"),
        pytest.param({"class_a_usd_per_million": "4"}, id="a text"),
        pytest.param({"class_a_usd_per_million": True}, id="a truth"),
        pytest.param({"class_a_usd_per_million": None}, id="None"),
    ],
)
def test_prices_that_mean_nothing_are_refused(given_prices: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(given_prices))):
        prices_for(PLAIN).overridden(given_prices)


@pytest.mark.parametrize(
    ("facts", "permissions", "reason"),
    [
        pytest.param(BucketFacts(location_type="zone"), GRANTED, "Rapid", id="a bucket in one zone"),
        pytest.param(BucketFacts(storage_class="RAPID"), GRANTED, "Rapid", id="the class of such buckets"),
        pytest.param(BucketFacts(retention_s=3600), GRANTED, "for 1 hour", id="a retention policy"),
        pytest.param(BucketFacts(default_event_based_hold=True), GRANTED, "hold", id="a hold on new objects"),
        pytest.param(PLAIN, frozenset(), "storage.objects.create, storage.objects.delete", id="no permission"),
        pytest.param(PLAIN, frozenset(COMPOSE_PERMISSIONS[:1]), "lacking storage.objects.delete", id="not to delete"),
        pytest.param(PLAIN, None, "could not be found out", id="permissions that nobody tells"),
    ],
)
def test_what_forbids_composing(facts: BucketFacts, permissions: frozenset[str] | None, reason: str) -> None:
    decided = verdict(facts, permissions)
    assert not decided.allowed
    assert reason in " ".join(decided.reasons)
    assert obstacles(facts, permissions)[0].severity == "forbids"


@pytest.mark.parametrize(
    ("facts", "codes"),
    [
        pytest.param(PLAIN, [], id="a plain bucket: nothing"),
        pytest.param(SOFT_DELETE, ["soft_delete"], id="soft delete"),
        pytest.param(NEARLINE, ["minimum_storage", "retrieval"], id="a colder class"),
        pytest.param(MULTI_REGION, ["replication"], id="several regions"),
        pytest.param(BucketFacts.assumed(), ["soft_delete", "settings_unknown"], id="settings that cannot be read"),
        pytest.param(BucketFacts(versioning=True), ["versioning"], id="versioning"),
        pytest.param(BucketFacts(requester_pays=True), ["requester_pays"], id="callers pay"),
        pytest.param(BucketFacts(storage_class="NEARLINE", autoclass=True), ["autoclass"], id="Autoclass"),
        pytest.param(BucketFacts(hierarchical=True), ["hierarchical"], id="a hierarchical namespace"),
        pytest.param(BucketFacts(uniform_access=False), ["object_access"], id="access lists of objects"),
    ],
)
def test_what_makes_composing_dearer_or_is_to_be_known(facts: BucketFacts, codes: list[str]) -> None:
    assert [each.code for each in obstacles(facts, GRANTED)] == codes
    assert verdict(facts, GRANTED).allowed


def test_a_hold_a_policy_and_a_lack_of_permissions_are_told_together() -> None:
    facts = BucketFacts(retention_s=60, default_event_based_hold=True)
    assert len(verdict(facts, frozenset()).reasons) == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7 * DAY_S, "7 days"), (DAY_S, "1 day"), (36 * 3600, "36 hours"), (60, "1 minute"), (90, "90 seconds")],
)
def test_times_are_told_in_their_largest_whole_unit(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize("facts", [PLAIN, BucketFacts(autoclass=True)])
def test_objects_of_several_classes_are_to_be_known_of(facts: BucketFacts) -> None:
    several = [each.code for each in obstacles(facts, GRANTED, classes=("STANDARD", "NEARLINE"))]
    one = [each.code for each in obstacles(facts, GRANTED, classes=("STANDARD",))]
    assert several == ["mixed_classes", *one]
