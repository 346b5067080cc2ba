"""An object stored as gzip says what its members say, or an error says what is wrong with it."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._wire.encoding import is_gzip, unpacked
from dataflux_core._wire.message import Answer
from dataflux_core.errors import NotDecompressed


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(0, 3))
def test_members_say_what_was_compressed(members: list[bytes], padding: int) -> None:
    stored = b"".join(gzip.compress(member) for member in members)
    assert unpacked("o", stored + bytes(padding if members else 0)) == b"".join(members)


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        pytest.param(b"plain text", "Not a gzipped file", id="no gzip at all"),
        pytest.param(gzip.compress(b"abc" * 100)[:-9], "ended before", id="cut off"),
        pytest.param(gzip.compress(b"abc") + b"tail", "Not a gzipped file", id="something behind it"),
        pytest.param(gzip.compress(b"abc")[:-8] + bytes(8), "CRC check failed", id="a wrong checksum"),
    ],
)
def test_what_is_no_gzip_is_named(stored: bytes, reason: str) -> None:
    with pytest.raises(NotDecompressed, match=reason) as caught:
        unpacked("data/o", stored)
    assert str(caught.value).startswith("data/o: not decompressed: ")


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ((b"x-goog-stored-content-encoding: gzip\r\n",), True),
        ((b"Content-Encoding: gzip\r\n",), True),
        ((b"x-goog-stored-content-encoding: identity\r\n", b"Content-Encoding: gzip\r\n"), False),
        ((), False),
    ],
    ids=["stored so", "sent so", "compressed on the way alone", "neither"],
)
def test_the_service_tells_what_is_stored_compressed(head: tuple[bytes, ...], found: bool) -> None:
    assert is_gzip(Answer(200, head, b"")) is found
