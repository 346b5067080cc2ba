"""Answers that say odd things, or too much: no byte of them is taken for the chunk's, no other read suffers."""

from __future__ import annotations

import ssl
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dataflux_core.errors import ChunkUnavailable, InvalidArgument
from dataflux_core.flare import StreamOptions
from tests.certificates import certificate
from tests.fetching.hostile import Ask, Hostile, fails_first, gives, leads_to, ranges
from tests.fetching.tunnel import tunnel_to
from tests.flare.read_streams import put, stream_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fetching.hostile import Behaviour

LINES = [f"line {number}" for number in range(50_000)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()
_WAIT_S = 20


def limited(max_chunk_bytes: int) -> StreamOptions:
    return StreamOptions(max_chunk_bytes=max_chunk_bytes, patience_s=0)


PROXIED: dict[str, Behaviour] = {
    "a redirect with a text": lambda ask: ask.reply(302, b"moved\naway\n", Location="/real"),
    "an error that passes": fails_first(1, 503, TEXT),
}


@pytest.mark.parametrize("behaviour", PROXIED.values(), ids=PROXIED)
def test_through_a_proxy_records_are_made_of_the_chunk_alone(
    behaviour: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certfile, keyfile = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    with Hostile({"/x": behaviour, "/real": gives(TEXT)}, context=context) as server, tunnel_to(server.port) as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certfile))
        options = StreamOptions(max_requests=58, patience_s=20.0)  # a reader of its own, which looks for proxies
        stream = stream_of([f"https://localhost:{server.port}/x"], options=options, encoding="text")
        assert list(stream.records()) == LINES
        assert len(server.seen) == 2


def test_early_hints_of_a_length_end_no_read(server: Hostile, other: Hostile) -> None:
    released = threading.Event()

    def hints(ask: Ask) -> None:
        ask.handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nContent-Length: x\r\n\r\n")
        ask.reply(200, bytes(2_000_000))

    def waits(ask: Ask) -> None:
        released.wait(_WAIT_S)
        ask.reply(200, b"slow")

    server.behaviours |= {"/d/0": hints, "/d/1": waits}
    other.behaviours |= {"/d/0": gives(b"good")}
    options = limited(1_000_000)
    chunks = iter(stream_of([f"{server.url}/d/1", f"{server.url}/d/0"], options=options))
    assert stream_of([f"{server.url}/d/0"], options=options, mirrors=[f"{other.url}/d/"])[0] == b"good"
    released.set()
    assert next(chunks) == b"slow"
    with pytest.raises(ChunkUnavailable, match="sends 2000000 bytes, at most 1000000 are received"):
        next(chunks)


def test_an_entity_tag_that_cannot_be_sent_back_is_none(server: Hostile, other: Hostile) -> None:
    server.behaviours["/d/0"] = lambda ask: ask.reply(200, TEXT[:400_000], len(TEXT), ETag='"caf\xe9"')
    other.behaviours["/d/0"] = ranges(TEXT)
    assert stream_of([f"{server.url}/d/0"], mirrors=[f"{other.url}/d/"])[0] == TEXT
    assert [("Range" in headers) for _, headers in server.seen + other.seen] == [False] * 2


def test_a_redirect_in_utf_8_is_followed_to_where_it_leads(server: Hostile) -> None:
    as_sent = "/données/c".encode().decode("latin-1")
    server.behaviours |= {"/c": leads_to(as_sent), "/donn%C3%A9es/c": gives(b"ok")}
    assert stream_of([f"{server.url}/c"])[0] == b"ok"
    assert server.paths == ["/c", "/donn%C3%A9es/c"]


def says_no_total(content: bytes, most: int) -> Behaviour:
    """Send up to so many bytes of a range, as those of who knows what."""

    def behave(ask: Ask) -> None:
        first, last = (int(number) for number in ask.headers["Range"].removeprefix("bytes=").split("-"))
        part = content[first : min(last + 1, first + most)]
        ask.reply(206, part, Content_Range=f"bytes {first}-{first + len(part) - 1}/*")

    return behave


@pytest.mark.parametrize("has_mirror", [True, False], ids=["and the mirror asked", "and it is asked for again"])
def test_a_short_part_of_who_knows_what_is_not_taken_for_the_end(
    has_mirror: bool, server: Hostile, other: Hostile
) -> None:
    short, right = says_no_total(TEXT, 10), says_no_total(TEXT, len(TEXT))
    server.behaviours["/d/0"] = lambda ask: (short if ask.count == 1 or has_mirror else right)(ask)
    other.behaviours["/d/0"] = ranges(TEXT)
    mirrors = [f"{other.url}/d/"] if has_mirror else []
    stream = stream_of([f"{server.url}/d/0"], mirrors=mirrors)
    assert stream.read(0, 5, 105) == TEXT[5:105]
    assert (len(server.seen), len(other.seen)) == ((1, 1) if has_mirror else (2, 0))


