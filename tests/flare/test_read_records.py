"""Records of chunks: decoded as the headers say, the same by any cut, an error where the bytes are something else."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflux_core.errors import ChunkUnavailable, InvalidArgument, RecordsUnusable
from dataflux_core.flare import Playlist, StreamOptions
from tests.fetching.hostile import Hostile, gives
from tests.flare.read_streams import put, spec_of, stream_of
from tests.samples.media import film, wav
from tests.samples.media import picture as png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dataflux_core.flare import Stream

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


def served(server: Hostile, chunks: Sequence[bytes], **headers: Any) -> Stream:
    return stream_of(put(server, chunks, f"r{next(_numbers)}"), chunks, **headers)


def asked(server: Hostile, stream: Stream) -> list[tuple[str, dict[str, str]]]:
    """Return the requests for chunks of one stream: those for another one may come when its reads have ended."""
    return [(path, headers) for path, headers in server.seen if f"{server.url}{path}" in stream.spec.content]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=3)
    return out.getvalue()


def arrow(rows: list[dict[str, Any]], open_writer: Callable[..., Any]) -> bytes:
    out = io.BytesIO()
    table = pa.Table.from_pylist(rows)
    with open_writer(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.compress(content, "zstd", asbytes=True)
    return packed


ROWS = [{"n": number, "text": f"row {number}"} for number in range(10)]
NUMBERS = np.arange(24, dtype=np.int16).reshape(6, 2, 2)

ENCODED: dict[str, tuple[bytes, list[Any], dict[str, Any]]] = {
    "nothing said": (b"any\nbytes", [b"any\nbytes"], {}),
    "raw": (b"any\nbytes", [b"any\nbytes"], {"encoding": "raw"}),
    "raw numbers": (NUMBERS.astype("<i2").tobytes(), list(NUMBERS), {"dtype": "int16", "shape": [2, 2]}),
    "single numbers": (b"\0\1\2", [np.uint8(0), np.uint8(1), np.uint8(2)], {"dtype": "uint8", "shape": []}),
    "bfloat16": (b"\x80\x3f\x00\xc0", [np.float32(1), np.float32(-2)], {"dtype": "bfloat16", "shape": []}),
    "text": ("grün\nzwei\r\n\ndrei".encode(), ["grün", "zwei", "", "drei"], {"encoding": "text"}),
    "jsonl": (b'{"a": 1}\n\n[2, null]\n"x"', [{"a": 1}, [2, None], "x"], {"encoding": "jsonl"}),
    "csv": (b'a,b\r\n1,"x\r\ny"\r\n\r\n2,\r\n', [{"a": "1", "b": "x\r\ny"}, {"a": "2", "b": ""}], {"encoding": "csv"}),
    "parquet": (parquet(ROWS), ROWS, {"encoding": "parquet"}),
    "an arrow file": (arrow(ROWS, pa.ipc.new_file), ROWS, {"encoding": "arrow"}),
    "an arrow stream": (arrow(ROWS, pa.ipc.new_stream), ROWS, {"encoding": "arrow"}),
    "npy": (npy(NUMBERS), list(NUMBERS), {"encoding": "npy"}),
    "one number of npy": (npy(np.float64(3)), [np.float64(3)], {"encoding": "npy"}),
    "npz": (npz(a=NUMBERS, b=np.arange(6)), [{"a": NUMBERS[i], "b": i} for i in range(6)], {"encoding": "npz"}),
    "tar": (
        tar({"a/1.png": b"p", "a/1.TXT": b"t", "a/2.x.txt": b"u", "plain": b""}),
        [{"id": "a/1", "png": b"p", "txt": b"t"}, {"id": "a/2.x", "txt": b"u"}, {"id": "plain", "file": b""}],
        {"encoding": "tar"},
    ),
}
PACK: dict[str | None, Callable[[bytes], bytes]] = {None: bytes, "gzip": gzip.compress, "zstd": zstd}


def same(one: list[Any], other: list[Any]) -> None:
    assert len(one) == len(other)
    for found, expected in zip(one, other, strict=True):
        np.testing.assert_equal(found, expected)
        assert isinstance(found, dict | list | str | bytes | type(None)) or found.dtype == np.asarray(expected).dtype


@pytest.mark.parametrize("compression", PACK, ids=lambda found: found or "not compressed")
@pytest.mark.parametrize(("content", "records", "headers"), ENCODED.values(), ids=ENCODED)
def test_every_encoding_gives_its_records(
    content: bytes, records: list[Any], headers: dict[str, Any], compression: str | None, server: Hostile
) -> None:
    said = headers | ({} if compression is None else {"compression": compression})
    chunks = [PACK[compression](content)] * 2
    same(list(served(server, chunks, **said).records()), records * 2)
    counted = served(server, chunks, **said, records=[len(records)] * 2)
    same(list(counted.records()), records * 2)
    same(list(counted.records(1, len(records) + 1)), (records * 2)[1 : len(records) + 1])


def test_media_are_decoded(server: Hostile) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    (image,) = served(server, [png(picture)], encoding="image").records()
    np.testing.assert_equal(image, picture)
    (frames,) = served(server, [film()], encoding="video").records()
    assert frames.shape[1:] == (48, 64, 3)
    (sound,) = served(server, [wav(np.zeros((1, 80), np.int16), 8000)], encoding="audio").records()
    assert (sound.rate, sound.samples.shape) == (8000, (1, 80))


def test_records_of_one_size_are_read_by_range_where_nothing_has_a_sum(server: Hostile) -> None:
    content = np.arange(100_000, dtype="<i4").tobytes()
    urls = put(server, [content, content], f"r{next(_numbers)}")
    stream = stream_of(urls, dtype="int32", shape=[10], sizes=[len(content)] * 2)
    assert stream.record_count() == 20_000
    (record,) = stream.records(10_005, 10_006)
    np.testing.assert_equal(record, np.arange(50, 60))
    ((path, headers),) = asked(server, stream)
    assert path.endswith("/1")
    assert headers["Range"] == "bytes=200-239"


@pytest.mark.parametrize("sum_", ["sha256", "crc32c"])
def test_no_record_is_made_of_bytes_that_a_sum_speaks_against(server: Hostile, sum_: str) -> None:
    right = [bytes(4000)] * 2
    urls = put(server, [b"\7" * 4000] * 2, f"r{next(_numbers)}")
    said: dict[str, Any] = {sum_: spec_of(urls, right).headers[sum_], "sizes": [4000] * 2}
    playlist = Playlist([spec_of(urls, dtype="uint8", shape=[4], **said)])
    once = StreamOptions(patience_s=0)
    for start, stop in (0, None), (5, 6), (999, 1001), (1500, None):
        with pytest.raises(ChunkUnavailable, match=sum_):
            next(playlist.stream("x", once).records(start, stop))
        with pytest.raises(ChunkUnavailable, match=sum_):
            next(playlist.zip("x", start=start, stop=stop, options=once))


def test_a_record_of_a_chunk_that_has_sums_costs_the_chunk(server: Hostile) -> None:
    contents = [np.arange(1000, dtype="<i4").tobytes()] * 2
    stream = served(server, contents, dtype="int32", shape=[10])
    (record,) = stream.records(105, 106)
    np.testing.assert_equal(record, np.arange(50, 60))
    ((path, headers),) = asked(server, stream)
    assert path.endswith("/1")
    assert "Range" not in headers


@given(
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    bounds=st.tuples(st.integers(0, 25), st.integers(0, 25)),
    skip=st.integers(0, 2),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_part_of_the_records_is_a_slice_of_them(
    counts: list[int], bounds: tuple[int, int], skip: int, server: Hostile
) -> None:
    numbers = iter(range(100))
    chunks = [b"".join(b"%d\n" % next(numbers) for _ in range(count)) for count in counts]
    stream = served(server, chunks, encoding="text", records=counts)[skip:]
    total = sum(counts[skip:])
    every = [str(number) for number in range(sum(counts))][sum(counts[:skip]) :]
    start, stop = min(bounds[0], total), max(bounds)
    assert stream.record_count() == total
    assert list(stream.records(start, max(start, stop))) == every[start : max(start, stop)]


def linked() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("x.txt")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return out.getvalue()


DAMAGED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "text that is not UTF-8": (b"\xff\n", {"encoding": "text"}, "no text chunk: UnicodeDecodeError"),
    "a wrong line of JSON": (b"{}\n{", {"encoding": "jsonl"}, "line 2"),
    "JSON within JSON within JSON": (b"[" * 100_000, {"encoding": "jsonl"}, "line 1"),
    "a row of too many values": (b"a,b\n1,2\n1,2,3\n", {"encoding": "csv"}, "line 3: 3 values"),
    "two columns of one name": (b"a,a\n1,2\n", {"encoding": "csv"}, "one name"),
    "no parquet": (b"PAR1 nonsense PAR1", {"encoding": "parquet"}, "no parquet chunk"),
    "no arrow": (b"nonsense", {"encoding": "arrow"}, "no arrow chunk"),
    "no array": (b"nonsense", {"encoding": "npy"}, "no npy chunk"),
    "Python's objects": (npy(np.array([{}], object)), {"encoding": "npy"}, "Python objects"),
    "arrays of different lengths": (npz(a=np.zeros(2), b=np.zeros(3)), {"encoding": "npz"}, "different lengths"),
    "a number too few": (b"123", {"dtype": "int16", "shape": []}, "no whole number of records of 2"),
    "no picture": (b"nonsense", {"encoding": "image"}, "no image chunk"),
    "no archive": (b"nonsense" * 100, {"encoding": "tar"}, "no tar chunk"),
    "an archive cut short": (tar({"a": bytes(5000)})[:3000], {"encoding": "tar"}, "no tar chunk"),
    "a link": (linked(), {"encoding": "tar"}, "is no plain file"),
    "no gzip": (b"nonsense", {"encoding": "text", "compression": "gzip"}, "no text chunk: BadGzipFile"),
    "gzip cut short": (gzip.compress(bytes(5000))[:-9], {"encoding": "text", "compression": "gzip"}, "no text chunk"),
    "zstd cut short": (zstd(bytes(range(256)) * 50)[:-9], {"encoding": "npy", "compression": "zstd"}, "no npy chunk"),
    "no zstd": (b"nonsense", {"encoding": "npy", "compression": "zstd"}, "no npy chunk"),
    "gzip cut short to nothing": (b"", {"encoding": "text", "compression": "gzip"}, "no text chunk: EOFError"),
    "zstd cut short to nothing": (b"", {"encoding": "raw", "compression": "zstd"}, "no raw chunk: OSError"),
}


@pytest.mark.parametrize(("content", "headers", "said"), DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_such_chunk_is_an_error_that_names_it(
    content: bytes, headers: dict[str, Any], said: str, server: Hostile
) -> None:
    url = f"/damaged-{next(_numbers)}"
    server.behaviours[url] = gives(content)
    with pytest.raises(RecordsUnusable, match=said) as raised:
        list(stream_of([server.url + url], **headers).records())
    assert "chunk 0 of stream 'x'" in str(raised.value)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("encoding", ["text", "npy", "tar", "raw"])
def test_what_unfolds_too_far_is_an_error_before_it_does(encoding: str, compression: str, server: Hostile) -> None:
    unfolded = bytes(50_000_000)
    content = PACK[compression](tar({"a": unfolded}) if encoding == "tar" else unfolded)
    stream = served(server, [content], encoding=encoding, compression=compression)
    with pytest.raises(RecordsUnusable, match="no .* chunk"):
        list(stream.with_options(StreamOptions(max_decoded_bytes=1_000_000)).records())


def test_counts_that_do_not_hold_are_an_error(server: Hostile) -> None:
    for count in (2, 4):
        with pytest.raises(RecordsUnusable, match=f"the playlist says {count}"):
            list(served(server, [b"1\n2\n3\n"], encoding="text", records=[count]).records())
    with pytest.raises(RecordsUnusable, match="it has 3 records"):
        list(served(server, [b"1\n2\n3\n"], encoding="text", records=[9]).records(1, 5))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_records_of_a_chunk_that_should_have_none_are_an_error(server: Hostile, at: int) -> None:
    counts = [3, 3, 3]
    counts[at] = 0
    stream = served(server, [b"1\n2\n3\n"] * 3, encoding="text", records=counts)
    with pytest.raises(RecordsUnusable, match=f"chunk {at} .* has more than 0 records, the playlist says 0"):
        list(stream.records())
    with pytest.raises(RecordsUnusable, match=f"chunk {at} "):
        list(Playlist([stream.spec]).zip("x"))
    again = served(server, [b"1\n2\n3\n"] * 3, encoding="text", records=counts)
    assert list(again.records(0, 6)) == ["1", "2", "3"] * 2
    assert len(asked(server, again)) == 2, "what is asked for lies in two chunks"


def test_chunks_that_have_no_records_are_well_where_they_should_have_none(server: Hostile) -> None:
    stream = served(server, [b"", b"1\n2\n", b"", b"3\n", b""], encoding="text", records=[0, 2, 0, 1, 0])
    assert [list(stream.records(start)) for start in range(4)] == [["1", "2", "3"], ["2", "3"], ["3"], []]
    assert list(served(server, [b"", b""], encoding="text", records=[0, 0]).records()) == []


def test_what_is_not_known_is_said(server: Hostile) -> None:
    stream = served(server, [b"1\n2\n"], encoding="text")
    assert stream.record_count() is None
    with pytest.raises(InvalidArgument, match="how many records"):
        stream.records(1)
    with pytest.raises(RecordsUnusable, match='encoding "webm3" is not known'):
        served(server, [b""], encoding="webm3").records()
    with pytest.raises(RecordsUnusable, match='dtype "float8" is not known'):
        served(server, [b""], encoding="raw", dtype="float8", shape=[4], records=[100]).records()
    with pytest.raises(InvalidArgument, match="up to 2"):
        served(server, [b"1\n2\n"], encoding="text", records=[2]).records(3)


def two(server: Hostile, first: list[bytes], second: list[bytes], *, counted: bool = True) -> Playlist:
    specs = []
    for name, chunks in (("inputs", first), ("labels", second)):
        headers = {"records": [chunk.count(b"\n") for chunk in chunks]} if counted else {}
        specs.append(spec_of(put(server, chunks, f"z{next(_numbers)}"), chunks, name, encoding="text", **headers))
    return Playlist(specs)


@pytest.mark.parametrize("counted", [True, False], ids=["where counts are known", "where they are not"])
def test_streams_are_read_side_by_side_however_they_are_cut(counted: bool, server: Hostile) -> None:
    playlist = two(server, [b"1\n2\n3\n", b"4\n"], [b"a\n", b"b\nc\n", b"", b"d\n"], counted=counted)
    pairs = [("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")]
    assert list(playlist.zip("inputs", "labels")) == pairs
    assert list(playlist.zip("labels", "inputs", "labels"))[3] == ("d", "4", "d")
    if counted:
        assert list(playlist.zip("inputs", "labels", start=1, stop=3)) == pairs[1:3]


def test_streams_that_do_not_fit_are_an_error(server: Hostile) -> None:
    with pytest.raises(RecordsUnusable, match="'inputs' has 2, 'labels' has 1 records"):
        two(server, [b"1\n2\n"], [b"a\n"]).zip("inputs", "labels")
    rows = two(server, [b"1\n2\n"], [b"a\n"], counted=False).zip("inputs", "labels")
    assert next(rows) == ("1", "a")
    with pytest.raises(RecordsUnusable, match="'labels' ends after 1 records"):
        next(rows)
    with pytest.raises(KeyError):
        two(server, [], []).zip("inputs", "outputs")
    with pytest.raises(InvalidArgument):
        two(server, [], []).zip()


def test_every_line_that_json_writes_comes_back(server: Hostile) -> None:
    values = [{"é": [1.5, None, True]}, float("inf"), "\u2028", 10**30]
    content = "\n".join(json.dumps(value, ensure_ascii=False) for value in values).encode()
    assert list(served(server, [content], encoding="jsonl").records()) == values
