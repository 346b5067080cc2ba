"""Headers that follow our conventions are understood, each mistake has its place; others are kept as they are."""

from __future__ import annotations

import pytest

from dataflux_core._wire.flare.conventions import Conventions, base_of, mirrored
from dataflux_core.flare import Playlist, StreamSpec
from tests.flare.playlists import CRC32C, SHA256, headed, read, said

ALL = f"""\
images:
  headers:
    description: Two chunks of numbers
    license: CC-BY-4.0
    encoding: raw
    dtype: float32
    shape: [2, 3]
    records: [10, 5]
    sizes: [240, 120]
    sha256: [{SHA256}, {SHA256}]
    crc32c: [{CRC32C}, yZRlqg==]
    mirrors: ["https://b.org/", "http://c.org/d/"]
    key: sample
    x-mine: {{b: 1, a: [2]}}
  content: ["https://a.org/x/1", "https://a.org/x/2"]
"""


def test_all_conventions_are_understood() -> None:
    found = read(ALL)
    assert found.problems == ()
    assert found.streams[0].conventions == Conventions(
        description="Two chunks of numbers",
        license="CC-BY-4.0",
        encoding="raw",
        dtype="float32",
        shape=(2, 3),
        records=[10, 5],
        sizes=[240, 120],
        sha256=[SHA256, SHA256],
        crc32c=[CRC32C, "yZRlqg=="],
        mirrors=("https://b.org/", "http://c.org/d/"),
        key="sample",
    )
    assert found.streams[0].conventions.record_bytes == 24


def test_what_is_understood_can_be_said_again() -> None:
    stream = read(ALL).streams[0]
    headers = dict(stream.headers)
    assert headers.pop("x-mine") == {"b": 1, "a": [2]}
    assert stream.conventions.headers() == headers
    assert list(stream.conventions.headers()) == list(headers)


def test_a_single_number_has_a_shape_without_dimensions() -> None:
    found = read(headed("{encoding: raw, dtype: int64, shape: [], sizes: [8, 16]}"))
    assert found.problems == ()
    assert found.streams[0].conventions.headers()["shape"] == []
    assert found.streams[0].conventions.record_bytes == 8


def test_no_headers_say_nothing() -> None:
    assert read(headed("{}")).streams[0].conventions == Conventions()
    assert Conventions().headers() == {}
    assert Conventions().record_bytes is None


