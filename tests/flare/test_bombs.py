"""A chunk of a few bytes takes no more memory than the reader allows."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._data.flare.parquet_pages import pages_of, row_groups_of
from dataflux_core._data.flare.row_bytes import item_bytes, rows_of
from dataflux_core._data.flare.table_records import array_records, arrow_records, parquet_records
from dataflux_core._data.samples.arrays import read_arrays

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MB = 1024**2
LIMIT = 8 * MB
_MOST_GROWTH_MB = 200  # of the process that reads, whatever a chunk claims
_READ = """
import json, pathlib, resource, sys
from dataflux_core._data.flare.decoding import RecordDecoder
from dataflux_core.flare import StreamSpec
spec = StreamSpec.of("s", ["https://a.org/1"], {"encoding": sys.argv[1]})
decoder = RecordDecoder(spec, int(sys.argv[3]))
content = pathlib.Path(sys.argv[2]).read_bytes()
import dataflux_core._data.flare.table_records
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    said = str(sum(1 for _ in decoder.records(content, 0, "https://a.org/1")))
except Exception as error:
    said = str(error)
print(json.dumps([said, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024]))
"""


def parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **{"compression": "zstd", "store_schema": False, **options})
    return file.getvalue()


def ipc(batch: pa.RecordBatch, compression: str | None = "zstd", *, is_file: bool = True) -> bytes:
    file = io.BytesIO()
    new = pa.ipc.new_file if is_file else pa.ipc.new_stream
    with new(file, batch.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as out:
        out.write_batch(batch)
    return file.getvalue()


def npz_that_lies(compression: int) -> bytes:
    """An archive whose directory says 1,000 bytes where 250 MB are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive, archive.open("a.npy", "w") as member:
        for _ in range(250):
            member.write(bytes(MB))
    content = bytearray(file.getvalue())
    directory = content.rfind(b"PK\1\2")
    content[directory + 24 : directory + 28] = struct.pack("<I", 1000)
    return bytes(content)


def repeated(size: int, times: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([bytes(size)], pa.binary()))


def repeated_in_one_row(size: int, times: int) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, times], pa.int32()), repeated(size, times))


BOMBS: list[tuple[str, str, Callable[[], bytes], str]] = [
    ("parquet that repeats a value of 4 MB", "parquet", lambda: parquet(pa.table({"x": repeated(4 * MB, 256)})), "256"),
    (
        "parquet that repeats a value within a row",
        "parquet",
        lambda: parquet(pa.table({"x": repeated_in_one_row(MB, 1000)})),
        "a row unfolds to",
    ),
    (
        "parquet whose texts go on from the one before",
        "parquet",
        lambda: parquet(
            pa.table({"x": pa.array([b"a" * 2 * MB] * 200, pa.binary())}),
            use_dictionary=False,
            column_encoding={"x": "DELTA_BYTE_ARRAY"},
        ),
        "200",
    ),
    (
        "parquet with a list of 50 million numbers",
        "parquet",
        lambda: parquet(
            pa.table({"x": pa.ListArray.from_arrays([0, 50_000_000], pa.array(np.zeros(50_000_000, np.int8)))})
        ),
        "row group 0 may unfold to",
    ),
    (
        "arrow that is compressed",
        "arrow",
        lambda: ipc(pa.record_batch({"x": pa.array([bytes(400 * MB)], pa.large_binary())})),
        "it unfolds to 400.0 MiB",
    ),
    (
        "arrow that repeats a value",
        "arrow",
        lambda: ipc(pa.record_batch({"x": repeated(4 * MB, 256)}), None, is_file=False),
        "256",
    ),
    (
        "arrow that repeats a value within a row",
        "arrow",
        lambda: ipc(pa.record_batch({"x": repeated_in_one_row(MB, 1000)}), None),
        "a row unfolds to",
    ),
    ("an archive of bzip2", "npz", lambda: npz_that_lies(zipfile.ZIP_BZIP2), "neither stored nor deflated"),
    ("an archive that lies", "npz", lambda: npz_that_lies(zipfile.ZIP_DEFLATED), "CRC-32"),
]


