"""What a million objects take, one way or another, follows from how a few are divided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.bucket import DAY_S, BucketFacts
from dataflux_core._plan.cost import compose_cost
from dataflux_core._plan.estimate import (
    WAYS,
    Division,
    Limits,
    Tariff,
    Way,
    bill_of,
    divided,
    quantile,
    size_classes,
    total,
    ways_of,
)
from dataflux_core._plan.prices import prices_for
from dataflux_core._plan.strategy import Tempo

PLAIN = BucketFacts()
SOFT_DELETE = BucketFacts(soft_delete_s=7 * DAY_S)
LIMITS = Limits(max_composite_bytes=1000, large_bytes=5000, piece_bytes=2000, window=100)
CLASSES = ("STANDARD", "NEARLINE", "ARCHIVE")
SIZES = st.lists(st.integers(0, 20_000), min_size=1, max_size=200)


def tariffs(facts: BucketFacts = PLAIN) -> dict[str, Tariff]:
    found = {each: prices_for(facts, each) for each in (facts.storage_class, *CLASSES)}
    return {each: Tariff(prices, compose_cost(facts, prices)) for each, prices in found.items()}


def ways(
    sizes: list[int], facts: BucketFacts = PLAIN, classes: list[str] | None = None, *, may_compose: bool = True
) -> dict[str, Way]:
    limits = Limits(100_000_000, 32 << 20, 16 << 20, 512)
    classes = classes or [facts.storage_class] * len(sizes)
    return ways_of(sizes, classes, limits, tariffs(facts), Tempo(0.06, 0.35), may_compose=may_compose)


def of_one_class(sizes: list[int], composes: bool) -> Division:
    return divided(sizes, ["STANDARD"] * len(sizes), LIMITS, lambda *_: composes)["STANDARD"]


def test_objects_travel_together_alone_or_in_pieces() -> None:
    division = of_one_class([100] * 9 + [999, 5000, 5001], True)
    assert (division.composites, division.composed, division.composed_bytes) == (1, 9, 900)
    assert (division.alone, division.in_pieces, division.pieces) == (2, 1, 3)
    assert division.direct_reads == 5


def test_a_group_that_is_not_composed_is_read_object_by_object() -> None:
    division = of_one_class([100] * 9, False)
    assert (division.composites, division.alone) == (0, 9)


@given(st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from(CLASSES)), min_size=1, max_size=200), st.integers(2))
def test_every_object_is_read_in_one_way(objects: list[tuple[int, str]], least: int) -> None:
    sizes, classes = [size for size, _ in objects], [each for _, each in objects]
    found = divided(sizes, classes, LIMITS, lambda group, _: group.sources >= least)
    for each, division in found.items():
        assert division.objects == classes.count(each)
        assert division.bytes == sum(size for size, storage_class in objects if storage_class == each)
        assert division.pieces >= 3 * division.in_pieces
    assert total(found.values()).objects == len(objects)


@pytest.mark.parametrize(
    ("classes", "composed"),
    [
        pytest.param(["STANDARD", "NEARLINE"] * 32, {"STANDARD": 0, "NEARLINE": 0}, id="neighbours of different ones"),
        pytest.param(["STANDARD"] * 32 + ["NEARLINE"] * 32, {"STANDARD": 32, "NEARLINE": 32}, id="groups of one each"),
        pytest.param(["STANDARD"] * 33 + ["NEARLINE"] * 31, {"STANDARD": 32, "NEARLINE": 0}, id="a group of two"),
    ],
)
def test_a_group_of_several_storage_classes_is_read_object_by_object(
    classes: list[str], composed: dict[str, int]
) -> None:
    found = divided([10] * 64, classes, LIMITS, lambda *_: True)
    assert {each: division.composed for each, division in found.items()} == composed
    assert {each: division.objects for each, division in found.items()} == {
        each: classes.count(each) for each in composed
    }


def test_each_object_is_billed_by_the_prices_of_its_class() -> None:
    sizes, classes = [10_000] * 64, ["STANDARD"] * 32 + ["ARCHIVE"] * 32
    found = ways(sizes, PLAIN, classes)
    warm, cold = ways(sizes[:32]), ways(sizes[:32], PLAIN, classes[32:])
    for name in WAYS:
        assert found[name].bill.usd == pytest.approx((warm[name].bill.usd + cold[name].bill.usd) / 2)
    assert cold["direct"].bill.usd > 50 * warm["direct"].bill.usd


def test_a_million_small_objects_cost_what_the_price_list_says() -> None:
    found = ways([10_000] * 3200)
    direct, composed = found["direct"].bill, found["compose"].bill
    assert direct.usd == pytest.approx(0.401, abs=5e-4)
    assert composed.usd == pytest.approx(0.170, abs=5e-4)
    assert (direct.reads, direct.composes, direct.lists) == (1_000_000, 0, 200)
    assert (composed.reads, composed.composes, composed.deletes) == (31_250, 31_250, 31_250)


def test_soft_delete_is_on_the_bill_of_what_is_composed() -> None:
    found = ways([10_000] * 3200, SOFT_DELETE)
    assert found["direct"].bill.temporaries_usd == 0
    assert found["compose"].bill.temporaries_usd == pytest.approx(9.31 * 0.0046, rel=1e-2)


def test_what_is_retrieved_is_on_the_bill_either_way() -> None:
    found = ways([1_000_000] * 64, BucketFacts(storage_class="NEARLINE"))
    assert found["direct"].bill.retrieval_usd == found["compose"].bill.retrieval_usd == pytest.approx(9.31, rel=1e-3)


def test_time_is_waiting_with_a_full_window_or_computing() -> None:
    found = ways([10_000] * 3200)
    assert found["direct"].bill.seconds == pytest.approx(1e6 * 0.06 / 512)
    assert found["compose"].bill.seconds == pytest.approx(31_250 * 0.41 / 512)
    slow = bill_of({"STANDARD": of_one_class([1] * 10, False)}, tariffs(), 10**6, Tempo())
    assert slow.seconds == pytest.approx(110)


def test_a_cold_bucket_sets_a_least_time() -> None:
    found = ways([10_000] * 3200)
    assert found["direct"].bill.cold_s == pytest.approx(200, rel=1e-3)
    assert found["compose"].bill.cold_s == pytest.approx(62.5)


def test_saving_money_composes_only_what_is_cheaper_composed() -> None:
    small, large = [10_000] * 320, [60_000] * 320
    found = ways(small + large, SOFT_DELETE)
    assert found["auto_cost"].division.composed == len(small)
    assert found["auto_cost"].bill.usd <= min(found["direct"].bill.usd, found["compose"].bill.usd)


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=300))
def test_saving_money_is_never_dearer_than_any_other_way(sizes: list[int]) -> None:
    found = ways(sizes, SOFT_DELETE)
    for way in found.values():
        assert found["auto_cost"].bill.usd <= way.bill.usd * (1 + 1e-9)


def test_where_composing_is_forbidden_every_way_is_the_direct_one() -> None:
    found = ways([10_000] * 320, may_compose=False)
    assert list(found) == [name for name in WAYS if name != "compose"]
    assert len({way.bill for way in found.values()}) == 1


def test_no_objects_have_no_ways() -> None:
    assert ways([]) == {}


def test_sizes_are_counted_by_powers_of_ten() -> None:
    found = size_classes([0, 999, 1000, 99_999, 10**10])
    assert [(each.from_bytes, each.below_bytes, each.objects) for each in found[:3]] == [
        (0, 1000, 2),
        (1000, 10_000, 1),
        (10_000, 100_000, 1),
    ]
    assert (found[-1].from_bytes, found[-1].below_bytes, found[-1].objects) == (10**9, None, 1)
    assert size_classes([]) == []


@given(SIZES)
def test_every_object_is_in_one_size_class(sizes: list[int]) -> None:
    found = size_classes(sizes)
    assert sum(each.objects for each in found) == len(sizes)
    assert sum(each.bytes for each in found) == sum(sizes)


@pytest.mark.parametrize(
    ("sizes", "share", "size"),
    [
        pytest.param([1, 2], 0.5, 1, id="half of two"),
        pytest.param([1, 2, 3, 4], 0.5, 2, id="half of four"),
        pytest.param([1, 2, 3], 0.5, 2, id="half of three"),
        pytest.param(range(1, 21), 0.95, 19, id="95 of a hundred"),
        pytest.param(range(1, 21), 0.96, 20, id="a little more"),
        pytest.param([1, 2], 0.0, 1, id="none"),
        pytest.param([1, 2], 1.0, 2, id="all"),
    ],
)
def test_a_share_of_the_objects_has_at_most_a_size(sizes: list[int], share: float, size: int) -> None:
    assert quantile(sizes, share) == size


@given(SIZES, st.integers(0, 100))
def test_a_quantile_is_the_least_size_that_so_many_do_not_exceed(sizes: list[int], percent: int) -> None:
    size = quantile(sorted(sizes), percent / 100)
    assert 100 * sum(each <= size for each in sizes) >= percent * len(sizes)
    assert 100 * sum(each < size for each in sizes) < max(1, percent * len(sizes))