def test_of_who_knows_how_much_the_rest_is_not_guessed(server: Hostile) -> None:
    server.behaviours["/d/0"] = says_no_total(TEXT, 10)
    with pytest.raises(ChunkUnavailable, match="it does not say of how many"):
        stream_of([f"{server.url}/d/0"], options=StreamOptions(patience_s=0)).read(0, 5)


@pytest.mark.parametrize("is_known", [True, False], ids=["that is known", "that is not known"])
@pytest.mark.parametrize("behaves", [ranges, gives], ids=["ranges known", "ranges not known"])
def test_of_a_part_behind_the_end_there_is_nothing(behaves: Any, is_known: bool, server: Hostile) -> None:
    server.behaviours |= {"/d/0": behaves(b"short"), "/d/1": behaves(b"")}
    sizes: dict[str, Any] = {"sizes": [5, 0]} if is_known else {}
    stream = stream_of([f"{server.url}/d/{number}" for number in range(2)], **sizes)
    failures = stream.stats.failures
    assert [stream.read(0, 100, 110), stream.read(0, 100), stream.read(0, 5, 6), stream.read(1, 0, 10)] == [b""] * 4
    assert stream.read(1) == stream[1] == b""
    assert stream.stats.failures == failures


WHOLE: dict[str, Behaviour] = {"with ranges": ranges(TEXT[:400_000]), "without ranges": gives(TEXT[:400_000])}


@pytest.mark.parametrize("behaviour", WHOLE.values(), ids=WHOLE)
def test_no_chunk_larger_than_max_chunk_bytes_is_given_out_however_small_that_is(
    behaviour: Behaviour, server: Hostile
) -> None:
    server.behaviours["/d/0"] = behaviour
    stream = stream_of([f"{server.url}/d/0"], options=limited(1000), encoding="text")
    with pytest.raises(ChunkUnavailable, match="sends 400000 bytes, at most 1000 are received"):
        stream[0]
    with pytest.raises(ChunkUnavailable, match="sends 400000 bytes, at most 1000 are received"):
        next(stream.records())


def test_a_part_of_a_chunk_that_is_larger_comes_where_ranges_are_known(server: Hostile) -> None:
    server.behaviours |= {"/d/0": WHOLE["with ranges"], "/d/1": WHOLE["without ranges"]}
    stream = stream_of([f"{server.url}/d/{number}" for number in range(2)], options=limited(1000))
    assert stream.read(0, 10, 20) == TEXT[10:20]
    assert stream.read(1, 0, 400_000) == TEXT[:400_000]  # as much as was asked for
    with pytest.raises(ChunkUnavailable, match="sends 400000 bytes, at most 1000 are received; it does not know of"):
        stream.read(1, 10, 20)


def test_for_a_part_no_chunk_larger_than_max_chunk_bytes_is_received(server: Hostile) -> None:
    size, given_up = 50_000_000, threading.Event()

    def sends(ask: Ask) -> None:
        try:
            ask.reply(200, bytes(size))
        except OSError:
            given_up.set()

    server.behaviours["/d/0"] = sends
    stream = stream_of([f"{server.url}/d/0"], options=limited(1_000_000))
    with pytest.raises(ChunkUnavailable, match="at most 1000000 are received; it does not know of ranges"):
        stream.read(0, 0, 100)
    assert given_up.wait(_WAIT_S)


def test_as_large_a_chunk_as_is_allowed_comes_for_a_part(server: Hostile) -> None:
    server.behaviours["/d/0"] = gives(bytes(1_000_000))
    stream = stream_of([f"{server.url}/d/0"], options=limited(1_000_000))
    assert stream.read(0, 10, 20) == bytes(10)
    assert len(stream[0]) == 1_000_000


NO_PIECES: dict[str, tuple[Any, Any, Any]] = {
    "a half": (0, 0.5, 2),
    "a whole number that is a float": (0, 0, 2.0),
    "a text": (0, "0", 2),
    "a chunk that is a float": (0.0, 0, 2),
    "more than 64 bits": (0, 0, 10**30),
    "a start of more than 64 bits": (0, 10**30, None),
    "a negative start": (0, -1, None),
    "a stop before the start": (0, 3, 2),
}


@pytest.mark.parametrize(("chunk", "start", "stop"), NO_PIECES.values(), ids=NO_PIECES)
def test_what_is_no_part_is_refused_before_anything_is_asked_for(
    chunk: Any, start: Any, stop: Any, server: Hostile
) -> None:
    stream = stream_of(put(server, [TEXT]))
    with pytest.raises(InvalidArgument):
        stream.read(chunk, start, stop)
    if stop is not None:
        with pytest.raises(InvalidArgument):
            next(stream.read_many([(chunk, start, stop)]))
    assert not server.seen


def test_numbers_of_numpy_and_as_many_bytes_as_there_may_be_are_understood(server: Hostile) -> None:
    stream = stream_of(put(server, [TEXT]))
    numbers: list[Any] = [np.int64(0), np.int32(2), np.uint8(7)]
    assert stream.read(*numbers) == TEXT[2:7]
    assert stream.read(0, 2, 2**63 - 1) == TEXT[2:]
    assert stream.read(0, 2**63 - 1) == b""