DIGITS = "64 hexadecimal digits, in lower case"
WRONG = [
    pytest.param(
        "sizes:\n      - 7\n      - 7\n      - 7",
        "3:5: error: s.headers.sizes: sizes has 3 values, the stream 2 chunks",
        id="a list that begins below is found by its name",
    ),
    pytest.param("description: 1", "3:18: error: s.headers.description: description is no text", id="a number as text"),
    pytest.param("license: ''", "3:14: error: s.headers.license: license is no text", id="a licence of nothing"),
    pytest.param("encoding: [raw]", "3:15: error: s.headers.encoding: encoding is no text", id="a list of encodings"),
    pytest.param(
        "shape: 3", "3:12: error: s.headers.shape: shape is no list of dimensions", id="a shape that is a number"
    ),
    pytest.param(
        "shape: '3,224,224'", "3:12: error: s.headers.shape: shape is no list of dimensions", id="Croissant's shape"
    ),
    pytest.param(
        "shape: [3, -1]",
        "3:12: error: s.headers.shape: shape is no list of dimensions",
        id="a dimension that is not known",
    ),
    pytest.param("sizes: 7", "3:12: error: s.headers.sizes: sizes is no list", id="one size"),
    pytest.param("sizes: [7]", "3:12: error: s.headers.sizes: sizes has 1 value, the stream 2 chunks", id="too few"),
    pytest.param(
        "records: [1, 2, 3]", "3:14: error: s.headers.records: records has 3 values, the stream 2 chunks", id="too many"
    ),
    pytest.param(
        "sizes: [7, -1]",
        '3:16: error: s.headers.sizes[1]: sizes has "-1", expected a number of bytes',
        id="less than nothing",
    ),
    pytest.param(
        "sizes: [7, true]",
        '3:16: error: s.headers.sizes[1]: sizes has "True", expected a number of bytes',
        id="true is no number",
    ),
    pytest.param(
        "sizes: [7, 1.5]",
        '3:16: error: s.headers.sizes[1]: sizes has "1.5", expected a number of bytes',
        id="half a byte",
    ),
    pytest.param(
        "sizes: [7, '8']",
        '3:16: error: s.headers.sizes[1]: sizes has "8", expected a number of bytes',
        id="a number in quotes",
    ),
    pytest.param(
        "records: [7, null]",
        '3:18: error: s.headers.records[1]: records has "None", expected a number of records',
        id="a number that is missing",
    ),
    pytest.param(
        f"sizes: [7, {1 << 63}]",
        f'3:16: error: s.headers.sizes[1]: sizes has "{1 << 63}", expected a number of bytes',
        id="more than 63 bits",
    ),
    pytest.param(
        "\n      sizes:\n      - 7\n      - x".strip(),
        '5:9: error: s.headers.sizes[1]: sizes has "x", expected a number of bytes',
        id="its own line",
    ),
    pytest.param(
        f"sha256: [{SHA256}, {SHA256[1:]}]",
        f'3:80: error: s.headers.sha256[1]: sha256 has "{"a" * 30}…{"a" * 29}", expected {DIGITS}',
        id="a digit too few",
    ),
    pytest.param(
        f"sha256: [{SHA256}, {'A' * 64}]",
        f'3:80: error: s.headers.sha256[1]: sha256 has "{"A" * 30}…{"A" * 29}", expected {DIGITS}',
        id="capitals",
    ),
    pytest.param(
        f"sha256: [{SHA256}, {'1' * 64}]",
        "3:80: error: s.headers.sha256[1]: a number of more than 64 bits",
        id="a hash that YAML takes for a number",
    ),
    pytest.param(
        "crc32c: [AAAAAA==, 0a1b2c3d]",
        '3:24: error: s.headers.crc32c[1]: crc32c has "0a1b2c3d", expected base64 of four bytes, such as AAAAAA==',
        id="hexadecimal digits",
    ),
    pytest.param(
        "crc32c: [AAAAAA==, AAAAAB==]",
        '3:24: error: s.headers.crc32c[1]: crc32c has "AAAAAB==", expected base64 of four bytes, such as AAAAAA==',
        id="bits behind the last byte",
    ),
    pytest.param("mirrors: https://b.org/", "3:14: error: s.headers.mirrors: mirrors is no list", id="one mirror"),
    pytest.param(
        "mirrors: ['https://b.org/x']",
        '3:15: error: s.headers.mirrors[0]: the mirror "https://b.org/x" does not end in /',
        id="a mirror that is a file",
    ),
    pytest.param(
        "mirrors: ['https://b.org/?a=/']",
        "3:15: error: s.headers.mirrors[0]: a mirror with a query or a fragment",
        id="a mirror with a query",
    ),
    pytest.param(
        "mirrors: ['file:///x/']", "3:15: error: s.headers.mirrors[0]: a file: URL", id="a mirror on the reader's disk"
    ),
    pytest.param(
        "mirrors: ['https://u:p@b.org/']",
        "3:15: error: s.headers.mirrors[0]: https://b.org/ has a user name or password in it",
        id="a mirror with a password",
    ),
    pytest.param(
        "mirrors: [1]", "3:15: error: s.headers.mirrors[0]: a mirror is no URL", id="a mirror that is a number"
    ),
    pytest.param("key: 1", "3:10: error: s.headers.key: key is no text", id="a key that is a number"),
    pytest.param(
        "{encoding: raw, dtype: float64, shape: [1152921504606846976]}",
        "3:44: error: s.headers.shape: a chunk's records have more bytes than 64 bits can count",
        id="a record of more bytes than can be asked for",
    ),
    pytest.param(
        "{dtype: int8, shape: [2], records: [0, 4611686018427387904]}",
        "3:26: error: s.headers.shape: a chunk's records have more bytes than 64 bits can count",
        id="records of more bytes than can be asked for",
    ),
    pytest.param(
        "{encoding: raw, dtype: int16, shape: [3], sizes: [6, 7]}",
        "3:58: error: s.headers.sizes[1]: 7 bytes are not a whole number of records of 6 bytes",
        id="a part of a record",
    ),
    pytest.param(
        "{encoding: raw, dtype: int16, shape: [3], sizes: [6, 6], records: [1, 2]}",
        "3:58: error: s.headers.sizes[1]: 6 bytes are not 2 records of 6 bytes",
        id="more records than there are bytes",
    ),
    pytest.param(
        "encoding: tfrecord",
        '3:15: warning: s.headers.encoding: encoding "tfrecord" is not known to this reader',
        id="another's encoding",
    ),
    pytest.param(
        "compression: br",
        '3:18: warning: s.headers.compression: compression "br" is not known to this reader',
        id="another's compression",
    ),
    pytest.param(
        "dtype: '<f4'",
        '3:12: warning: s.headers.dtype: dtype "<f4" is not known to this reader',
        id="another's numbers",
    ),
    pytest.param(
        "licence: x", "3:14: warning: s.headers.licence: licence means nothing to this reader", id="almost a convention"
    ),
]


