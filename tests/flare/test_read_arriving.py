"""Records of a first chunk while it arrives: early where nothing has to be compared first, exact whatever breaks."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.flare.arriving import ArrivingChunk
from dataflux_core._run.flare.arrival import Arrival
from dataflux_core._run.flare.errands import ChunkAsk, Errand, flight_to
from dataflux_core.errors import ChunkUnavailable, RecordsUnusable
from tests.fetching.hostile import Hostile, ranges
from tests.flare.read_streams import IMPATIENT, put, spec_of, stream_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fetching.hostile import Ask, Behaviour

LINES = [f"line {number}" for number in range(150_000)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()
NUMBERS = np.arange(400_000, dtype="<i4").reshape(-1, 8)
_WAIT_S = 20


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(200):
            member = tarfile.TarInfo(f"{number}.bin")
            member.size = 10_000
            archive.addfile(member, io.BytesIO(bytes([number]) * member.size))
    return out.getvalue()


ENCODED: dict[str, tuple[bytes, list[Any], dict[str, Any]]] = {
    "text": (TEXT, LINES, {"encoding": "text"}),
    "jsonl": (b"".join(b'{"n": %d}\n' % n for n in range(90_000)), [{"n": n} for n in range(90_000)], {}),
    "csv": (b"n\n" + b"".join(b"%d\n" % n for n in range(200_000)), [{"n": str(n)} for n in range(200_000)], {}),
    "tar": (tar(), [{"id": str(n), "bin": bytes([n]) * 10_000} for n in range(200)], {}),
    "raw": (NUMBERS.tobytes(), list(NUMBERS), {"dtype": "int32", "shape": [8]}),
}


def half(content: bytes, then: Callable[[Ask], None], **headers: str) -> Behaviour:
    """Send half of the content, then do something else."""

    def behave(ask: Ask) -> None:
        if ask.count > 1:
            ranges(content)(ask)
            return
        ask.handler.send_response(200)
        ask.handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            ask.handler.send_header(name.replace("_", "-"), value)
        ask.handler.end_headers()
        ask.handler.wfile.write(content[: len(content) // 2])
        ask.handler.wfile.flush()
        then(ask)
        ask.hang_up()

    return behave


def waits_for(event: threading.Event, content: bytes) -> Behaviour:
    def rest(ask: Ask) -> None:
        event.wait(_WAIT_S)
        ask.handler.wfile.write(content[len(content) // 2 :])

    return half(content, rest)


def breaks(content: bytes, **headers: str) -> Behaviour:
    return half(content, lambda _: None, **headers)


@pytest.mark.parametrize("is_size_known", [True, False], ids=["its size known", "its size not known"])
@pytest.mark.parametrize("encoding", ENCODED)
def test_first_records_come_while_their_chunk_is_on_its_way(
    server: Hostile, encoding: str, is_size_known: bool
) -> None:
    content, records, headers = ENCODED[encoding]
    go_on = threading.Event()
    server.behaviours["/a"] = waits_for(go_on, content)
    server.behaviours["/b"] = ranges(content)
    said = {"encoding": encoding, **headers} | ({"sizes": [len(content)] * 2} if is_size_known else {})
    found = stream_of([f"{server.url}/a", f"{server.url}/b"], **said).records()
    early = list(itertools.islice(found, 30))
    assert not go_on.is_set()
    go_on.set()
    taken, expected = [*early, *found], records * 2
    assert taken == expected if encoding != "raw" else np.array_equal(taken, expected)


def test_no_record_comes_before_the_sum_of_its_chunk_is_compared(server: Hostile) -> None:
    (url,) = put(server, [TEXT[:-2] + b"?\n"])
    sums = spec_of([url], [TEXT]).headers["crc32c"]
    with pytest.raises(ChunkUnavailable, match="crc32c"):
        next(stream_of([url], options=IMPATIENT, encoding="text", crc32c=sums).records())


@pytest.mark.parametrize(
    "headers", [{"Content_Encoding": "gzip"}, {"Content_Length": "7"}], ids=["another encoding", "two lengths"]
)
def test_no_record_is_made_of_an_answer_that_is_not_the_chunk(server: Hostile, headers: dict[str, str]) -> None:
    server.behaviours["/a"] = lambda ask: ask.reply(200, TEXT, **headers)
    with pytest.raises(ChunkUnavailable):
        next(stream_of([f"{server.url}/a"], options=IMPATIENT, encoding="text").records())


def test_no_record_is_made_of_an_answer_of_another_size(server: Hostile) -> None:
    (url,) = put(server, [TEXT])
    with pytest.raises(ChunkUnavailable):
        next(stream_of([url], options=IMPATIENT, encoding="text", sizes=[len(TEXT) - 1]).records())


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {}], ids=["the rest asked for", "all read again"])
def test_a_chunk_that_breaks_off_gives_each_record_once(server: Hostile, headers: dict[str, str]) -> None:
    server.behaviours["/a"] = breaks(TEXT, **headers)
    stream = stream_of([f"{server.url}/a"], encoding="text", sizes=[len(TEXT)])
    assert list(stream.records()) == LINES
    assert ("Range" in server.seen[-1][1]) == bool(headers)


def test_a_chunk_that_another_mirror_ends_gives_each_record_once(server: Hostile) -> None:
    server.behaviours["/a/0"] = breaks(TEXT)
    put(server, [TEXT], "b")
    stream = stream_of([f"{server.url}/a/0"], encoding="text", mirrors=[f"{server.url}/b/"])
    assert list(stream.records()) == LINES


def test_records_of_two_hosts_that_differ_are_never_put_together(server: Hostile) -> None:
    server.behaviours["/a/0"] = breaks(TEXT)
    put(server, [TEXT.replace(b"line 5\n", b"LINE 5\n")], "b")
    records = stream_of([f"{server.url}/a/0"], encoding="text", mirrors=[f"{server.url}/b/"]).records()
    found: list[Any] = []
    with pytest.raises(RecordsUnusable, match="begins with other ones"):
        found.extend(records)
    assert found == LINES[: len(found)]


def test_whoever_stops_at_the_first_record_leaves_no_request(server: Hostile) -> None:
    hung_up = threading.Event()

    def waits_for_the_end(ask: Ask) -> None:
        with suppress(ConnectionError):  # the client may hang up while the text is still being sent
            ask.reply(200, TEXT, 2**29)
            ask.handler.connection.recv(1)
        hung_up.set()

    server.behaviours["/a"] = waits_for_the_end
    records = stream_of([f"{server.url}/a"], encoding="text").records()
    assert next(records) == LINES[0]
    cast("Any", records).close()
    assert hung_up.wait(_WAIT_S)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_goes_on_with_the_chunk_that_was_arriving(server: Hostile) -> None:
    go_on = threading.Event()
    server.behaviours["/a"] = waits_for(go_on, TEXT)
    records = stream_of([f"{server.url}/a"], encoding="text").records()
    assert next(records) == LINES[0]
    child = os.fork()
    if not child:
        try:
            os._exit(0 if list(records) == LINES[1:] else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    go_on.set()
    assert list(records) == LINES[1:]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(0, 20), st.integers(1, 70))
def test_pieces_of_any_cut_are_the_bytes_of_the_chunk(pieces: list[bytes], early: int, read_bytes: int) -> None:
    content = b"".join(pieces)
    arrival = Arrival()
    hear = arrival.listener(flight_to(Errand(ChunkAsk(("http://h/x",)), cast("Any", None)), 0))
    head = [b"HTTP/1.1 200 OK\r\n", b"Content-Length: %d\r\n" % len(content), b"\r\n"]
    for piece in pieces[:early]:
        hear(head, piece)
    arrival.end()
    for piece in pieces[early:]:
        hear(head, piece)
    file = io.BufferedReader(ArrivingChunk("x", arrival, lambda: content), read_bytes)
    assert arrival.has_begun() == bool(pieces[:early])
    assert b"".join(iter(lambda: file.read(read_bytes), b"")) == content


def test_whoever_is_far_behind_takes_the_whole_chunk() -> None:
    piece = bytes(1000)
    arrival = Arrival()
    hear = arrival.listener(flight_to(Errand(ChunkAsk(("http://h/x",)), cast("Any", None)), 0))
    head = [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5000000\r\n", b"\r\n"]
    for _ in range(5000):
        hear(head, piece)
    taken = list(iter(arrival.next, b""))
    assert len(taken) < 2000
