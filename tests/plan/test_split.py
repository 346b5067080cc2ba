"""A composite is cut where its objects met."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.split import split, split_pieces


@pytest.mark.parametrize(
    ("body", "sizes", "parts"),
    [
        pytest.param(b"", [], [], id="nothing"),
        pytest.param(b"abc", [3], [b"abc"], id="one object is all of it"),
        pytest.param(b"abc", [1, 2], [b"a", b"bc"], id="neighbours"),
        pytest.param(b"abc", [0, 3, 0], [b"", b"abc", b""], id="empty objects keep their places"),
    ],
)
def test_split(body: bytes, sizes: list[int], parts: list[bytes]) -> None:
    assert split(body, sizes) == parts


@given(st.lists(st.binary(max_size=20)))
def test_what_was_joined_is_split_into_the_same_parts(parts: list[bytes]) -> None:
    assert split(b"".join(parts), map(len, parts)) == parts


@given(st.lists(st.binary(max_size=20)), st.data())
def test_pieces_are_split_as_what_they_make_together(parts: list[bytes], data: st.DataObject) -> None:
    body = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=10)))
    pieces = [body[start:stop] for start, stop in pairwise([0, *cuts, len(body)])]
    assert split_pieces(pieces, map(len, parts)) == parts
