"""Samples of playlists: what streams become, which belong together, what is refused."""

from __future__ import annotations

import gzip
import itertools
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dataflux_core.errors import (
    BadSample,
    DatafluxError,
    IndexUnusable,
    InvalidArgument,
    PlaylistInvalid,
    RecordsUnusable,
    StateMismatch,
)
from dataflux_core.flare import Playlist, StreamSpec
from dataflux_core.streaming import MixedDataset, StreamingDataset
from tests.fetching.hostile import Hostile, gives
from tests.flare.datasets import COUNT, CUTS, json_chunks, lines, numbered, numbered_spec, raw_chunks
from tests.flare.read_streams import put, spec_of
from tests.flare.test_read_records import npz, parquet, tar
from tests.processes import STRICT_PYTHON
from tests.samples.media import picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


@pytest.fixture(scope="module")
def url(server: Hostile) -> str:
    put(server, json_chunks(), "numbers")
    return f"{server.url}/numbers"


def stream(server: Hostile, chunks: Sequence[bytes], name: str = "x", **headers: Any) -> StreamSpec:
    return spec_of(put(server, chunks, f"t{next(_numbers)}"), chunks, name, **headers)


def samples(*specs: StreamSpec, **keywords: Any) -> list[dict[str, Any]]:
    return list(StreamingDataset(Playlist(specs), **keywords))


def test_records_that_are_dicts_are_the_samples(url: str) -> None:
    dataset = numbered(url, shuffle=False)
    assert list(dataset) == [{"n": number} for number in range(COUNT)]
    assert len(dataset) == COUNT
    assert (dataset[5], dataset[-1]) == ({"n": 5}, {"n": 102})
    assert dataset[8:12] == [{"n": number} for number in range(8, 12)]
    assert dataset.by_row()[77] == {"n": 77}


def test_other_records_are_columns_named_as_their_stream(server: Hostile) -> None:
    chunks = raw_chunks([3, 2])
    found = samples(stream(server, chunks, "weights", encoding="raw", dtype="float32", shape=[]))
    assert found == [{"weights": float(number)} for number in range(5)]
    assert samples(stream(server, [b"a\nb\r\n", b"c"], "words", encoding="text", records=[2, 1])) == [
        {"words": "a"},
        {"words": "b"},
        {"words": "c"},
    ]


def test_streams_side_by_side_are_aligned_however_each_is_cut(server: Hostile, url: str) -> None:
    other = stream(server, raw_chunks([50, 53]), "y", encoding="raw", dtype="float32", shape=[])
    found = samples(numbered_spec(url), other, shuffle=True)
    assert sorted(sample["x"]["n"] for sample in found) == list(range(COUNT))
    assert all(sample["y"] == sample["x"]["n"] for sample in found)


KINDS: dict[str, tuple[list[bytes], dict[str, Any], list[Any]]] = {
    "csv": ([b"n,m\n1,2\n3,4\n"], {"encoding": "csv", "records": [2]}, [{"n": "1", "m": "2"}, {"n": "3", "m": "4"}]),
    "parquet": ([parquet([{"n": 1}, {"n": 2}])], {"encoding": "parquet", "records": [2]}, [{"n": 1}, {"n": 2}]),
    "gzip": (
        [gzip.compress(lines([1, 2]))],
        {"encoding": "jsonl", "compression": "gzip", "records": [2]},
        [{"n": 1}, {"n": 2}],
    ),
    "raw and gzip": (
        [gzip.compress(np.array([1, 2], "<i4").tobytes())],
        {"encoding": "raw", "compression": "gzip", "dtype": "int32", "shape": [], "records": [2]},
        [{"x": 1}, {"x": 2}],
    ),
    "npz": (
        [npz(n=np.arange(2), m=np.arange(2))],
        {"encoding": "npz", "records": [2]},
        [{"n": 0, "m": 0}, {"n": 1, "m": 1}],
    ),
    "tar, its files by extension": (
        [tar({"a.json": b"[1]", "a.txt": b"one", "b.json": b"[2]", "b.txt": b"two"})],
        {"encoding": "tar", "records": [2]},
        [{"id": "a", "json": [1], "txt": "one"}, {"id": "b", "json": [2], "txt": "two"}],
    ),
    "chunks that are files": ([b"one", b"two"], {}, [{"x": b"one"}, {"x": b"two"}]),
}