@pytest.mark.parametrize(("headers", "expected"), WRONG)
def test_a_header_against_the_conventions(headers: str, expected: str) -> None:
    assert said(headed(headers)) == [expected]


def test_mirrors_need_a_directory_that_all_chunks_lie_below() -> None:
    text = "s: {headers: {mirrors: ['https://m.org/']}, content: ['https://a.org/1', 'https://b.org/2']}"
    assert said(text) == [
        "1:24: error: s.headers.mirrors: there are mirrors, but the chunks do not lie below one directory"
    ]


def test_a_query_is_never_shown_to_a_mirror() -> None:
    text = "s: {headers: {mirrors: ['https://m.org/']}, content: ['https://a.org/1?signature=x']}"
    (line,) = said(text)
    assert line.startswith(
        "1:24: error: s.headers.mirrors: there are mirrors, but chunk URLs have queries, which may be"
    )


@pytest.mark.parametrize(
    ("urls", "base"),
    [
        pytest.param(["https://a.org/x/1", "https://a.org/x/2"], "https://a.org/x/", id="of one directory"),
        pytest.param(["https://a.org/x/1", "https://a.org/x/y/1"], "https://a.org/x/", id="one deeper"),
        pytest.param(["https://a.org/xy/1", "https://a.org/xz/1"], "https://a.org/", id="names that begin alike"),
        pytest.param(["https://a.org/x/1"], "https://a.org/x/", id="a single one"),
        pytest.param(["https://a.org", "https://a.org/1"], "", id="one without a path"),
        pytest.param(["https://a.org/1", "https://a.com/1"], "", id="of two servers"),
        pytest.param(["http://a.org/1", "https://a.org/1"], "", id="of two schemes"),
        pytest.param([], "", id="none"),
    ],
)
def test_what_a_mirror_takes_the_place_of(urls: list[str], base: str) -> None:
    assert base_of(urls) == base
    if base:
        assert [mirrored(url, base, "http://m/") for url in urls] == ["http://m/" + url[len(base) :] for url in urls]


def test_streams_of_one_key_have_as_many_records() -> None:
    def stream(name: str, records: str) -> str:
        return f"{name}: {{headers: {{key: k, records: {records}}}, content: ['https://a.org/1', 'https://a.org/2']}}\n"

    assert said(stream("x1", "[3, 4]") + stream("x2", "[5, 2]")) == []
    assert said(stream("x1", "[3, 4]") + stream("x2", "[5, 3]")) == [
        '2:21: error: x2.headers.key: the key "k" ties 8 records to the 7 of "x1"'
    ]


def test_a_stream_made_here_is_understood_as_one_that_was_read() -> None:
    stream = StreamSpec.of("s", ["https://a.org/1"], {"sizes": [5], "key": "k"})
    (read_again,) = read(Playlist([stream]).dump()).streams
    assert (stream, stream.conventions) == (read_again, read_again.conventions)
    assert stream.conventions.sizes == [5]
