"""Chunks whose sizes nobody has said: what is asked for ahead stays within its bounds all the same."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from dataflux_core.errors import ChunkUnavailable
from dataflux_core.flare import StreamOptions
from tests.fetching.hostile import Ask, Hostile, gives
from tests.flare.read_streams import contents_of, put, stream_of
from tests.processes import wait_until

LARGE = b"".join(number.to_bytes(4, "big") for number in range(512 * 1024))


def fresh(number: int, **more: Any) -> StreamOptions:
    return StreamOptions(max_requests=number, patience_s=5.0, **more)


def chunked(ask: Ask) -> None:
    """Say nothing of how much is to come."""
    ask.handler.send_response(200)
    ask.handler.send_header("Transfer-Encoding", "chunked")
    ask.handler.end_headers()
    ask.handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE))


@pytest.mark.parametrize("is_said", [True, False], ids=["hosts say how large they are", "hosts do not say it"])
def test_chunks_larger_than_the_first_are_received_when_they_are_waited_for(is_said: bool, server: Hostile) -> None:
    server.behaviours |= {f"/d/{number}": gives(LARGE) if is_said else chunked for number in range(1, 20)}
    server.behaviours["/d/0"] = gives(b"x")
    urls = [f"{server.url}/d/{number}" for number in range(20)]
    stream = stream_of(urls, options=fresh(52 if is_said else 51, max_ahead_bytes=1_000_000))
    chunks = iter(stream)
    assert list(islice(chunks, 6)) == [b"x"] + [LARGE] * 5
    assert wait_until(lambda: stream.stats.in_flight == 0)
    assert stream.stats.received_bytes <= 1 + 6 * len(LARGE)
    assert list(chunks) == [LARGE] * 14
    assert stream.stats.failures == 0


def test_chunks_that_are_as_large_as_others_are_asked_for_once(server: Hostile) -> None:
    contents = contents_of(30, 300_000)
    stream = stream_of(put(server, contents), options=fresh(50))
    assert list(stream) == contents
    assert stream.stats.requests == 30


def test_sums_are_compared_of_what_was_asked_for_again(server: Hostile) -> None:
    contents = [b"x", LARGE, LARGE[::-1], LARGE]
    urls = put(server, contents)
    sums: dict[str, Any] = {"crc32c": stream_of(urls, contents).headers["crc32c"]}
    stream = stream_of(urls, options=fresh(49), **sums)
    assert list(stream) == contents
    server.behaviours["/d/3"] = gives(LARGE[:-1] + b"?")
    with pytest.raises(ChunkUnavailable, match="crc32c"):
        list(stream_of(urls, options=StreamOptions(patience_s=0), **sums))


@pytest.mark.parametrize("first_bytes", [1, 1_000_000])
def test_max_chunk_bytes_holds_for_what_was_asked_for_ahead(first_bytes: int, server: Hostile) -> None:
    server.behaviours |= {"/d/0": gives(b"x" * first_bytes), "/d/1": gives(LARGE[:1_500_000])}
    urls = [f"{server.url}/d/{number}" for number in range(2)]
    chunks = iter(stream_of(urls, options=StreamOptions(max_chunk_bytes=1_000_000, patience_s=0)))
    assert next(chunks) == b"x" * first_bytes
    with pytest.raises(ChunkUnavailable, match="at most 1000000 are received"):
        next(chunks)
