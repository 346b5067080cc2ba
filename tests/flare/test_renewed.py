"""Playlists that are fetched again: what has become another is never taken for the same."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.flare.chunks import Chunks, Piece
from dataflux_core._data.flare.renewal import Streams, has_same_chunk, has_same_names, lasting_names
from dataflux_core.errors import ChunkUnavailable, ChunkWrong
from dataflux_core.flare import Playlist, StreamOptions, StreamSpec
from tests.fetching.hostile import Hostile, gives
from tests.flare.read_streams import IMPATIENT, QUICK, contents_of, put, spec_of

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTENTS = contents_of(3)
_SUMS = [f"{number:064x}" for number in range(4)]


def show(server: Hostile, spec: StreamSpec) -> None:
    server.behaviours["/p.yaml"] = gives(Playlist([spec]).dump().encode())


@pytest.mark.parametrize(
    ("names", "said"),
    [
        pytest.param(["new", "0", "1", "2"], "4 chunks in it, the first had 3: load it anew", id="one was put in"),
        pytest.param(["0", "1"], "2 chunks in it", id="one was taken out"),
        pytest.param(["1", "0", "2"], "of other names, or in another order: load it anew", id="two changed places"),
        pytest.param(["1", "2", "3"], "of other names", id="the window has moved on"),
    ],
)
@pytest.mark.parametrize("span", [None, (0, 9)], ids=["a whole chunk", "a part"])
def test_a_number_that_means_another_chunk_now_is_an_error(
    names: list[str], said: str, span: tuple[int, int] | None
) -> None:
    with Hostile() as server:
        for name in ("new", "0", "1", "2", "3"):
            server.behaviours[f"/v2/{name}"] = gives(name.encode() * 20)
        show(server, spec_of([f"{server.url}/v1/{number}" for number in range(3)]))
        stream = Playlist.load(f"{server.url}/p.yaml").stream("x", QUICK)
        show(server, spec_of([f"{server.url}/v2/{name}" for name in names]))
        with pytest.raises(ChunkUnavailable, match=said):
            stream[0] if span is None else stream.read(0, *span)


def test_a_stream_that_is_there_no_more_is_an_error() -> None:
    with Hostile() as server:
        show(server, spec_of([f"{server.url}/v1/0"]))
        stream = Playlist.load(f"{server.url}/p.yaml").stream("x", QUICK)
        show(server, StreamSpec.of("y", [f"{server.url}/v2/0"]))
        said = "the playlist was fetched again and has no such stream: load it anew"
        with pytest.raises(ChunkUnavailable, match=f"HTTP 404: Not Found; {said}"):
            stream[0]
        with pytest.raises(ChunkUnavailable) as raised:
            stream[0]
    # This time no host was asked, so that there is no answer to tell of.
    assert raised.value.errors == ()
    assert str(raised.value) == f"chunk 0 of stream 'x' cannot be had; {said}"
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_sums_show_that_a_chunk_is_the_same_under_another_name() -> None:
    with Hostile() as server:
        urls = put(server, CONTENTS, "v2")
        show(server, spec_of([f"{server.url}/v1/{number}?signature=1" for number in "abc"], CONTENTS))
        stream = Playlist.load(f"{server.url}/p.yaml").stream("x", QUICK)
        show(server, spec_of([*urls, f"{server.url}/v2/0?again"], [*CONTENTS, CONTENTS[0]]))
        assert list(stream) == CONTENTS


def test_wrong_bytes_are_not_taken_whatever_the_new_playlist_says() -> None:
    with Hostile() as server:
        show(server, spec_of([f"{server.url}/v1/0"], CONTENTS[:1]))
        stream = Playlist.load(f"{server.url}/p.yaml").stream("x", IMPATIENT)
        show(server, spec_of(put(server, CONTENTS[1:2])))
        with pytest.raises(ChunkUnavailable, match="names no better URL") as raised:
            stream[0]
        assert isinstance(raised.value.errors[0], ChunkWrong)


def test_new_mirrors_alone_are_a_playlist_that_may_help() -> None:
    with Hostile() as gone, Hostile() as good:
        put(good, CONTENTS[:1])
        show(good, spec_of([f"{gone.url}/d/0"], mirrors=[f"{gone.url}/e/"]))
        stream = Playlist.load(f"{good.url}/p.yaml").stream("x", QUICK)
        show(good, spec_of([f"{gone.url}/d/0"], mirrors=[f"{good.url}/d/"]))
        assert stream[0] == CONTENTS[0]


URL = "https://a.org/x/"


@pytest.mark.parametrize(
    ("first", "now", "is_same"),
    [
        pytest.param(["0", "1"], ["0?s=1", "1?s=1"], True, id="signatures differ"),
        pytest.param(["0", "1"], ["y/0", "y/1"], True, id="they lie in another directory"),
        pytest.param(["0", "1"], ["1", "0"], False, id="the order differs"),
        pytest.param(["a/0", "b/0"], ["y/a/0", "y/b/0"], True, id="both directories lie elsewhere"),
        pytest.param(["a/0", "b/0"], ["b/0", "a/0"], False, id="directories have changed places"),
        pytest.param(["day=1/0", "day=2/0"], ["day=2/0", "day=3/0"], False, id="a day is over"),
        pytest.param(["0?s=a/b"], ["0?s=c/d/e"], True, id="signatures have slashes"),
        pytest.param(["g?id=A&sig=1", "g?id=B&sig=2"], ["g?id=A&sig=3", "g?id=B&sig=4"], True, id="queries name them"),
        pytest.param(
            ["g?id=A&sig=1", "g?id=B&sig=2"], ["g?sig=3&id=A", "g?id=B&sig=4"], True, id="the query is turned"
        ),
        pytest.param(["g?id=A&sig=1", "g?id=B&sig=2"], ["g?id=B&sig=3", "g?id=A&sig=4"], False, id="queries turned"),
        pytest.param(["g?id=A&sig=1", "g?id=B&sig=2"], ["g?id=N&sig=3", "g?id=A&sig=4"], False, id="one was put in"),
        pytest.param(["g?token=1", "g?token=2"], ["g?token=2", "g?token=3"], False, id="nothing names them"),
        pytest.param(["0", "0", "1"], ["0", "0", "1"], True, id="one comes twice"),
        pytest.param(
            ["0?X-Amz-Date=1", "0?X-Amz-Date=1"], ["0?X-Amz-Date=2", "0?X-Amz-Date=2"], True, id="signed, twice"
        ),
    ],
)
def test_names_are_what_follows_the_directory_that_all_share(first: list[str], now: list[str], is_same: bool) -> None:
    specs = [StreamSpec.of("x", [URL + name for name in names]) for names in (first, now)]
    assert has_same_names(*specs) is is_same


def test_chunks_of_several_servers_are_known_by_their_last_names() -> None:
    first = StreamSpec.of("x", ["https://a.org/x/0", "https://b.org/y/1"])
    moved = StreamSpec.of("x", ["https://c.org/0?s", "https://b.org/z/1"])
    turned = StreamSpec.of("x", ["https://b.org/y/1", "https://a.org/x/0"])
    assert [has_same_names(first, now) for now in (moved, turned)] == [True, False]


@pytest.mark.parametrize(
    ("urls", "lasting"),
    [
        pytest.param(["0", "1"], ["0", "1"], id="nothing is signed"),
        pytest.param(["0?sig=1", "1"], ["0", "1"], id="some are signed"),
        pytest.param(["g?sig=1&id=A", "g?id=B&Expires=9"], ["g?id=A", "g?id=B"], id="queries name them"),
        pytest.param(["g?id=A&of=B", "g?of=B&id=C&"], ["g?id=A&of=B", "g?id=C&of=B"], id="queries are turned"),
        pytest.param(["g?token=1", "g?token=2"], ["g?token=1", "g?token=2"], id="nothing else names them"),
        pytest.param(["0?sig=1", "0?sig=1", "1?sig=1"], ["0", "0", "1"], id="one comes twice"),
        pytest.param([], [], id="there are none"),
    ],
)
def test_the_names_of_chunks_last_when_they_are_signed_anew(urls: list[str], lasting: list[str]) -> None:
    assert list(lasting_names([URL + url for url in urls])) == [URL + name for name in lasting]


@given(st.permutations(range(4)), st.integers(0, 3))
def test_by_sums_a_chunk_is_the_same_where_its_bytes_are(order: Sequence[int], chunk: int) -> None:
    urls = [f"{URL}{number}" for number in range(4)]
    first, now = spec_of(urls, sha256=_SUMS), spec_of(urls, sha256=[_SUMS[at] for at in order])
    assert has_same_chunk(first, now, chunk) is (order[chunk] == chunk)
    assert not has_same_chunk(first, StreamSpec.of("x", first.content), chunk)


def test_what_urls_begin_with_is_that_of_the_playlist_they_are_from() -> None:
    """A thread may renew the playlist between two looks of another one."""
    first = StreamSpec.of("x", ["https://a.org/old/0", "https://a.org/old/1"], {"mirrors": ["https://m.org/"]})
    now = StreamSpec.of("x", ["https://a.org/moved/0", "https://a.org/moved/1"], {"mirrors": ["https://m.org/"]})

    class Turning(Streams):
        """Changes each time that it is looked at."""

        looks = 0

        @property
        def generation(self) -> int:
            return self.looks

        def now(self, name: str) -> StreamSpec | None:
            del name
            self.looks += 1
            return (first, now)[self.looks % 2]

    chunks = Chunks(first, Turning([first]), StreamOptions())
    for _ in range(4):
        ask = chunks._ask(Piece(1))
        assert ask is not None
        assert ask.urls[1] == "https://m.org/1"