@pytest.mark.parametrize(("chunks", "headers", "expected"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("has_records", [True, False], ids=["numbers known", "not known"])
def test_each_encoding(
    server: Hostile, chunks: list[bytes], headers: dict[str, Any], expected: list[Any], *, has_records: bool
) -> None:
    said = headers if has_records else {name: value for name, value in headers.items() if name != "records"}
    assert samples(stream(server, chunks, **said)) == expected
    if has_records:
        dataset = StreamingDataset(Playlist([stream(server, chunks, **said)]))
        assert [dataset[number] for number in range(len(expected))] == expected


def test_data_type_says_what_files_are(server: Hostile) -> None:
    pixels = np.full((2, 3, 3), 7, np.uint8)
    chunks = [picture(pixels)] * 2
    for headers, data_type in ({}, "image"), ({"encoding": "image"}, None), ({}, {"x": "image"}):
        found = samples(stream(server, chunks, **headers), data_type=data_type)
        assert all((sample["x"] == pixels).all() for sample in found)
    packed = stream(server, [tar({"a.json": b"[1]", "a.png": chunks[0]})], encoding="tar", records=[1])
    assert samples(packed, data_type={"json": "bytes"})[0]["json"] == b"[1]"
    assert (samples(packed)[0]["png"] == pixels).all()


def test_a_chunk_of_which_few_records_are_wanted_is_read_in_part(server: Hostile) -> None:
    chunks = [np.arange(number, number + 500_000, dtype="<i4").tobytes() for number in (0, 500_000)]
    urls = put(server, chunks, "large")
    spec = StreamSpec.of("x", urls, {"encoding": "raw", "dtype": "int32", "shape": [], "sizes": [2_000_000] * 2})
    dataset = StreamingDataset(Playlist([spec]))
    assert (len(dataset), dataset[600_000], dataset[[3, 999_999]]) == (
        1_000_000,
        {"x": 600_000},
        [{"x": 3}, {"x": 999_999}],
    )
    assert dataset.stats().bytes_read == 12
    summed = StreamingDataset(Playlist([spec_of(urls, chunks, encoding="raw", dtype="int32", shape=[])]))
    assert [summed[600_000], summed[600_001], summed[999_999]] == [{"x": 600_000}, {"x": 600_001}, {"x": 999_999}]
    assert summed.stats().bytes_read == 2_000_000, "what sums are known of is compared with them, and kept for the next"


def test_each_chunk_is_read_once_in_an_epoch(server: Hostile) -> None:
    counts = [40] * 60
    chunks = json_chunks(counts)
    spec = stream(server, chunks, encoding="jsonl", records=list(counts))
    ways: list[dict[str, Any]] = [{}, {"shuffle": True}, {"shuffle": True, "block_samples": 0}]
    for keywords in ways:
        dataset = StreamingDataset(Playlist([spec]), **keywords)
        assert sorted(sample["n"] for sample in dataset) == list(range(2400))
        assert dataset.stats().requests == 60


def test_shuffling_keeps_to_few_chunks_at_a_time_unless_it_is_to_be_over_the_whole(server: Hostile) -> None:
    counts = [90, 110] * 32
    urls = put(server, json_chunks(counts), "blocks")
    spec = StreamSpec.of("x", urls, {"encoding": "jsonl", "records": list(counts)})  # sizes unknown, so taken for large
    dataset = StreamingDataset(Playlist([spec]), shuffle=True, prefetch_samples=400)
    near = [sample["n"] for sample in dataset]
    assert dataset.stats().requests == 64
    far = [sample["n"] for sample in StreamingDataset(Playlist([spec]), shuffle=True, block_samples=0)]
    assert sorted(near) == sorted(far) == list(range(6400))
    assert {len({number // 200 for number in near[start : start + 200]}) for start in range(0, 6400, 200)} == {1}
    assert len({number // 200 for number in far[:200]}) > 20
    assert near[:200] != sorted(near[:200])


def test_a_playlist_is_opened_from_a_file_or_a_url(server: Hostile, url: str, tmp_path: Path) -> None:
    text = Playlist([numbered_spec(url)]).dump()
    (tmp_path / "numbers.YAML").write_text(text)
    server.behaviours["/numbers.yaml"] = gives(text.encode())
    for source in tmp_path / "numbers.YAML", f"{server.url}/numbers.yaml?key=secret":
        dataset = StreamingDataset(source)
        assert dataset[3] == {"n": 3}
        assert "secret" not in repr(dataset)


def test_mixing_and_transforms(url: str) -> None:
    doubled = numbered(url, transforms=lambda sample: {"n": 2 * sample["n"]})
    rows = StreamingDataset([{"n": -number} for number in range(1, 21)], columns_to_load=[])
    found = [sample["n"] for sample in MixedDataset([doubled, rows])]
    assert sorted(found) == [*range(-20, 0), *range(0, 2 * COUNT, 2)]
    assert [sample["n"] for sample in numbered(url, shuffle=False, max_samples=12)] == list(range(12))


def test_where_numbers_are_not_known_a_row_is_a_chunk(url: str) -> None:
    dataset = numbered(url, has_records=False)
    assert len(dataset) == len(CUTS)
    assert sorted(sample["n"] for sample in dataset) == list(range(COUNT))
    with pytest.raises(InvalidArgument, match="header records"):
        dataset[0]
    for keywords in ({"max_samples": 3}, {"on_bad_sample": "fill", "fill_value": {"x": {}}}):
        with pytest.raises(InvalidArgument, match="header records"):
            numbered(url, has_records=False, **keywords)
    with pytest.raises(InvalidArgument, match="batches='one'"):
        MixedDataset([dataset], batches="one", batch_size=2)


def test_streams_that_do_not_fit_are_refused(server: Hostile, url: str) -> None:
    few = numbered_spec(url, CUTS[:3], "few")
    both = Playlist([numbered_spec(url), few])
    with pytest.raises(InvalidArgument, match="'x' has 103, 'few' has 35"):
        StreamingDataset(both)
    with pytest.raises(RecordsUnusable, match="'x' has 103, 'few' has 35 records"):
        StreamingDataset(both, columns_to_load=["x", "few"])
    assert len(StreamingDataset(both, columns_to_load=["few"])) == 35
    unknown = Playlist([numbered_spec(url, has_records=False), few])
    with pytest.raises(InvalidArgument, match="of chunks, 'x' has 6, 'few' has 3"):
        StreamingDataset(unknown)
    with pytest.raises(RecordsUnusable, match="not all say how many records they have"):
        StreamingDataset(unknown, columns_to_load=["x", "few"])
    uneven = [
        stream(server, json_chunks(counts), name, encoding="jsonl") for name, counts in (("a", [2, 2]), ("b", [3, 1]))
    ]
    with pytest.raises(BadSample, match="'a' ends after 2 records of this chunk"):
        samples(*uneven)


def test_arguments_that_mean_nothing_are_refused(url: str) -> None:
    playlist = Playlist([numbered_spec(url)])
    for keywords in ({"root": "gs://b"}, {"index_col_name": "n"}, {"columns_to_keep": ["n"]}, {"filter": 1}):
        with pytest.raises(InvalidArgument, match=next(iter(keywords))):
            StreamingDataset(playlist, **keywords)
    for data_type in ("image", {"x": "image"}):
        with pytest.raises(InvalidArgument, match="data_type=.*; a function in transforms decodes what is in rows of"):
            StreamingDataset(playlist, data_type=data_type)  # type: ignore[arg-type]
    with pytest.raises(IndexUnusable, match="there is no stream 'y'; there are 'x'"):
        StreamingDataset(playlist, columns_to_load=["y"])
    with pytest.raises(InvalidArgument, match="streams that differ"):
        StreamingDataset(playlist, columns_to_load=["x", "x"])
    with pytest.raises(InvalidArgument, match="max_samples"):
        StreamingDataset(playlist, max_samples=0)
    with pytest.raises(IndexUnusable, match="no samples"):
        StreamingDataset(Playlist([StreamSpec.of("x", [])]))
    with pytest.raises(IndexUnusable, match="no stream"):
        StreamingDataset(Playlist())


HOSTILE = {
    "no YAML": (b"[", PlaylistInvalid),
    "an alias bomb": (b"a: &a [1]\nb: *a\n", PlaylistInvalid),
    "a file of this machine": (b"x: {headers: {}, content: ['file:///etc/passwd']}", PlaylistInvalid),
    "more records than there can be": (
        b"x: {headers: {encoding: jsonl, records: [9223372036854775807]}, content: [https://a.org/1]}",
        DatafluxError,
    ),
    "an encoding from the future": (b"x: {headers: {encoding: hologram}, content: [https://a.org/1]}", RecordsUnusable),
}


@pytest.mark.parametrize(("text", "error"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_playlists_are_refused_before_anything_is_read(
    tmp_path: Path, text: bytes, error: type[DatafluxError]
) -> None:
    (tmp_path / "p.yaml").write_bytes(text)
    with pytest.raises(error):
        StreamingDataset(tmp_path / "p.yaml")
    with pytest.raises(IndexUnusable, match=r"No such file"):
        StreamingDataset(tmp_path / "q.yml")


def test_a_playlist_that_changed_is_another_dataset(server: Hostile, url: str) -> None:
    state = numbered(url).state_dict()
    moved = numbered(f"{server.url}/elsewhere")
    moved.load_state_dict(state)  # the same bytes, as the sums say
    for other in (numbered(url, (10, 0, 25, 3, 41, 24)), numbered(url, CUTS[:5]), numbered(url, has_records=False)):
        with pytest.raises(StateMismatch, match="fingerprint"):
            other.load_state_dict(state)
    bare = [numbered_spec(place) for place in (url, f"{server.url}/elsewhere")]
    bare = [StreamSpec.of(spec.name, spec.content, {"encoding": "jsonl", "records": list(CUTS)}) for spec in bare]
    states = [StreamingDataset(Playlist([spec])).state_dict() for spec in bare]
    assert states[0]["index"] != states[1]["index"], "without sums nobody knows whether they are the same bytes"


def test_records_that_are_bad_are_told_one_by_one(server: Hostile) -> None:
    spec = stream(server, [b'{"n": 1}\n{\n{"n": 3}\n', b'{"n": 4}\n'], encoding="jsonl", records=[3, 1])
    with pytest.raises(BadSample, match=r"chunk 0 of stream 'x': record 1: JSONDecodeError"):
        samples(spec)
    assert [sample["n"] for sample in samples(spec, on_bad_sample="skip", tail="uneven")] == [1, 3, 4]
    filled = samples(spec, on_bad_sample="fill", fill_value={"x": {"n": 0}})
    assert [sample["n"] for sample in filled] == [1, 0, 3, 4]
    with pytest.raises(InvalidArgument, match="fill_value"):
        samples(spec, on_bad_sample="fill")


@pytest.mark.parametrize(("said", "found"), [([3], "more than 3"), ([5], "4")])
def test_a_chunk_that_has_other_numbers_than_is_said_is_an_error(server: Hostile, said: list[int], found: str) -> None:
    spec = stream(server, [lines(range(4))], encoding="jsonl", records=said)
    with pytest.raises(BadSample, match=f"it has {found} records, the playlist says {said[0]}"):
        samples(spec)
    raw = stream(server, [b"abcd" * 4], encoding="raw", dtype="float32", shape=[])
    wrong = StreamSpec.of("x", raw.content, {"encoding": "raw", "dtype": "int8", "shape": [], "records": [4]})
    with pytest.raises(BadSample, match="16 bytes, where 4 records of 1 bytes"):
        samples(wrong)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("said", [{"records": [1]}, {}], ids=["numbers known", "not known"])
def test_a_chunk_cut_short_to_nothing_is_no_chunk_without_records(
    server: Hostile, compression: str, said: dict[str, Any]
) -> None:
    spec = stream(server, [b""], encoding="jsonl", compression=compression, **said)
    with pytest.raises(BadSample, match=r"chunk 0 of stream 'x': .*(EOFError|OSError)"):
        samples(spec)


_NO_TORCH = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Refusing())
from dataflux_core.errors import ExtraMissing
from dataflux_core.streaming import StreamingDataset
dataset = StreamingDataset(sys.argv[1], shuffle=True)
assert sorted(sample["n"] for sample in dataset) == list(range(103))
assert next(dataset.batches(8))["n"].shape == (8,)
try:
    import dataflux_core.flare.torch
except ExtraMissing as error:
    print(error)
"""


def test_all_of_it_but_its_short_way_goes_without_torch(url: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(Playlist([numbered_spec(url)]).dump())
    script = [*STRICT_PYTHON, "-c", _NO_TORCH, str(tmp_path / "p.yaml")]
    done = subprocess.run(script, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "dataflux_core[torch]" in done.stdout
