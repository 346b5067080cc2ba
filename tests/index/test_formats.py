"""Whatever form samples are given in, the index holds them exactly."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._data.index import csv_rows, json_rows
from dataflux_core.errors import IndexUnusable
from tests.index.sources import WAYS, Row, all_rows, opened, write_csv, write_parquet, written

if TYPE_CHECKING:
    from collections.abc import Callable

INF, NAN = float("inf"), float("nan")
ROWS: list[Row] = [
    {
        "id": f"{number:04}",
        "url": f"images/é {number}.jpg",
        "width": number,
        "score": number / 4,
        "cat": number % 2 == 0,
    }
    for number in range(10)
]
# No carriage returns: Python's CSV reader, too, takes them for line breaks. Texts that look like a time, a number.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")),
    st.sampled_from(["2020-01-01 00:00:00", "007", "1.10", "null", "NaN", 'a "quoted", text', "true"]),
)


@pytest.mark.parametrize("way", WAYS)
def test_every_form_gives_the_same_samples(way: str, tmp_path: Path) -> None:
    index = opened(WAYS[way](ROWS, tmp_path))
    assert (len(index), index.columns, all_rows(index)) == (10, tuple(ROWS[0]), ROWS)


@pytest.mark.parametrize("way", WAYS)
def test_a_fingerprint_is_of_the_content_alone(way: str, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = opened(WAYS[way](ROWS, tmp_path / "one"))
    again = opened(WAYS[way](ROWS, tmp_path / "two"))
    other = opened(WAYS[way]([*ROWS[:9], {**ROWS[9], "width": 99}], tmp_path / "one"))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert len(bytes.fromhex(first.fingerprint)) == 16


@given(st.lists(st.fixed_dictionaries({"a": TEXTS, "n": st.integers(-(2**63), 2**63 - 1)}), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_json_texts_and_numbers_come_as_they_are(rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        lines = written(Path(directory) / "a.jsonl", "\n".join(map(json.dumps, rows)))
        array = written(Path(directory) / "a.json", json.dumps(rows))
        assert all_rows(opened(lines)) == all_rows(opened(array)) == rows
        assert opened(lines).fingerprint == opened(array).fingerprint


@pytest.mark.parametrize("is_escaped", [True, False], ids=["escaped", "as they are"])
@pytest.mark.parametrize("name", ["größe", 'a"b', "a/b", "a\\b", "\U0001f40c"])
def test_the_names_of_json_may_be_written_in_either_way(name: str, is_escaped: bool, tmp_path: Path) -> None:
    rows: list[Row] = [{"url": "a", name: "2024-01-01T00:00:00"}, {"url": "b", name: "2024-01-01T12:00:00Z"}]
    lines = "\n".join(json.dumps(row, ensure_ascii=is_escaped) for row in rows)
    lines = lines.replace("a/b", r"a\/b") if is_escaped else lines
    assert all_rows(opened(written(tmp_path / "a.jsonl", lines))) == rows


@given(st.lists(st.fixed_dictionaries({"a": TEXTS, "b": TEXTS}), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_csv_texts_come_as_they_are_unless_a_whole_column_is_something_else(rows: list[Row]) -> None:
    rows = [{"a": f"x{row['a']}", "b": f"{row['b']}x"} for row in rows]
    with tempfile.TemporaryDirectory() as directory:
        assert all_rows(opened(write_csv(rows, Path(directory) / "a.csv"))) == rows


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        pytest.param(["1", "-2", "0"], [1, -2, 0], id="whole numbers"),
        pytest.param(["001", "002", "010"], ["001", "002", "010"], id="zeros before a number make an id"),
        pytest.param(["1", "2.5", ""], [1.0, 2.5, None], id="nothing is null among numbers"),
        pytest.param(["a", "", "c"], ["a", None, "c"], id="nothing is null among texts"),
        pytest.param(["a", '""', "c"], ["a", "", "c"], id="an empty text in quotes is one"),
        pytest.param(["true", "False", ""], [True, False, None], id="flags"),
        pytest.param(["", "", ""], [None, None, None], id="nothing at all"),
        pytest.param(["1", "2", "x"], ["1", "2", "x"], id="one text makes texts of all"),
        pytest.param(["12345678901234567890", "1", "2"], ["12345678901234567890", "1", "2"], id="what 64 bits lack"),
        pytest.param(["NA", "None", "null"], ["NA", "None", "null"], id="words are words"),
        pytest.param(["1e5", "12e3"], ["1e5", "12e3"], id="digits around an e are an id"),
        pytest.param(["1234e56", "7"], ["1234e56", "7"], id="digits around an e among numbers"),
        pytest.param(["1e-05", "0.5", "1.25e+300", "-inf"], [1e-05, 0.5, 1.25e300, -INF], id="as Python writes floats"),
        pytest.param(["1.10", "1.1"], ["1.10", "1.1"], id="a zero at the end makes another id"),
        pytest.param(["1.10", "2.25", "nan"], [1.1, 2.25, NAN], id="as many decimals"),
        pytest.param(["1.0", "2.5", "1000000.0"], [1.0, 2.5, 1e6], id="as pandas writes whole numbers among others"),
        pytest.param(["1", "1.0"], ["1", "1.0"], id="two ways to write one number"),
        pytest.param(["0.8444218515250481", "1"], [0.8444218515250481, 1.0], id="as many digits as a float has"),
        pytest.param(["0.1234567890123456789"], ["0.1234567890123456789"], id="more digits than a float has"),
        pytest.param(["9007199254740993", "0.5"], ["9007199254740993", "0.5"], id="a whole number that no float is"),
        pytest.param(["1234567890123456", "0.5"], [1234567890123456.0, 0.5], id="a whole number that is a float"),
        pytest.param(["1e+999"], ["1e+999"], id="what no float reaches"),
        pytest.param(["-0", "0"], ["-0", "0"], id="a zero with a sign"),
    ],
)
def test_a_csv_column_has_the_narrowest_type_that_loses_nothing(
    cells: list[str], values: list[Any], tmp_path: Path
) -> None:
    index = opened(written(tmp_path / "a.csv", "n,x\n" + "".join(f"0,{cell}\n" for cell in cells)))
    assert [repr(row["x"]) for row in all_rows(index)] == list(map(repr, values))  # whole numbers are no floats


@given(
    st.lists(st.one_of(st.none(), st.floats()), min_size=1), st.sampled_from([repr, "{:.3f}".format, "{:.9f}".format])
)
@settings(max_examples=60, deadline=None)
def test_no_two_texts_of_a_csv_become_one_number(values: list[float | None], write: Callable[[float], str]) -> None:
    cells = ["" if value is None else write(value) for value in values]
    with tempfile.TemporaryDirectory() as directory:
        index = opened(written(Path(directory) / "a.csv", "n,x\n" + "".join(f"0,{cell}\n" for cell in cells)))
        found = [row["x"] for row in all_rows(index)]
    again = ["" if value is None else value if isinstance(value, str) else write(value) for value in found]
    assert again == cells
    if write is repr:
        assert not any(isinstance(value, str) for value in found)


def test_types_hold_for_the_whole_file_however_late_another_value_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(json_rows, "_BLOCK_BYTES", 64)
    values = [*range(100), "x"]
    table = written(tmp_path / "a.csv", "v\n" + "".join(f"{value}\n" for value in values))
    assert [row["v"] for row in all_rows(opened(table))] == [str(value) for value in values]
    numbers = [*range(100), 0.5]
    lines = written(tmp_path / "a.jsonl", "".join(f'{{"v": {value}}}\n' for value in numbers))
    assert [row["v"] for row in all_rows(opened(lines))] == numbers
    late = written(tmp_path / "b.jsonl", '{"v": 1}\n' * 50 + '{"v": 2, "w": "x"}\n')
    assert all_rows(opened(late))[49:] == [{"v": 1, "w": None}, {"v": 2, "w": "x"}]


def test_json_objects_may_nest_and_lack_columns(tmp_path: Path) -> None:
    rows = [{"a": {"x": [1, 2]}, "b": ["t"]}, {"a": None}, {"b": []}]
    index = opened(written(tmp_path / "a.jsonl", "\n\n".join(map(json.dumps, rows))))
    assert [row["a"] for row in all_rows(index)] == [{"x": [1, 2]}, None, None]
    assert [row["b"] for row in all_rows(index)] == [["t"], None, []]


def test_a_mark_of_utf_8_at_the_start_is_no_part_of_a_name(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    assert opened(written(tmp_path / "a.csv", mark + b"a,b\n1,2\n")).columns == ("a", "b")
    assert opened(written(tmp_path / "a.jsonl", mark + b'{"a": 1}\n')).columns == ("a",)
    assert opened(written(tmp_path / "a.json", mark + b'[{"a": 1}]')).columns == ("a",)


def test_tabs_separate_where_the_name_says_so(tmp_path: Path) -> None:
    assert all_rows(opened(written(tmp_path / "a.tsv", "a\tb\n1,5\t2\n"))) == [{"a": "1,5", "b": 2}]


def test_a_wildcard_is_all_its_files_in_name_order_columns_by_name(tmp_path: Path) -> None:
    write_csv([{"b": 0.5, "a": "y"}], tmp_path / "2.csv")
    write_csv([{"a": "x", "b": 1}], tmp_path / "1.csv")
    write_parquet([{"a": "z", "b": 2}], tmp_path / "3.parquet")
    written(tmp_path / "4.txt", "no index")
    rows = [{"a": "x", "b": 1.0}, {"a": "y", "b": 0.5}]
    assert all_rows(opened(tmp_path / "*.csv")) == rows
    assert all_rows(opened(tmp_path / "*.{csv,parquet}")) == [*rows, {"a": "z", "b": 2.0}]
    assert all_rows(opened(tmp_path / "[3]*")) == [{"a": "z", "b": 2}]


def test_parquet_files_of_several_writers_are_one_index(tmp_path: Path) -> None:
    pd.DataFrame({"a": pd.Categorical(["x", "y"]), "n": np.array([1, 2], np.int32)}).to_parquet(tmp_path / "1.parquet")
    other = pa.table({"n": pa.array([3.5]), "a": pa.array(["z"], pa.large_string()), "more": [0]})
    pq.write_table(other, tmp_path / "2.parquet")
    index = opened(tmp_path / "?.parquet", columns=("a", "n"))
    assert all_rows(index) == [{"a": "x", "n": 1.0}, {"a": "y", "n": 2.0}, {"a": "z", "n": 3.5}]


def test_a_list_of_paths_names_files_relative_to_itself(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    write_csv([{"a": 1}], tmp_path / "parts" / "1.csv")
    write_csv([{"a": 2}], tmp_path / "2.csv")
    paths = f"\nparts/*.csv\n\n  {tmp_path}/2.csv  \nparts/1.csv\n"
    index = opened(written(tmp_path / "split_file_texts.txt", paths))
    assert [row["a"] for row in all_rows(index)] == [1, 2, 1]


def test_a_file_url_is_a_path_of_this_machine(tmp_path: Path) -> None:
    write_csv(ROWS, tmp_path / "a b%.csv")
    for url in (f"file://{tmp_path}/a%20b%25.csv", f"FILE://localhost{tmp_path}/a%20b*.csv"):
        assert len(opened(url)) == 10
    with pytest.raises(IndexUnusable, match="file://otherhost: it names another machine"):
        opened(f"file://otherhost{tmp_path}/a%20b%25.csv")


@pytest.mark.parametrize("way", ["CSV", "JSON lines", "Parquet"])
def test_relative_urls_begin_at_the_directory_of_the_index(way: str, tmp_path: Path) -> None:
    assert opened(WAYS[way](ROWS, tmp_path)).home.base == str(tmp_path)
    assert opened(f"file://{WAYS[way](ROWS, tmp_path)}").home.base == str(tmp_path)
    assert opened(ROWS).home.base == ""


def test_lists_in_lists_are_values_too(tmp_path: Path) -> None:
    rows = [{"polygons": [[1, 2]] * 100, "text": "[" * 99}] * 3
    assert all_rows(opened(written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))))) == rows


def test_the_named_index_of_a_frame_is_a_column() -> None:
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="id"))
    assert all_rows(opened(frame)) == [{"n": 1, "id": "a"}, {"n": 2, "id": "b"}]


def test_paths_in_memory_become_texts() -> None:
    assert all_rows(opened([{"url": Path("/a/b")}, {"url": "/c"}])) == [{"url": "/a/b"}, {"url": "/c"}]


def test_what_is_a_number_in_one_csv_alone_is_a_text_in_all(tmp_path: Path) -> None:
    written(tmp_path / "1.csv", "id,n,flag\n1.50,1,true\n")
    written(tmp_path / "2.csv", "id,n,flag\nx,2.5,7\n")
    rows = [{"id": "1.50", "n": 1.0, "flag": "true"}, {"id": "x", "n": 2.5, "flag": "7"}]
    assert all_rows(opened(tmp_path / "*.csv")) == rows
