"""Mirrors that are real servers: some lie, some die in the middle of an epoch."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from benchmarking._nginx import Nginx
from dataflux_core.errors import ChunkUnavailable, ChunkWrong, EndpointUnreachable, ServiceRefused
from dataflux_core.flare import StreamOptions
from tests.fetching.hostile import Ask, Hostile, gives, never_answers, ranges, resets_first
from tests.flare.read_streams import contents_of, put, stream_of, write
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dataflux_core.flare import Stream
    from tests.fetching.hostile import Behaviour

CONTENTS = contents_of(60, 100_000)
_numbers = itertools.count(30)


@pytest.fixture
def mirrors(tmp_path: Path) -> Iterator[list[Nginx]]:
    """Three servers of the same chunks."""
    write(tmp_path / "www" / "d", CONTENTS)
    with ExitStack() as stack:
        yield [stack.enter_context(Nginx(tmp_path / "www", tmp_path / f"nginx-{number}")) for number in range(3)]


def fresh(**more: object) -> StreamOptions:
    """Return options of a reader of its own, which knows nothing of any host."""
    return StreamOptions(max_requests=next(_numbers), **{"patience_s": 10.0, **more})  # type: ignore[arg-type]


def mirrored(servers: list[Nginx] | list[Hostile], options: StreamOptions, *, has_sums: bool = True) -> Stream:
    urls = [f"{servers[0].url}/d/{number}" for number in range(len(CONTENTS))]
    others = [f"{server.url}/d/" for server in servers[1:]]
    return stream_of(urls, CONTENTS if has_sums else (), options, mirrors=others)


def test_load_is_spread_over_mirrors(mirrors: list[Nginx]) -> None:
    stream = mirrored(mirrors, fresh(max_ahead_bytes=600_000))
    for _ in range(3):
        assert list(stream) == CONTENTS
    assert wait_until(lambda: sum(len(mirror.requests) for mirror in mirrors) >= 180)  # logged after they are answered
    counts = [len(mirror.requests) for mirror in mirrors]
    assert sum(counts) == 180
    assert all(counts)


def test_an_epoch_goes_on_when_mirrors_are_killed_in_it(mirrors: list[Nginx]) -> None:
    stream = mirrored(mirrors, fresh(max_ahead_bytes=600_000))
    chunks = iter(stream)
    read = list(islice(chunks, 20))
    mirrors[0].kill()
    read += islice(chunks, 20)
    mirrors[2].kill()
    read += chunks
    assert read == CONTENTS
    assert list(stream.read_many((number, 5, 500) for number in range(60))) == [content[5:500] for content in CONTENTS]
    unknowing = mirrored(mirrors, fresh())  # the first may by luck have had nothing to ask of those that died
    assert list(unknowing) == CONTENTS
    assert unknowing.stats.failures > 0


def test_where_all_are_killed_the_error_says_so_of_each(mirrors: list[Nginx]) -> None:
    stream = mirrored(mirrors, fresh(patience_s=0.5))
    assert stream[0] == CONTENTS[0]
    for mirror in mirrors:
        mirror.kill()
    with pytest.raises(ChunkUnavailable, match="chunk 1 of stream 'x'") as raised:
        stream[1]
    assert [type(error) for error in raised.value.errors] == [EndpointUnreachable] * 3
    assert all(mirror.url in str(raised.value) for mirror in mirrors)


def test_a_server_that_comes_back_in_time_is_waited_for(mirrors: list[Nginx]) -> None:
    stream = mirrored(mirrors[:1], fresh(max_ahead_bytes=300_000))
    chunks = iter(stream)
    read = list(islice(chunks, 10))
    mirrors[0].kill()
    with Nginx(mirrors[0].root, mirrors[0].folder, port=mirrors[0].port):
        assert read + list(chunks) == CONTENTS


BAD: dict[str, Behaviour] = {
    "a 404": gives(b"", 404),
    "a 403": gives(b"", 403),
    "a 500": gives(b"", 500),
    "a 503 that asks for an hour": gives(b"", 503, Retry_After="3600"),
    "a short body": lambda ask: ask.reply(200, CONTENTS[0][:500], len(CONTENTS[0])),
    "a reset": resets_first(10**6, b""),
    "another size": gives(CONTENTS[0] + b"?"),
    "other bytes": gives(bytes(len(CONTENTS[0]))),
    "a web page": gives(b"<html>sign in</html>"),
}


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD)
@pytest.mark.parametrize("bad", [0, 1], ids=["of the first host", "of the mirror"])
def test_what_one_host_does_wrong_the_other_makes_good(behaviour: Behaviour, bad: int) -> None:
    with Hostile() as one, Hostile() as other:
        for server in (one, other):
            put(server, CONTENTS[:4])
        (one, other)[bad].behaviours |= dict.fromkeys([f"/d/{number}" for number in range(4)], behaviour)
        stream = mirrored([one, other], fresh())[:4]
        assert list(stream) == CONTENTS[:4]
        assert (one, other)[bad].seen


def test_a_mirror_that_lies_is_left_alone() -> None:
    with Hostile() as one, Hostile() as other:
        put(one, CONTENTS)
        other.behaviours |= {f"/d/{number}": gives(bytes(100_000 + number)) for number in range(60)}
        assert list(mirrored([one, other], fresh())) == CONTENTS
        assert 0 < len(other.seen) < 20


def test_what_no_host_has_right_is_an_error_that_tells_each_answer() -> None:
    with Hostile() as one, Hostile() as other:
        one.behaviours["/d/0"] = gives(b"", 404)
        other.behaviours["/d/0"] = gives(bytes(100_000))
        with pytest.raises(ChunkUnavailable) as raised:
            mirrored([one, other], fresh(patience_s=0.5))[0]
    assert [type(error) for error in raised.value.errors] == [ServiceRefused, ChunkWrong]
    assert raised.value.statuses == {404}


def test_the_rest_of_a_body_never_comes_from_another_host() -> None:
    content = bytes(range(256)) * 8192

    def breaks_off(ask: Ask) -> None:
        ask.reply(200, content[:1_000_000], len(content), ETag='"same"')

    with Hostile() as one, Hostile() as other:
        one.behaviours["/d/0"] = breaks_off
        other.behaviours["/d/0"] = ranges(content, '"same"')
        stream = stream_of([f"{one.url}/d/0"], options=fresh(), mirrors=[f"{other.url}/d/"])
        assert stream[0] == content
        assert all("Range" not in headers for _, headers in other.seen)


def first_never_answers(content: bytes) -> Behaviour:
    """Leave the first who asks without an answer, at whichever host that is."""
    asks = itertools.count()
    return lambda ask: gives(content)(ask) if next(asks) else never_answers(ask)


def test_what_takes_too_long_is_asked_of_another_host_too() -> None:
    with Hostile() as one, Hostile() as other:
        for server in (one, other):
            put(server, CONTENTS)
        stream = mirrored([one, other], fresh(hedge=True, max_ahead_bytes=400_000))
        assert list(stream[:10]) == CONTENTS[:10]
        silent_first = {f"/d/{number}": first_never_answers(CONTENTS[number]) for number in range(10, 60)}
        one.behaviours |= silent_first
        other.behaviours |= silent_first
        assert list(stream[10:30]) == CONTENTS[10:30]
        assert stream.stats.hedged >= 20
        assert wait_until(lambda: stream.stats.in_flight == 0)


def test_nothing_is_asked_twice_unless_that_is_wanted(mirrors: list[Nginx]) -> None:
    stream = mirrored(mirrors, fresh())
    assert list(stream) == CONTENTS
    assert stream.stats.hedged == 0
    assert stream.stats.requests == 60
