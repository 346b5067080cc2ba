"""Text, JSON, arrays and bytes become values."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core.decoders import Bytes, Json, Npy, Text
from dataflux_core.errors import InvalidArgument
from tests.samples.media import encoded, np


@given(st.text())
def test_text_is_what_was_written(text: str) -> None:
    assert Text()(encoded(text.encode())) == text
    assert Text("utf-16")(encoded(text.encode("utf-16"))) == text


def test_text_of_another_encoding_is_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        Text()(encoded(b"\xff\xfe"))
    with pytest.raises(InvalidArgument, match="encoding='utf-9'"):
        Text("utf-9")


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1} more', b"[" * 100_000, b"\xff"], ids=lambda c: repr(c[:8]))
def test_what_is_no_json_is_an_error(content: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        Json()(encoded(content))


def test_json_is_read_as_python_writes_it() -> None:
    assert Json()(encoded(b'{"a": [1, 2.5, null, "\xc3\xa9", Infinity]}')) == {"a": [1, 2.5, None, "é", float("inf")]}


def test_bytes_are_left_alone() -> None:
    content = b"\x00\xff"
    assert Bytes()(encoded(content)) is content


def saved(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def archive(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


ARRAYS = [
    pytest.param(np.arange(24, dtype=np.int16).reshape(2, 3, 4), id="three dimensions"),
    pytest.param(np.asfortranarray(np.arange(6.0).reshape(2, 3)), id="columns first"),
    pytest.param(np.array(3.5), id="a number"),
    pytest.param(np.zeros((0, 5), np.uint8), id="no rows"),
    pytest.param(np.array([1, 2], dtype=">i4"), id="the other byte order"),
    pytest.param(np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), id="a record"),
    pytest.param(np.array(["é", "abc"]), id="strings"),
    pytest.param(np.array([True, False]), id="bools"),
    pytest.param(np.array(["2026-01-01"], "M8[D]"), id="dates"),
]


@pytest.mark.parametrize("array", ARRAYS)
def test_an_array_is_what_was_saved(array: Any) -> None:
    read = Npy()(encoded(saved(array)))
    assert (read.shape, read.dtype) == (array.shape, array.dtype)
    assert np.array_equal(read, array)
    assert read.flags.writeable


def test_an_archive_is_a_dict() -> None:
    read = Npy()(encoded(archive(a=np.arange(3), b=np.eye(2))))
    assert sorted(read) == ["a", "b"]
    assert np.array_equal(read["b"], np.eye(2))


def test_nothing_is_unpickled() -> None:
    hostile = np.array([Exploding()], dtype=object)
    for content in (saved(hostile, allow_pickle=True), pickle.dumps(Exploding())):
        with pytest.raises(ValueError):  # noqa: PT011 - ours or numpy's
            Npy()(encoded(content))
    stream = io.BytesIO()
    np.savez(stream, a=hostile)
    with pytest.raises(ValueError, match="which only pickle could read"):
        Npy()(encoded(stream.getvalue()))


class Exploding:
    """Ends the tests where it is unpickled."""

    def __reduce__(self) -> Any:
        return exit, (1,)


def test_a_header_that_claims_more_than_there_is_costs_nothing() -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1000), }\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with pytest.raises(ValueError, match="takes 8000000000000000 bytes, 0 are there"):
        Npy()(encoded(content))


def test_an_array_cut_short_is_an_error_wherever_it_is_cut() -> None:
    content = saved(np.arange(10))
    for kept in range(len(content)):
        with pytest.raises(ValueError):  # noqa: PT011 - ours or numpy's
            Npy()(encoded(content[:kept]))


def test_an_archive_cut_short_or_damaged_is_an_error() -> None:
    content = archive(a=np.arange(1000))
    for kept in range(0, len(content), 37):
        with pytest.raises((ValueError, zipfile.BadZipFile)):
            Npy()(encoded(content[:kept]))
    damaged = bytearray(content)
    damaged[len(content) // 3] ^= 0xFF
    with pytest.raises(Exception):  # noqa: B017, PT011 - zlib's or zipfile's
        Npy()(encoded(bytes(damaged)))


def test_an_archive_that_unfolds_beyond_the_limit_is_refused() -> None:
    content = archive(a=np.zeros(10_000_000, np.uint8))
    assert len(content) < 20_000
    with pytest.raises(ValueError, match=r"unfolds to 9.5 MiB; max_bytes=1000000"):
        Npy(max_bytes=1_000_000)(encoded(content))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_bytes_that_are_no_array_are_an_error(content: bytes) -> None:
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        Npy()(encoded(b"\x93NUMPY" + content))
