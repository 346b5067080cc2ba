"""Chunks from web servers that do as they please: what comes is right, or an error that names the chunk."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from benchmarking._nginx import Nginx
from dataflux_core._run.flare.reader import ChunkReader, reader_of
from dataflux_core.errors import AccessDenied, ChunkUnavailable, ChunkWrong, EndpointUnreachable, InvalidArgument
from dataflux_core.flare import Playlist, StreamOptions
from tests.certificates import certificate
from tests.fetching.hostile import (
    Ask,
    Hostile,
    cuts_off_first,
    fails_first,
    gives,
    leads_to,
    ranges,
    resets_first,
    trickles,
)
from tests.flare.read_streams import IMPATIENT, QUICK, contents_of, put, spec_of, stream_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from dataflux_core.flare import Stream
    from tests.fetching.hostile import Behaviour

CONTENTS = contents_of(12)
LARGE = bytes(range(256)) * 8192


@pytest.fixture
def stream(server: Hostile) -> Stream:
    return stream_of(put(server, CONTENTS), CONTENTS)


def test_chunks_come_in_order_whole_or_in_part(stream: Stream) -> None:
    assert len(stream) == 12
    assert list(stream) == CONTENTS
    assert [stream[0], stream[-1], stream[7]] == [CONTENTS[0], CONTENTS[-1], CONTENTS[7]]
    assert list(stream[2:9:3]) == CONTENTS[2:9:3]
    assert list(reversed(stream[:3])) == CONTENTS[2::-1]
    assert stream[4:][-1:][0] == CONTENTS[11]
    assert stream[20:].content == []
    assert stream[3:5].content == stream.content[3:5]


def test_a_chunk_that_there_is_not_is_named_however_it_is_asked_for(stream: Stream) -> None:
    for number in 12, -13:
        for ask in stream.__getitem__, stream.read:
            with pytest.raises(IndexError, match=f"^chunk {number} of a stream of 12$"):
                ask(number)
    with pytest.raises(IndexError, match="^chunk 2 of a stream of 2$"):
        stream[3:5][2]
    with pytest.raises(TypeError):
        stream["0"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        pytest.param(0, None, id="all of it"),
        pytest.param(10, 20, id="ten bytes"),
        pytest.param(10, None, id="all but the beginning"),
        pytest.param(19_990, 10**12, id="beyond the end"),
        pytest.param(10**9, 10**9 + 1, id="behind the end"),
        pytest.param(5, 5, id="nothing"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False], ids=["of a known size", "of an unknown size"])
def test_a_part_is_a_slice_of_the_chunk(start: int, stop: int | None, is_known: bool, server: Hostile) -> None:
    urls = put(server, CONTENTS)
    stream = stream_of(urls, CONTENTS if is_known else (), options=IMPATIENT)
    assert stream.read(3, start, stop) == CONTENTS[3][start:stop]
    assert stream.read(-9, start, stop) == CONTENTS[3][start:stop]


def test_a_part_that_cannot_be_meant_is_refused(stream: Stream) -> None:
    with pytest.raises(InvalidArgument):
        stream.read(0, -1, 5)
    with pytest.raises(InvalidArgument):
        stream.read(0, 5, 4)
    with pytest.raises(IndexError):
        stream.read(12, 0, 1)


def test_an_open_part_is_whole_or_an_error(server: Hostile) -> None:
    stream = stream_of(put(server, CONTENTS), options=StreamOptions(max_chunk_bytes=1000))
    assert stream.read(0, 5, 1005) == CONTENTS[0][5:1005]
    with pytest.raises(InvalidArgument, match="max_chunk_bytes=1000"):
        stream.read(0, 5)


def test_many_parts_come_in_order_many_at_once(stream: Stream) -> None:
    stream = stream.with_options(StreamOptions(max_requests=4))
    parts = [(number % 12, number, number + 50) for number in range(60)]
    assert list(stream.read_many(parts)) == [CONTENTS[chunk][start:stop] for chunk, start, stop in parts]


CURED: dict[str, Behaviour] = {
    "a server that knows no ranges": gives(CONTENTS[0]),
    "a 500": fails_first(1, 500, CONTENTS[0]),
    "a 503 that asks for a pause": fails_first(1, 503, CONTENTS[0], Retry_After="0"),
    "a short body": cuts_off_first(1, CONTENTS[0]),
    "a reset": resets_first(2, CONTENTS[0]),
}


@pytest.mark.parametrize("behaviour", CURED.values(), ids=CURED)
def test_what_passes_is_tried_again(behaviour: Behaviour, server: Hostile) -> None:
    server.behaviours["/d/0"] = behaviour
    stream = stream_of([f"{server.url}/d/0"], CONTENTS[:1])
    assert stream[0] == CONTENTS[0]
    assert stream.read(0, 100, 200) == CONTENTS[0][100:200]


def test_damaged_bytes_are_read_again(server: Hostile) -> None:
    def behave(ask: Ask) -> None:
        ask.reply(200, CONTENTS[0] if ask.count > 1 else CONTENTS[0][:-1] + b"?")

    server.behaviours["/d/0"] = behave
    assert stream_of([f"{server.url}/d/0"], CONTENTS[:1])[0] == CONTENTS[0]
    assert len(server.seen) == 2


STAYING: dict[str, tuple[Behaviour, str]] = {
    "a 404": (gives(b"", 404), "HTTP 404: Not Found"),
    "500 for ever": (gives(b"", 500), "HTTP 500"),
    "another size": (gives(CONTENTS[0] + b"?"), "size 20001 bytes, the playlist says 20000 bytes"),
    "another size, larger than is received": (gives(LARGE), "size 2097152 bytes, the playlist says 20000"),
    "other bytes": (gives(bytes(20_000)), "crc32c [^ ]*, the playlist says"),
    "nothing": (gives(b""), "size 0 bytes"),
    "a compressed body": (gives(b"z", Content_Encoding="gzip"), "size 1 bytes"),
    "a redirect to itself": (leads_to("/d/0"), "redirected more than 5 times"),
    "a redirect to a file": (leads_to("file:///etc/passwd"), "redirected to"),
    "a redirect with a password": (leads_to("http://u:secret@127.0.0.1/"), "no user name"),
    "a body that never ends": (trickles(20_000, 0.05), "too slow|less than"),
}


@pytest.mark.parametrize(("behaviour", "said"), STAYING.values(), ids=STAYING)
def test_what_stays_is_an_error_that_names_chunk_and_url(behaviour: Behaviour, said: str, server: Hostile) -> None:
    server.behaviours["/d/0"] = behaviour
    stream = stream_of([f"{server.url}/d/0?signature=hidden"], CONTENTS[:1], IMPATIENT)
    with pytest.raises(ChunkUnavailable, match=said) as raised:
        stream[0]
    assert "chunk 0 of stream 'x'" in str(raised.value)
    assert f"{server.url}" in str(raised.value)
    assert "hidden" not in str(raised.value)
    assert "secret" not in str(raised.value)
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_what_is_wrong_by_sha256_alone_is_not_taken(server: Hostile) -> None:
    urls = put(server, CONTENTS[:1])
    stream = stream_of(urls, options=IMPATIENT, sha256=["0" * 64])
    with pytest.raises(ChunkUnavailable, match="sha256") as raised:
        stream[0]
    (error,) = raised.value.errors
    assert isinstance(error, ChunkWrong)
    assert error.quantity == "sha256"


def test_no_more_is_received_than_may_be(server: Hostile) -> None:
    server.behaviours["/d/0"] = gives(LARGE)
    options = StreamOptions(max_chunk_bytes=1_000_000, patience_s=0)
    with pytest.raises(ChunkUnavailable, match="at most 1000000 are received"):
        stream_of([f"{server.url}/d/0"], options=options)[0]


def test_a_redirect_is_followed_but_never_from_https_to_http(
    server: Hostile, tmp_path: Path, environment: None
) -> None:
    del environment
    server.behaviours["/d/0"] = gives(CONTENTS[0])
    with Hostile({"/d/0": leads_to(f"{server.url}/d/0")}) as other:
        assert stream_of([f"{other.url}/d/0"])[0] == CONTENTS[0]
    certfile, keyfile = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certfile, keyfile)
    with Hostile({"/d/0": leads_to(f"{server.url}/d/0")}, context=context) as secure:
        with pytest.raises(ChunkUnavailable, match="certificate"):
            stream_of([f"{secure.url}/d/0"], options=StreamOptions(patience_s=0))[0]
        os.environ["REQUESTS_CA_BUNDLE"] = str(certfile)
        options = StreamOptions(patience_s=0, max_requests=63)  # a reader of its own, which reads the environment
        with pytest.raises(ChunkUnavailable, match="expected https://"):
            stream_of([f"{secure.url}/d/0"], options=options)[0]


def cut_once(content: bytes, after: int, etag: str = '"1"', then: str = '"1"') -> Behaviour:
    """Break off once; serve ranges after that, perhaps of another version."""
    changed = content if etag == then else content[::-1]

    def behave(ask: Ask) -> None:
        if ask.count == 1:
            ask.reply(200, content[:after], len(content), ETag=etag)
        else:
            ranges(changed, then)(ask)

    return behave


def test_what_breaks_off_is_gone_on_with(server: Hostile) -> None:
    server.behaviours["/d/0"] = cut_once(LARGE, 1_500_000)
    assert stream_of([f"{server.url}/d/0"], [LARGE])[0] == LARGE
    _, headers = server.seen[1]
    assert (headers["Range"], headers["If-Range"]) == ("bytes=1500000-2097151", '"1"')


@pytest.mark.parametrize(
    ("etag", "then"),
    [
        pytest.param('"1"', '"2"', id="what has another version meanwhile is read from its beginning"),
        pytest.param('W/"1"', 'W/"1"', id="a weak version does not show that the rest is of the same"),
    ],
)
def test_versions_are_never_mixed(etag: str, then: str, server: Hostile) -> None:
    server.behaviours["/d/0"] = cut_once(LARGE, 1_500_000, etag, then)
    assert stream_of([f"{server.url}/d/0"])[0] == (LARGE if etag == then else LARGE[::-1])
    assert "Range" not in server.seen[-1][1]


def test_nginx_and_its_ranges(tmp_path: Path) -> None:
    write(tmp_path / "www" / "d", CONTENTS)
    with Nginx(tmp_path / "www", tmp_path / "nginx") as nginx:
        stream = stream_of([f"{nginx.url}/d/{number}" for number in range(12)], CONTENTS)
        assert list(stream) == CONTENTS
        parts = [(number % 12, number * 7, number * 7 + 4096) for number in range(200)]
        assert list(stream.read_many(parts)) == [CONTENTS[chunk][start:stop] for chunk, start, stop in parts]
        assert {line.split()[8] for line in nginx.requests} == {"200", "206"}


def test_nginx_that_compresses_is_asked_for_the_bytes_as_they_are(tmp_path: Path) -> None:
    write(tmp_path / "www" / "d", CONTENTS[:1])
    more = "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;"
    with Nginx(tmp_path / "www", tmp_path / "nginx", more) as nginx:
        assert stream_of([f"{nginx.url}/d/0"])[0] == CONTENTS[0]


def test_ten_thousand_chunks_are_read_one_by_one_in_bounded_memory(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"chunk")
    with Nginx(tmp_path, tmp_path / "nginx") as nginx:
        stream = stream_of([f"{nginx.url}/c?{number}" for number in range(10_000)])
        assert sum(len(chunk) for chunk in stream) == 50_000


def test_few_chunks_are_sent_for_before_they_are_taken(server: Hostile) -> None:
    contents = contents_of(40)
    options = StreamOptions(max_ahead_bytes=100_000)
    chunks = iter(stream_of(put(server, contents), contents, options))
    for taken, content in enumerate(islice(chunks, 30), 1):
        assert content == contents[taken - 1]
        assert len(server.seen) <= taken + 5


def test_what_nobody_takes_is_given_up(server: Hostile) -> None:
    over = threading.Event()

    def behave(ask: Ask) -> None:
        over.wait(60)
        ask.reply(200, CONTENTS[0])

    server.behaviours |= {"/d/0": gives(CONTENTS[0]), "/d/1": behave, "/d/2": behave}
    stream = stream_of([f"{server.url}/d/{number}" for number in range(3)], options=StreamOptions(max_requests=62))
    chunks: Any = iter(stream)
    next(chunks)
    chunks.close()
    assert stream[0] == CONTENTS[0]
    assert stream.stats.in_flight == 0
    over.set()


def test_threads_share_connections(stream: Stream) -> None:
    with ThreadPoolExecutor(16) as pool:
        parts = list(pool.map(lambda number: stream.read(number % 12, number, number + 9), range(200)))
    assert parts == [CONTENTS[number % 12][number : number + 9] for number in range(200)]


def read_all(stream: Stream, answers: Any) -> None:
    answers.put(list(stream) == CONTENTS and stream.read(3, 5, 9) == CONTENTS[3][5:9])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_every_kind_of_process_reads_on_its_own(method: str, stream: Stream) -> None:
    assert stream[0] == CONTENTS[0]
    context: Any = multiprocessing.get_context(method)
    answers = context.Queue()
    children = [context.Process(target=read_all, args=(stream, answers)) for _ in range(2)]
    for child in children:
        child.start()
    assert [answers.get(timeout=60) for _ in children] == [True, True]
    for child in children:
        child.join()
    assert stream[1] == CONTENTS[1]


def test_a_fork_goes_on_with_what_its_parent_has_begun(stream: Stream) -> None:
    chunks = iter(stream)
    begun = [next(chunks), next(chunks)]
    child = os.fork()
    if not child:
        os._exit(0 if begun + list(chunks) == CONTENTS else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert begun + list(chunks) == CONTENTS


def test_the_thread_ends_when_nothing_is_to_be_read(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflux_core._run.flare.reader._LINGER_S", 0.01)
    monkeypatch.setattr("dataflux_core._run.flare.reader._HOLD_S", 0.01)
    options = StreamOptions(max_requests=61)
    stream = stream_of(put(server, CONTENTS), options=options)
    for _ in range(3):
        assert stream[0] == CONTENTS[0]
        thread = reader_of(options)._thread
        if thread is not None:
            thread.join(60)
        assert reader_of(options)._thread is None


def test_a_reader_that_is_stopped_says_so_to_those_who_wait(server: Hostile) -> None:
    from dataflux_core._run.flare.errands import ChunkAsk  # noqa: PLC0415
    from dataflux_core._run.reading.reader import Stopped  # noqa: PLC0415

    asked = threading.Event()

    def behave(ask: Ask) -> None:
        asked.set()
        ask.over.wait(60)

    server.behaviours["/d/0"] = behave
    reader = ChunkReader(QUICK)
    future = reader.submit(ChunkAsk((f"{server.url}/d/0",)))
    assert asked.wait(60)
    reader.stop()
    with pytest.raises(Stopped):
        future.result(60)


def test_a_wrong_address_fails_within_seconds() -> None:
    with pytest.raises(ChunkUnavailable, match="cannot connect") as raised:
        stream_of(["http://127.0.0.1:1/x"], options=StreamOptions())[0]
    assert [type(error) for error in raised.value.errors] == [EndpointUnreachable]


def test_a_copy_by_pickle_reads_the_same(stream: Stream) -> None:
    copy = pickle.loads(pickle.dumps(stream[2:4]))
    assert copy == stream[2:4]
    assert list(copy) == CONTENTS[2:4]
    assert repr(copy) == "<Stream 'x' of 2 chunks>"


def serve_playlist(server: Hostile, urls: list[str], name: str = "x") -> None:
    text = Playlist([spec_of(urls, CONTENTS, name)]).dump()
    server.behaviours["/p.yaml"] = gives(text.encode())


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_playlist_whose_urls_have_expired_is_fetched_again_once_and_the_read_goes_on(
    status: int, server: Hostile
) -> None:
    put(server, CONTENTS)
    good = [f"{server.url}/d/{number}?signature=2" for number in range(12)]

    def signed(number: int) -> Behaviour:
        def behave(ask: Ask) -> None:
            if "signature=2" in ask.handler.path:
                ask.reply(200, CONTENTS[number])
            else:
                ask.reply(status)

        return behave

    for number in range(6, 12):
        server.behaviours[f"/d/{number}"] = signed(number)
    serve_playlist(server, [f"{server.url}/d/{number}?signature=1" for number in range(12)])
    stream = Playlist.load(f"{server.url}/p.yaml").stream("x", QUICK)
    chunks = iter(stream)
    begun = list(islice(chunks, 3))
    serve_playlist(server, good)
    assert begun + list(chunks) == CONTENTS
    assert server.paths.count("/p.yaml") == 2
    assert stream.read(9, 5, 50) == CONTENTS[9][5:50]
    assert server.paths.count("/p.yaml") == 2


def test_a_playlist_that_names_nothing_better_is_an_error_and_is_not_asked_for_again_and_again(server: Hostile) -> None:
    serve_playlist(server, [f"{server.url}/gone/{number}" for number in range(12)])
    stream = Playlist.load(f"{server.url}/p.yaml").stream("x", QUICK)
    for number in range(12):
        with pytest.raises(ChunkUnavailable, match="was fetched again and is the same: ask who publishes it"):
            stream[number]
    assert server.paths.count("/p.yaml") == 2


REFUSED: dict[str, tuple[Behaviour, str]] = {
    "a playlist that is gone": (gives(b"", 404), "could not be fetched again: .*HTTP 404"),
    "one that is no playlist any more": (gives(b"<html>"), "could not be fetched again: "),
    "one without the stream": (gives(b"y: {headers: {}, content: [https://a.org/b]}"), "no such stream"),
    "one with fewer chunks": (gives(b"x: {headers: {}, content: [https://a.org/b]}"), "1 chunks in it"),
}


@pytest.mark.parametrize(("behaviour", "said"), REFUSED.values(), ids=REFUSED)
def test_a_playlist_that_has_become_another_is_a_clear_error(behaviour: Behaviour, said: str, server: Hostile) -> None:
    serve_playlist(server, [f"{server.url}/gone/{number}" for number in range(12)])
    stream = Playlist.load(f"{server.url}/p.yaml").stream("x", QUICK)
    server.behaviours["/p.yaml"] = behaviour
    with pytest.raises(ChunkUnavailable, match=said) as raised:
        stream[5]
    assert "chunk 5 of stream 'x'" in str(raised.value)


def test_a_playlist_that_was_made_here_cannot_be_fetched_again(server: Hostile) -> None:
    server.behaviours["/d/0"] = gives(b"", 403)
    with pytest.raises(ChunkUnavailable, match="came from no URL") as raised:
        stream_of([f"{server.url}/d/0"])[0]
    assert raised.value.statuses == {403}
    assert isinstance(raised.value.errors[0], AccessDenied)
