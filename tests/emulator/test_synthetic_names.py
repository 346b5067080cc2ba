from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core.emulator import ShapeName, Synthetic
from dataflux_core.emulator._names import name_fault

SHAPES = list(get_args(ShapeName))
COUNTS = st.one_of(st.integers(0, 3000), st.integers(0, 20_000_000))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [0, 1, 2, 999, 1000, 1001, 12_345])
def test_names_are_sorted_distinct_legal(shape: ShapeName, count: int) -> None:
    names = Synthetic(shape, count).names()
    encoded = [name.encode() for name in names]
    assert len(set(names)) == count
    assert encoded == sorted(encoded)
    assert all(name_fault(name) is None for name in names)


@given(st.sampled_from(SHAPES), COUNTS, st.data())
def test_rank_undoes_name_at(shape: ShapeName, count: int, data: st.DataObject) -> None:
    synthetic = Synthetic(shape, count)
    if not count:
        assert synthetic.rank("anything") == 0
        return
    position = data.draw(st.integers(0, count - 1))
    name = synthetic.name_at(position)
    assert synthetic.rank(name) == position
    assert synthetic.rank(name + "\0") == position + 1
    assert synthetic.rank(name[: len(name) // 2]) <= position


@given(st.sampled_from(SHAPES), st.integers(0, 500), st.text(max_size=12))
def test_rank_of_any_text_counts_the_names_below_it(shape: ShapeName, count: int, text: str) -> None:
    synthetic = Synthetic(shape, count)
    assert synthetic.rank(text) == sum(name < text for name in synthetic.names())


@given(st.sampled_from(SHAPES), COUNTS, st.data())
def test_a_bucket_holds_its_names(shape: ShapeName, count: int, data: st.DataObject) -> None:
    synthetic = Synthetic(shape, count, prefix=data.draw(st.sampled_from(["", "a/"])))
    if count:
        name = synthetic.name_at(data.draw(st.integers(0, count - 1)))
        assert synthetic.holds(name)
        assert [synthetic.holds(other) for other in (name + "\0", name[: len(name) // 2])] == [False] * 2


@given(st.sampled_from(SHAPES), st.integers(0, 300), st.integers(0, 600), st.text(max_size=12))
def test_a_bucket_holds_nothing_else(shape: ShapeName, count: int, position: int, text: str) -> None:
    synthetic = Synthetic(shape, count)
    names = set(synthetic.names())
    beyond = Synthetic(shape, 601).name_at(position)  # numbers go on behind the last one
    assert [synthetic.holds(name) for name in (beyond, text)] == [name in names for name in (beyond, text)]


@given(st.sampled_from(SHAPES), COUNTS, st.data())
def test_a_slice_is_made_of_single_names(shape: ShapeName, count: int, data: st.DataObject) -> None:
    synthetic = Synthetic(shape, count)
    start = data.draw(st.integers(0, count))
    names = synthetic.names(start, start + data.draw(st.integers(0, 40)))
    assert names == [synthetic.name_at(start + at) for at in range(len(names))]
    assert synthetic.sizes(start, start + len(names)) == [synthetic.size(name) for name in names]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_prefix_stands_before_every_name(shape: ShapeName) -> None:
    plain, prefixed = Synthetic(shape, 2000), Synthetic(shape, 2000, prefix="a/b/")
    assert prefixed.names() == ["a/b/" + name for name in plain.names()]
    assert prefixed.rank("a/b/" + plain.name_at(1234)) == 1234
    assert (prefixed.rank("a"), prefixed.rank("b")) == (0, 2000)


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        pytest.param("skewed", "production/eu/telemetry", id="skewed: 99.9 % share one prefix"),
        pytest.param("mixed", "projects/", id="mixed: nine tenths share one prefix"),
    ],
)
def test_the_long_prefix(shape: ShapeName, fits: str) -> None:
    names = Synthetic(shape, 100_000).names()
    share = sum(name.startswith(fits) for name in names) / len(names)
    assert share == pytest.approx({"skewed": 0.999, "mixed": 0.9}[shape], abs=1e-4)


def test_unicode_names_would_sort_otherwise_by_utf_16() -> None:
    names = Synthetic("unicode", 100_000).names()
    assert names != sorted(names, key=lambda name: name.encode("utf-16-be"))


def test_unicode_says_how_many_names_it_has() -> None:
    with pytest.raises(ValueError, match="room for 20971520 names, not 21000000"):
        Synthetic("unicode", 21_000_000).names(0, 1)


@given(st.text(min_size=1, max_size=30), st.integers(0, 5_000_000), st.data())
def test_a_part_of_the_content_is_cut_from_the_whole(name: str, size: int, data: st.DataObject) -> None:
    synthetic = Synthetic("sequential", 1, object_bytes=size)
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, min(size, start + 1000)))
    assert synthetic.content_part(name, start, stop) == synthetic.content(name)[start:stop]


def test_contents_differ_between_names() -> None:
    synthetic = Synthetic("imagenet", 1000, object_bytes=64)
    assert len({synthetic.content(name) for name in synthetic.names()}) == 1000


@given(st.integers(0, 100), st.integers(0, 100), st.text(max_size=9))
def test_varying_sizes_lie_within_their_bounds(low: int, more: int, name: str) -> None:
    assert low <= Synthetic("uuids", 1, object_bytes=(low, low + more)).size(name) <= low + more


def test_an_unknown_shape_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown shape 'round'; there are sequential, "):
        Synthetic("round", 1)  # type: ignore[arg-type]


def test_a_position_outside_is_an_error() -> None:
    with pytest.raises(IndexError, match="position 3 is outside 0 to 2"):
        Synthetic("hive", 3).name_at(3)