@pytest.mark.parametrize(
    ("encoding", "bomb", "expected"), [each[1:] for each in BOMBS], ids=[each[0] for each in BOMBS]
)
def test_a_chunk_takes_as_much_memory_as_it_may(
    encoding: str, bomb: Callable[[], bytes], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb())
    command = [sys.executable, "-c", _READ, encoding, str(path), str(LIMIT)]
    done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=120)
    said, growth_mb = json.loads(done.stdout)
    assert expected in said
    assert growth_mb < _MOST_GROWTH_MB


def test_what_a_row_group_says_of_itself_is_not_believed() -> None:
    content = parquet(pa.table({"x": pa.array([bytes(30 * MB)], pa.binary())}), use_dictionary=False)
    told = varint(pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).total_byte_size)
    lying = content.replace(told, varint(1000, len(told)))
    assert pq.ParquetFile(io.BytesIO(lying)).metadata.row_group(0).total_byte_size == 1000
    with pytest.raises(ValueError, match="row group 0 may unfold to 30"):
        list(parquet_records(lying, LIMIT))


def varint(number: int, length: int = 1) -> bytes:
    """A number as Thrift writes it, filled up to a length."""
    number, found = number << 1, bytearray()
    while number > 127 or len(found) < length - 1:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


@pytest.mark.parametrize("header", [b"\x15", b"\x15\x01\x15\x01", b"\x1c" * 50, b"\xff" * 40, b"\0"])
def test_a_damaged_page_is_said_to_be_one(header: bytes) -> None:
    content = parquet(pa.table({"x": [1, 2, 3]}), use_dictionary=False)
    column = row_groups_of(content)[0].columns[0]
    start = column.start
    content = content[:start] + header + (content[start + len(header) :] if len(header) > 1 else b"")
    with pytest.raises(ValueError, match="the header of a page"):
        list(pages_of(content, column))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
def test_pages_are_those_that_are_read(version: str, compression: str) -> None:
    values = [f"{number % 700:05d}" for number in range(3000)]
    table = pa.table({"x": values, "y": [values[:3]] * 3000, "z": pa.nulls(3000, pa.int64())})
    content = parquet(
        table, data_page_version=version, compression=compression, data_page_size=2000, dictionary_pagesize_limit=1000
    )
    facts = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    for number in range(3):
        column = facts.column(number)
        pages = list(pages_of(content, row_groups_of(content)[0].columns[number]))
        assert sum(page.values for page in pages if not page.is_dictionary) == column.num_values
        assert 0 <= column.total_uncompressed_size - sum(page.unfolded_bytes for page in pages) <= 200 * len(pages)
    assert list(parquet_records(content, LIMIT)) == table.to_pylist()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
@pytest.mark.parametrize("is_stored", [True, False])
def test_repeated_texts_within_rows_are_read_where_they_fit(kind: pa.DataType, *, is_stored: bool) -> None:
    words = [f"{number:05d}" * 40 for number in range(500)]
    lists = [[words[(row * 3 + place) % 500] for place in range(20)] for row in range(3000)]
    table = pa.table({"x": pa.array(lists, pa.list_(kind)), "y": range(3000)})
    content = parquet(table, store_schema=is_stored)
    assert list(parquet_records(content, LIMIT)) == table.to_pylist()  # the values have 12 MB, a row 4 kB


