"""How a dataset reads the chunks of its playlist is said by StreamOptions, in every process, for playlists alone."""

from __future__ import annotations

import gzip
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.errors import BadSample, InvalidArgument
from dataflux_core.flare import Playlist, StreamOptions, StreamSpec
from dataflux_core.flare.torch import FlareDataset
from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.fetching.hostile import Hostile, fails_first, never_answers
from tests.flare.datasets import json_chunks, lines, numbered, numbered_spec
from tests.flare.read_streams import put
from tests.streaming.loaders import Cell, loaded_in
from tests.streaming.streams import MANY_WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [MANY_WORKERS, pytest.mark.timeout(100)]

COUNTS = (5,) * 4
AT_ONCE = StreamOptions(patience_s=0)


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        put(running, json_chunks(COUNTS))
        yield running


@pytest.fixture
def flawed(server: Hostile) -> Hostile:
    """A server that is well but for the first time that chunk 2 is asked for."""
    server.behaviours["/d/2"] = fails_first(1, 503, json_chunks(COUNTS)[2])
    return server


def asked(server: Hostile, chunk: int) -> int:
    return server.paths.count(f"/d/{chunk}")


def over(server: Hostile, **keywords: Any) -> StreamingDataset:
    return numbered(f"{server.url}/d", COUNTS, shuffle=False, **keywords)


def numbers(dataset: StreamingDataset) -> list[int]:
    return [sample["n"] for sample in dataset]


@pytest.mark.parametrize("options", [None, StreamOptions()], ids=["nothing said", "what is usual"])
def test_chunks_are_patiently_asked_for_again_unless_it_is_said(options: StreamOptions | None, flawed: Hostile) -> None:
    assert numbers(over(flawed, stream_options=options)) == list(range(20))
    assert asked(flawed, 2) == 2


def test_without_patience_a_chunk_that_fails_is_not_asked_for_again(flawed: Hostile) -> None:
    dataset = over(flawed, stream_options=AT_ONCE)
    with pytest.raises(BadSample, match="503"):
        dataset[10]
    assert asked(flawed, 2) == 1
    assert dataset[10] == {"n": 10}


def test_the_short_way_for_pytorch_takes_them(flawed: Hostile) -> None:
    playlist = Playlist([numbered_spec(f"{flawed.url}/d", COUNTS)])
    with pytest.raises(BadSample, match="503"):
        list(FlareDataset(playlist, "x", stream_options=AT_ONCE))


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_the_workers_of_a_loader_read_by_them(method: str, flawed: Hostile) -> None:
    dataset = over(flawed, stream_options=AT_ONCE)
    with pytest.raises(RuntimeError, match=r"BadSample: .*503"):  # as torch brings it from there
        list(loaded_in(Cell(1, 1, method), dataset))
    assert asked(flawed, 2) == 1


def test_datasets_of_a_mix_keep_each_its_own(server: Hostile) -> None:
    server.behaviours["/d/2"] = fails_first(2, 503, json_chunks(COUNTS)[2])
    mix = MixedDataset([over(server), over(server, stream_options=AT_ONCE)])
    with pytest.raises(BadSample, match="503"):
        mix[30]
    assert mix[10] == {"n": 10}
    assert asked(server, 2) == 3


def test_a_second_mirror_is_asked_where_the_first_is_slow(server: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflux_core._plan.mirrors._UNKNOWN_HEDGE_S", 0.05)
    options = StreamOptions(hedge=True)
    with Hostile() as slow:
        slow.behaviours |= {f"/d/{number}": never_answers for number in range(len(COUNTS))}
        playlist = Playlist([numbered_spec(f"{slow.url}/d", COUNTS, mirrors=[f"{server.url}/d/"])])
        dataset = StreamingDataset(playlist, stream_options=options, num_downloading_workers=47)
        assert numbers(dataset) == list(range(20))
    assert playlist.stream("x", replace(options, max_requests=47)).stats.hedged > 0


@pytest.mark.parametrize("is_said", [True, False], ids=["the playlist says how large it is", "the host says it"])
def test_a_chunk_that_is_too_large_is_a_bad_sample_that_says_so(is_said: bool, server: Hostile) -> None:
    size = 700_000
    urls = put(server, [b"\n" * size], "large")
    headers: dict[str, Any] = {"encoding": "text", "records": [size]} | ({"sizes": [size]} if is_said else {})
    options = StreamOptions(max_chunk_bytes=600_000, patience_s=0)
    dataset = StreamingDataset(Playlist([StreamSpec.of("x", urls, headers)]), stream_options=options)
    with pytest.raises(BadSample, match="max_chunk_bytes=600000: .*700000 bytes|at most 600000 are received"):
        next(iter(dataset))
    assert len(server.seen) == (not is_said)


@pytest.mark.parametrize("headers", [{"encoding": "jsonl", "records": [900]}, {}], ids=["records", "a file"])
@pytest.mark.parametrize("is_copy", [False, True], ids=["here", "in a copy"])
def test_a_chunk_that_unfolds_to_too_much_is_a_bad_sample(
    headers: dict[str, Any], is_copy: bool, server: Hostile
) -> None:
    urls = put(server, [gzip.compress(lines(range(900)))], "folded")
    spec = StreamSpec.of("x", urls, {"compression": "gzip", **headers})
    dataset = StreamingDataset(Playlist([spec]), stream_options=StreamOptions(max_decoded_bytes=1000))
    if is_copy:
        dataset = pickle.loads(pickle.dumps(dataset))
    with pytest.raises(BadSample, match="raise max_decoded_bytes"):
        list(dataset)


def test_a_copy_has_them(flawed: Hostile) -> None:
    copy = pickle.loads(pickle.dumps(over(flawed, stream_options=AT_ONCE)))
    with pytest.raises(BadSample, match="503"):
        copy[10]


def test_where_the_source_is_no_playlist_they_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"stream_options.*src is none"):
        StreamingDataset([{"n": 1}], columns_to_load=[], stream_options=StreamOptions())
    assert len(StreamingDataset([{"n": 1}], columns_to_load=[], stream_options=None)) == 1


WRONG: dict[str, tuple[Any, str]] = {
    "no options": ({"hedge": True}, r"a flare\.StreamOptions"),
    "requests": (StreamOptions(max_requests=7), "num_downloading_workers="),
    "bytes ahead": (StreamOptions(max_ahead_bytes=7), "prefetch_bytes="),
}


@pytest.mark.parametrize(("options", "said"), WRONG.values(), ids=WRONG)
def test_what_the_dataset_says_itself_they_may_not(options: Any, said: str, server: Hostile) -> None:
    with pytest.raises(InvalidArgument, match=said):
        over(server, stream_options=options)
    assert server.seen == []
