"""Datasets over mirrors that lie or die, over URLs that expire, through the node's cache."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from benchmarking._nginx import Nginx
from dataflux_core.errors import BadSample, ChunkUnavailable, TooManyBadSamples
from dataflux_core.flare import Playlist, StreamSpec
from dataflux_core.streaming import StreamingDataset
from tests.fetching.hostile import Hostile, gives
from tests.flare.datasets import json_chunks, numbered, numbered_spec, served_numbers
from tests.flare.read_streams import put, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fetching.hostile import Ask

COUNTS = (20,) * 40


@pytest.fixture
def mirrors(tmp_path: Path) -> Iterator[list[Nginx]]:
    """Three servers of the same chunks."""
    root = served_numbers(tmp_path / "www", COUNTS)
    with ExitStack() as stack:
        yield [stack.enter_context(Nginx(root, tmp_path / f"nginx-{number}")) for number in range(3)]


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        put(running, json_chunks(COUNTS))
        yield running


def numbers(dataset: StreamingDataset) -> list[int]:
    return sorted(sample["n"] for sample in dataset)


def over(servers: list[Any], **keywords: Any) -> StreamingDataset:
    spec = numbered_spec(f"{servers[0].url}/d", COUNTS, mirrors=[f"{server.url}/d/" for server in servers[1:]])
    return StreamingDataset(Playlist([spec]), **{"shuffle": True, **keywords})


def test_an_epoch_goes_on_when_mirrors_are_killed_in_it(mirrors: list[Nginx]) -> None:
    dataset = over(mirrors, prefetch_samples=20)
    iterator = iter(dataset)
    seen = [sample["n"] for sample in islice(iterator, 100)]
    mirrors[0].kill()
    seen += [sample["n"] for sample in islice(iterator, 200)]
    mirrors[2].kill()
    seen += [sample["n"] for sample in iterator]
    assert sorted(seen) == list(range(800))
    assert dataset.stats().bad_samples == 0


def test_a_mirror_that_lies_gives_no_sample(server: Hostile) -> None:
    with Hostile() as liar:
        liar.behaviours |= {f"/d/{number}": gives(b'{"n": -1}\n' * 20) for number in range(40)}
        assert numbers(over([liar, server])) == list(range(800))
        assert liar.seen


def test_records_of_a_chunk_that_is_gone_are_bad_samples(server: Hostile) -> None:
    del server.behaviours["/d/7"]
    lost = set(range(140, 160))
    with pytest.raises(BadSample, match=r"chunk 7 of stream 'x' cannot be had: .*HTTP 404"):
        numbers(over([server]))
    dataset = over([server], on_bad_sample="skip", tail="uneven")
    assert numbers(dataset) == sorted(set(range(800)) - lost)
    assert dataset.stats().bad_samples == 20
    filled = over([server], on_bad_sample="fill", fill_value={"x": {"n": -1}})
    assert numbers(filled)[:21] == [-1] * 20 + [0]
    with pytest.raises(TooManyBadSamples):
        numbers(over([server], on_bad_sample="skip", max_bad_samples=10))
    with pytest.raises(BadSample):
        dataset[141]


def test_what_is_refused_for_want_of_credentials_is_always_raised(server: Hostile) -> None:
    server.behaviours["/d/7"] = gives(b"", 401)
    with pytest.raises(ChunkUnavailable, match="401"):
        numbers(over([server], on_bad_sample="skip"))


def test_a_second_epoch_asks_for_nothing_where_the_node_has_a_cache(server: Hostile, tmp_path: Path) -> None:
    dataset = over([server], dst=tmp_path / "cache")
    assert numbers(dataset) == list(range(800))
    assert len(server.seen) == 40
    assert numbers(dataset) == list(range(800))
    elsewhere = StreamingDataset(
        Playlist([numbered_spec("http://127.0.0.1:1/signed-anew", COUNTS)]), tmp_path / "cache", shuffle=True
    )
    assert numbers(elsewhere) == list(range(800)), "what has the same sums is the same"
    assert elsewhere[5] == {"n": 5}
    assert len(server.seen) == 40
    assert (dataset.stats().hits, elsewhere.stats().misses) == (40, 0)


@pytest.mark.parametrize(
    ("form", "anew"),
    [
        pytest.param("get?id={}&sig=1", "get?sig=2&id={}", id="by what is no signature, signed anew"),
        pytest.param("get?token={}", "get?token={}", id="by what could be a signature"),
    ],
)
def test_chunks_that_queries_tell_apart_are_all_kept(server: Hostile, tmp_path: Path, form: str, anew: str) -> None:
    chunks = json_chunks(COUNTS[:8])

    def give(ask: Ask) -> None:
        query = parse_qs(urlsplit(ask.handler.path).query)
        ask.reply(200, chunks[int(query.get("id", query.get("token", []))[0])])

    server.behaviours["/get"] = give
    crc32cs = spec_of([], chunks).headers["crc32c"]
    headers: dict[str, Any] = {"encoding": "jsonl", "records": list(COUNTS[:8]), "crc32c": crc32cs}
    for urls in form, form, anew:
        spec = StreamSpec.of("x", [f"{server.url}/{urls.format(number)}" for number in range(8)], headers)
        assert numbers(StreamingDataset(Playlist([spec]), tmp_path / "cache")) == list(range(160))
        assert len(server.seen) == 8, "the first epoch has fetched them, the next ones find them"


def test_a_cache_never_has_more_than_its_limit(server: Hostile, tmp_path: Path) -> None:
    dataset = over([server], dst=tmp_path / "cache", cache_limit=3000)
    for _ in range(2):
        assert numbers(dataset) == list(range(800))
    stats = dataset.stats()
    assert 0 < stats.hits < 40
    assert 40 < stats.requests < 80


def test_another_chunk_under_the_same_url_is_not_taken_from_the_cache(server: Hostile, tmp_path: Path) -> None:
    assert numbers(over([server], dst=tmp_path / "cache")) == list(range(800))
    server.behaviours["/d/0"] = gives(json_chunks([20])[0].replace(b"0", b"1"))
    changed = json_chunks(COUNTS)
    changed[0] = changed[0].replace(b"0", b"1")
    spec = numbered_spec(f"{server.url}/d", COUNTS)
    anew = spec_of(spec.content, changed, encoding="jsonl", records=list(COUNTS))
    dataset = StreamingDataset(Playlist([anew]), tmp_path / "cache")
    assert next(iter(dataset)) == {"n": 1}


def test_urls_that_expire_are_looked_up_in_the_playlist_again(server: Hostile) -> None:
    chunks = json_chunks(COUNTS)

    def text(folder: str) -> bytes:
        return Playlist([numbered_spec(f"{server.url}/{folder}", COUNTS)]).dump().encode()

    server.behaviours["/p.yaml"] = gives(text("d"))
    dataset = StreamingDataset(f"{server.url}/p.yaml", prefetch_samples=10)
    iterator = iter(dataset)
    seen = [next(iterator)["n"] for _ in range(10)]
    put(server, chunks, "moved")
    server.behaviours |= {f"/d/{number}": gives(b"", 403) for number in range(40)}
    server.behaviours["/p.yaml"] = gives(text("moved"))
    assert seen + [sample["n"] for sample in iterator] == list(range(800))


def test_memory_is_bounded_by_what_may_be_read_ahead(server: Hostile) -> None:
    """Of a consumer that takes nothing, no more is asked for than the bound and a chunk of each window."""
    chunks = [b"x" * 100_000] * 60
    urls = put(server, chunks, "large")
    spec = StreamSpec.of("x", urls, {"sizes": [100_000] * 60})
    dataset = StreamingDataset(Playlist([spec]), prefetch_bytes=1_000_000, data_type="bytes")
    iterator = iter(dataset)
    for taken in range(1, 61):
        assert len(next(iterator)["x"]) == 100_000
        assert len([path for path, _ in server.seen if path.startswith("/large")]) <= taken + 12


def test_an_epoch_that_is_left_ends_its_reads(server: Hostile) -> None:
    iterator = iter(numbered(f"{server.url}/d", COUNTS, prefetch_samples=8))
    next(iterator)
    iterator.close()  # type: ignore[attr-defined] # a generator
    assert numbers(numbered(f"{server.url}/d", COUNTS)) == list(range(800))