ARRAYS = [
    pa.array(["a", None, "bbb"]),
    pa.array(["a", None, "b" * 30], pa.string_view()),
    pa.array([[b"aa", b"b"], None, [b"cccc"]]),
    pa.array([["aa", "b"], None, ["cccc"]], pa.list_view(pa.string())),
    pa.array([["aa", "b"], None, ["c", "d"]], pa.list_(pa.string(), 2)),
    pa.array([{"a": "x", "b": [1]}, None, {"a": "yyy", "b": [2, 3]}]),
    pa.array([[("k", "vv")], None, [("a", "b"), ("c", "d")]], pa.map_(pa.string(), pa.string())),
    pa.array(["a", None, "a"]).dictionary_encode(),
    pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3], pa.int32()), pa.array(["a", None, "bbb"])),
    pa.array([True, None, False]),
    pa.nulls(3),
    pa.array([None] * 3, pa.dictionary(pa.int8(), pa.string())),
    pa.array([1, None, 3], pa.decimal128(20)),
    pa.UnionArray.from_sparse(pa.array([0, 1, 0], pa.int8()), [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=[str(array.type)[:40] for array in ARRAYS])
@pytest.mark.parametrize("cut", [slice(0, 3), slice(1, 3), slice(2, 3), slice(1, 1)], ids=str)
def test_items_are_measured_by_themselves(array: pa.Array, cut: slice) -> None:
    part = array.slice(cut.start, cut.stop - cut.start)
    sizes = item_bytes(part)
    assert len(sizes) == len(part)
    assert all(size >= held(value) for size, value in zip(sizes, part.to_pylist(), strict=True))
    assert sizes.sum() < 200
    batch = pa.record_batch({"x": part})
    assert [row["x"] for row in rows_of(batch, 1000)] == part.to_pylist()


def held(value: Any) -> int:
    """The bytes of texts within a value."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if isinstance(value, dict):
        value = value.values()
    return sum(map(held, value)) if hasattr(value, "__iter__") else 0


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
@pytest.mark.parametrize("is_file", [True, False])
def test_arrow_is_read_up_to_the_limit(compression: str | None, *, is_file: bool) -> None:
    batch = pa.record_batch(
        {"x": ["a", None, "b"], "y": pa.array(["u", "v", "u"]).dictionary_encode(), "z": [[1], [], None]}
    )
    content = ipc(batch, compression, is_file=is_file)
    assert list(arrow_records(content, 1000)) == batch.to_pylist()
    with pytest.raises(ValueError, match="it unfolds to"):
        list(arrow_records(content, 10))


def test_rows_without_bytes_are_counted() -> None:
    endless = pa.record_batch({"x": pa.Array.from_buffers(pa.null(), 10**9, [None])})
    with pytest.raises(ValueError, match="it unfolds to"):
        list(arrow_records(ipc(endless, None), LIMIT))


def test_offsets_that_lead_elsewhere_are_refused() -> None:
    offsets = pa.py_buffer(np.array([0, 2_000_000_000, 3], np.int32))
    wild = pa.Array.from_buffers(pa.binary(), 2, [None, offsets, pa.py_buffer(b"abc")])
    with pytest.raises(pa.ArrowInvalid):
        list(arrow_records(ipc(pa.record_batch({"x": wild}), None), LIMIT))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_tables_are_errors(data: st.DataObject) -> None:
    batch = pa.record_batch({"x": ["a", None, "b"] * 5, "y": [[1], [], None] * 5})
    make = data.draw(st.sampled_from(["file", "stream", "parquet"]))
    content = parquet(pa.table(batch)) if make == "parquet" else ipc(batch, is_file=make == "file")
    place = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:place] + bytes([data.draw(st.integers(0, 255))]) + content[place + 1 :]
    read = parquet_records if make == "parquet" else arrow_records
    try:
        records = list(read(damaged, LIMIT))
    except Exception:  # noqa: BLE001 - of any library: the decoder names the chunk
        return
    assert len(records) <= LIMIT


@pytest.mark.parametrize(("shape", "dtype"), [((10**15, 0), "<f8"), ((10**15,), "|S0"), ((5, 0), "<i4")])
def test_an_array_of_records_without_bytes_is_refused(shape: tuple[int, ...], dtype: str) -> None:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    with pytest.raises(ValueError, match="have no bytes"):
        next(array_records(file.getvalue(), LIMIT))


def test_an_empty_array_has_no_records() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((0, 3)))
    assert list(array_records(file.getvalue(), LIMIT)) == []


def test_archives_as_numpy_writes_them_are_read() -> None:
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, a=np.arange(6).reshape(2, 3), b=np.zeros((2, 0)))
        found = read_arrays(file.getvalue(), LIMIT)
        assert isinstance(found, dict)
        assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert len(list(array_records(file.getvalue(), LIMIT))) == 2
