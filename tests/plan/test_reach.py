"""How many pieces of a stream are under way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.reach import Reach

MOST = 64
CHUNK_BYTES = 8_000_000


def widths(*, size: int, taken: int, line_bytes_per_s: float, round_trip_s: float, works_s: float = 0.0) -> list[int]:
    """Take pieces from a line which those under way share, each a round trip late; return how many were under way."""
    reach, seen = Reach(most=MOST), []
    for _ in range(taken):
        seen.append(reach.pieces)
        arrives_s = max(size / line_bytes_per_s, (round_trip_s + size / line_bytes_per_s) / reach.pieces)
        reach.took(size, max(0.0, arrives_s - works_s))
    return seen


@pytest.mark.parametrize(
    ("line", "widest"),
    [
        pytest.param({"line_bytes_per_s": 2e9, "round_trip_s": 1e-4}, 4, id="four fill the line to a near server"),
        pytest.param({"line_bytes_per_s": 2e9, "round_trip_s": 0.04}, 6, id="six of 8 MB span forty milliseconds"),
        pytest.param({"line_bytes_per_s": 2e9, "round_trip_s": 0.8}, 64, id="as many as may be span the world"),
        pytest.param(
            {"line_bytes_per_s": 1e8, "round_trip_s": 0.04}, 64, id="a slow line may be a slow host: more ask more"
        ),
        pytest.param(
            {"line_bytes_per_s": 2e9, "round_trip_s": 0.04, "works_s": 0.05},
            4,
            id="a slow taker has four ready, no more",
        ),
    ],
)
def test_it_widens_while_more_would_come(line: dict[str, float], widest: int) -> None:
    found = widths(size=CHUNK_BYTES, taken=300, **line)
    assert found[0] == 1, "the first has the line for itself"
    assert max(found) == widest


def test_small_pieces_are_soon_all_under_way() -> None:
    assert widths(size=4096, taken=10, line_bytes_per_s=1e9, round_trip_s=1e-3)[-1] == MOST


@given(st.lists(st.tuples(st.integers(0, 10**10), st.floats(0.0, 1e6)), max_size=200), st.integers(1, MOST))
def test_it_never_narrows_nor_passes_its_limit(takes: list[tuple[int, float]], most: int) -> None:
    reach = Reach(most=most)
    before = reach.pieces
    for size, waited_s in takes:
        reach.took(size, waited_s)
        assert before <= reach.pieces <= most
        before = reach.pieces
