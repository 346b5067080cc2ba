"""What a listing took is said in words that name the largest reason."""

from __future__ import annotations

from typing import Any

import pytest

from dataflux_core._plan.lister_time import IdleTime
from dataflux_core._run.listing.observer import ListingStats


def stats(**counts: Any) -> ListingStats:
    ordinary: dict[str, Any] = {"objects": 1, "pages": 1, "ceiling": 4, "peak_in_flight": 1, "elapsed_s": 1.0}
    return ListingStats(**{**ordinary, **counts})


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        pytest.param({}, "1 object in 1.00 s: 1 page, 0 B, 1 of 4 in flight", id="one page"),
        pytest.param(
            {"objects": 1_000_000, "pages": 200, "empty_pages": 7, "received_bytes": 5 << 20, "elapsed_s": 2.345},
            "1,000,000 objects in 2.35 s: 200 pages + 7 empty, 5.0 MiB, 1 of 4 in flight",
            id="empty pages are told from those with objects",
        ),
        pytest.param(
            {"retries": 3, "retries_by_cause": {"connection": 1, "503": 2}},
            "1 object in 1.00 s: 1 page + 3 retried (503: 2, connection: 1), 0 B, 1 of 4 in flight",
            id="retries with their causes",
        ),
        pytest.param(
            {"splits": 9, "empty_halves": 2, "slivers": 1, "processes": 2},
            "1 object in 1.00 s: 1 page, 0 B, 1 of 4 in flight, 9 splits (2 empty, 1 sliver), 2 processes",
            id="what splitting did",
        ),
    ],
)
def test_a_listing_in_a_line(counts: dict[str, Any], said: str) -> None:
    assert str(stats(**counts)) == said


@pytest.mark.parametrize(
    ("counts", "bound_s", "reason"),
    [
        pytest.param({"pages": 0, "objects": 0}, 0.0, "no page brought objects", id="an empty bucket"),
        pytest.param({"pages_s": 0.3}, 0.3, "one page took 300 ms", id="one page takes what it takes"),
        pytest.param(
            {"pages": 3, "pages_s": 0.9},
            0.6,
            "a page of 300 ms tells where to cut, another follows",
            id="few pages cannot all be asked for at once",
        ),
        pytest.param({"pages": 40, "pages_s": 12.0}, 3.0, "40 pages of 300 ms each, 4 at once", id="many pages"),
        pytest.param(
            {"pages": 40, "pages_s": 12.0, "cpu_s": 3.5}, 3.5, "so long did this process compute", id="a slow processor"
        ),
    ],
)
def test_the_least_wall_time_has_a_reason(counts: dict[str, Any], bound_s: float, reason: str) -> None:
    listed = stats(**counts)
    assert listed.bound_s == pytest.approx(bound_s)
    assert f"at least {bound_s:.2f} s: {reason}" in listed.explain()


def test_shares_of_the_wall_time_add_up_to_it() -> None:
    idle = IdleTime(ramp_s=4.0, held_back_s=2.0, narrow_s=3.0, tail_s=5.0)
    listed = stats(pages=9, pages_s=20.0, empty_s=4.0, empty_pages=3, failed_s=2.0, idle=idle, elapsed_s=10.0)
    shares = [line.split() for line in listed.explain().splitlines() if line.startswith("  ")]
    assert [(share[0], share[2], share[3].rstrip(":")) for share in shares] == [
        ("5.00", "50%", "pages"),
        ("1.00", "10%", "ramp"),
        ("0.75", "8%", "narrow"),
        ("1.25", "12%", "tail"),
        ("1.00", "10%", "empty"),
        ("0.50", "5%", "failed"),
        ("0.50", "5%", "held"),
    ]
    assert sum(float(share[0]) for share in shares) == 10.0


def test_what_took_no_time_is_not_named() -> None:
    assert [line for line in stats(pages_s=4.0).explain().splitlines() if line.startswith("  ")] == [
        "      1.00 s 100%  pages with objects"
    ]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        pytest.param({"ramp_half_s": 0.5}, "in flight: half after 0.50 s, of 4", id="half were reached"),
        pytest.param(
            {"ramp_half_s": 0.5, "ramp_full_s": 1.25}, "in flight: half after 0.50 s, all after 1.25 s", id="all were"
        ),
        pytest.param({"longest_chain": 8}, "longest chain: 8 pages of one range", id="pages one after the other"),
        pytest.param({"cpu_s": 0.9}, "this process computed for 0.90 s", id="a busy processor"),
        pytest.param({"caller_s": 0.4}, "the caller took 0.40 s", id="a slow caller"),
    ],
)
def test_what_else_is_worth_knowing_is_remarked(counts: dict[str, Any], said: str) -> None:
    assert said in stats(**counts).explain()
    assert said not in stats().explain()
