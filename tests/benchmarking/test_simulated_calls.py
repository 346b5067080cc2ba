"""How many calls a listing may take beyond one a page, on a simulated clock: the same on every machine."""

from __future__ import annotations

import pytest

from benchmarking.simulate_listing import Service, simulate
from dataflux_core.emulator import Synthetic
from dataflux_core.emulator._synthetic import SHAPE_NAMES, ShapeName

RANGES = 32
MOST_EXTRA_CALLS = 8  # below 100,000 objects
MOST_CALLS_A_PAGE = [
    pytest.param(1_000_000, 1.25, id="a million"),
    pytest.param(1_234_567, 1.25, id="a million and some"),
    # The others are asked for by `make faults`.
    pytest.param(5_000_000, 1.06, id="five million", marks=pytest.mark.matrix),
    pytest.param(20_000_000, 1.02, id="twenty million", marks=pytest.mark.matrix),
]


@pytest.mark.parametrize("shape", SHAPE_NAMES)
@pytest.mark.parametrize("count", [1, 5000, 5001, 10_013, 25_000, 50_000, 77_777, 99_999])
def test_a_small_listing_takes_eight_calls_more_than_pages_at_most(shape: ShapeName, count: int) -> None:
    outcome = simulate(Synthetic(shape, count), RANGES, Service())
    assert outcome.calls <= outcome.least_calls + MOST_EXTRA_CALLS


@pytest.mark.parametrize("shape", SHAPE_NAMES)
@pytest.mark.parametrize(("count", "most"), MOST_CALLS_A_PAGE)
def test_a_large_listing_takes_few_calls_more_than_pages(shape: ShapeName, count: int, most: float) -> None:
    assert simulate(Synthetic(shape, count), RANGES, Service()).calls_ratio <= most


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_one_range_takes_a_call_a_page(shape: ShapeName) -> None:
    outcome = simulate(Synthetic(shape, 200_000), 1, Service())
    assert outcome.calls == outcome.least_calls


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_no_lister_is_left_with_most_of_the_work(shape: ShapeName) -> None:
    outcome = simulate(Synthetic(shape, 1_000_000), RANGES, Service())
    assert outcome.wall_s < 4 * outcome.least_wall_s


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_more_ranges_than_32_take_less_time_for_more_calls(shape: ShapeName) -> None:
    calm, hasty = (simulate(Synthetic(shape, 1_000_000), ranges, Service()) for ranges in (RANGES, 128))
    assert hasty.wall_s < calm.wall_s
    assert hasty.calls_ratio < 1.75
