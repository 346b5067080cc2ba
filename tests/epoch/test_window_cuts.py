"""Windows are cut so that several of them keep within what may be read ahead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.epoch.options import AheadBounds
from dataflux_core._data.epoch.window import Window
from dataflux_core._data.epoch.window_cuts import WindowCuts
from dataflux_core._plan.remote import RemoteObjects

KB = 1000


def window(sizes: list[int] | None, rows: int = 0, width: int = 1) -> Window:
    """Make rows of `width` objects each."""
    rows = rows or len(sizes or []) // width
    urls = [f"/{number}" for number in range(rows * width)]
    ids = [str(row) for row in range(rows)]
    columns = tuple(f"c{number}" for number in range(width))
    starts = range(0, rows * width + 1, width)
    values = [{"n": row} for row in range(rows)]
    return Window(range(rows), ids, [columns] * rows, starts, RemoteObjects(urls, sizes), {1: "none"}, values)


def cut(windows: list[Window], samples: int, size: int, came: list[int] | None = None) -> list[Window]:
    cuts = WindowCuts(iter(windows), sum(map(len, windows)), AheadBounds(8, samples, size), parts=1)
    for each in came or []:
        cuts.learn(each)
    pieces = []
    while cuts.look_up():
        pieces.append(cuts.take(cuts.next().rows))
    return pieces


@pytest.mark.parametrize(
    ("sizes", "came", "bounds", "rows"),
    [
        pytest.param([KB] * 6, [], (4, 100 * KB), [4, 2], id="no more rows than are allowed"),
        pytest.param([KB] * 6, [], (100, 2 * KB), [2, 2, 2], id="no more bytes than are allowed"),
        pytest.param([9 * KB, KB, KB], [], (100, 2 * KB), [1, 2], id="an oversize row goes alone"),
        pytest.param([KB, 9 * KB, KB], [], (100, 2 * KB), [1, 1, 1], id="neighbours of an oversize row go without it"),
        pytest.param([0] * 5, [], (100, KB), [5], id="empty objects take no room"),
        pytest.param([-1] * 4, [KB], (100, 2 * KB), [2, 2], id="what came tells of what is not known"),
        pytest.param([-1, KB, -1], [3 * KB], (100, 4 * KB), [2, 1], id="known sizes count beside the mean"),
        pytest.param([-1] * 4, [], (100, 512 * 1024), [2, 2], id="before anything came 256 KiB are guessed"),
        pytest.param([1 << 60] * 2, [], (100, KB), [1, 1], id="sizes that nobody can hold go one by one"),
    ],
)
def test_cutting(sizes: list[int], came: list[int], bounds: tuple[int, int], rows: list[int]) -> None:
    assert [len(piece) for piece in cut([window(sizes)], *bounds, came)] == rows


def test_what_follows_is_what_is_left_within_what_is_read_ahead() -> None:
    cuts = WindowCuts(iter([window([KB] * 9)]), 9, AheadBounds(8, 4, 100 * KB), parts=1)
    left = []
    while cuts.look_up():
        cuts.take(cuts.next().rows)
        left.append(cuts.following)
    assert left == [4, 1, 0]


@given(
    st.lists(st.lists(st.integers(-1, 50), min_size=1, max_size=20), min_size=1, max_size=4),
    st.integers(1, 12),
    st.integers(1, 60),
    st.lists(st.integers(0, 80), max_size=5),
)
def test_pieces_are_all_rows_in_order_each_within_bounds_or_alone(
    lists: list[list[int]], samples: int, size: int, came: list[int]
) -> None:
    pieces = cut([window(sizes) for sizes in lists], samples, size, came)
    told = [(row, piece.objects.urls[place]) for piece in pieces for place, row in enumerate(piece.rows)]
    assert told == [(row, f"/{row}") for sizes in lists for row in range(len(sizes))]
    for piece in pieces:
        known = sum(each for each in piece.objects.sizes or () if each > 0)
        assert len(piece) == 1 or (len(piece) <= samples and known <= size)


def test_a_part_of_a_window_keeps_everything_of_its_rows() -> None:
    part = window([1, 2, 3, 4, 5, 6, 7, 8], width=2).part(0, 3).part(0, 2)
    assert (list(part.rows), list(part.ids), list(part.starts)) == ([0, 1], ["0", "1"], [0, 2, 4])
    assert part.objects == RemoteObjects(["/0", "/1", "/2", "/3"], [1, 2, 3, 4])
    assert part.unreadable == {1: "none"}
    assert window([1] * 6, width=2).part(1, 3).unreadable == {}
    assert [value["n"] for value in part.values] == [0, 1]


def test_nothing_is_known_before_the_first_object_has_come() -> None:
    cuts = WindowCuts(iter([window(None, rows=3)]), 3, AheadBounds(8, 100, KB), parts=1)
    assert cuts.look_up()
    assert cuts.next().is_guess
    cuts.learn(10)
    assert cuts.next() == (3, 30, False)


def test_what_is_to_be_taken_is_looked_up_first() -> None:
    with pytest.raises(RuntimeError, match=r"look_up\(\)"):
        WindowCuts(iter(()), 0, AheadBounds(1, 1, 1), parts=1).next()
