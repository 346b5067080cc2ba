from __future__ import annotations

import google_crc32c
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core.emulator import Synthetic
from dataflux_core.emulator._objects import BytesContent, ComposedContent, cut
from dataflux_core.emulator._synthetic import BLOCK_BYTES
from tests.emulator.asking import Service, path

PIECES = st.lists(st.binary(max_size=5), max_size=6)


@given(PIECES, st.integers(0, 30), st.integers(0, 30))
def test_a_part_of_pieces_is_that_part_of_what_they_join_to(pieces: list[bytes], start: int, stop: int) -> None:
    assert b"".join(cut(tuple(pieces), start, stop)) == b"".join(pieces)[start:stop]


@given(PIECES)
def test_pieces_have_the_checksum_of_what_they_join_to(pieces: list[bytes]) -> None:
    content = ComposedContent(*[memoryview(piece) for piece in pieces])
    assert content.read() == b"".join(pieces)
    assert content.crc32c() == google_crc32c.value(b"".join(pieces))


def test_what_was_uploaded_is_given_without_a_copy() -> None:
    content = b"0123456789"
    held = BytesContent(content)
    assert held.span(0, 10)[0] is held.read() is content
    (part,) = held.span(2, 5)
    assert isinstance(part, memoryview)
    assert part.obj is content


@given(st.integers(0, 3 * BLOCK_BYTES), st.integers(0, 3 * BLOCK_BYTES))
def test_made_up_bytes_are_parts_of_one_block(start: int, length: int) -> None:
    synthetic = Synthetic("sequential", 10, object_bytes=6 * BLOCK_BYTES)
    pieces = synthetic.content_pieces("a", start, start + length)
    assert sum(map(len, pieces)) == length
    assert len({id(piece.obj) for piece in pieces}) == 1


def test_composed_objects_are_composed_again_then_read_in_part() -> None:
    synthetic = Synthetic("sequential", 4, object_bytes=10)
    service = Service(synthetic)
    names = synthetic.names()
    whole = b"".join(map(synthetic.content, names))
    service.ask("POST", f"{path('ab')}/compose", {"sourceObjects": [{"name": name} for name in names[:2]]})
    joined = [{"name": "ab"}, *[{"name": name} for name in names[2:]]]
    service.ask("POST", f"{path('abcd')}/compose", {"sourceObjects": joined})
    service.ask("DELETE", path("ab"))
    assert service.read("abcd").body == whole
    assert service.read("abcd", {"Range": "bytes=15-34"}).body == whole[15:35]


def test_a_line_feed_in_a_setting_does_not_end_its_header() -> None:
    service = Service()
    service.put("a")
    service.ask("PATCH", path("a"), {"contentType": "text/plain\r\nset-cookie: a=b", "cacheControl": "a\nb"})
    headers = service.read("a").headers
    assert headers["content-type"] == "text/plain??set-cookie: a=b"
    assert headers["cache-control"] == "a?b"
    assert "set-cookie" not in headers
