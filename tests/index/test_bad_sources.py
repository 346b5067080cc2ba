"""What is no index is an error that names the source, the place in it, the next step."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dataflux_core._data.index import csv_rows, json_rows
from dataflux_core._data.index.checks import check_ids
from dataflux_core.errors import ExtraMissing, FileNotWritten, IndexUnusable, InvalidArgument
from tests.index.sources import opened, write_csv, write_parquet, written

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("a.csv", "", "it is empty", id="an empty CSV"),
        pytest.param("a.csv", "a,b\n", "there is no sample in it", id="a CSV with a header alone"),
        pytest.param("a.csv", "a,b\n1,2\n3\n", "Row #3: Expected 2 columns, got 1", id="a row that lacks a cell"),
        pytest.param("a.csv", "a,b\n1,2\n3,4,5\n", "Row #3: Expected 2 columns, got 3", id="a row with one too many"),
        pytest.param("a.csv", 'a,b\n1,2\n3,"open\n5,6\n', "a quote that nothing closes", id="an open quote"),
        pytest.param("a.csv", b"a,b\n1,x\n2,\xff\n", "line 3 is not UTF-8", id="a CSV in another encoding"),
        pytest.param("a.csv", b"a,\xff\n1,x\n", "line 1 is not UTF-8", id="a header in another encoding"),
        pytest.param("a.csv", "a,a\n1,2\n", "it has 2 columns 'a'", id="one name for two columns"),
        pytest.param("a.csv.gz", "a,b\n1,2\n", "it is damaged", id="what is not compressed, though it says so"),
        pytest.param("a.json", "", "it is empty", id="an empty JSON"),
        pytest.param("a.json", "[]", "there is no object in it", id="an array of none"),
        pytest.param("a.json", '[{"a": 1}', "it is damaged (Input data was truncated)", id="an array cut off"),
        pytest.param("a.json", '[{"a": 1}, 5]', "object 2 is no object", id="an array with a number in it"),
        pytest.param("a.json", '{\n"images": [\n{"a": 1}\n]\n}', "line 1 is damaged", id="one object over many lines"),
        pytest.param("a.json", '"text"', """it begins with b'"text"'""", id="a text"),
        pytest.param("a.jsonl", '{"a": 1}\n{"a": \n', "line 2 is damaged", id="a line cut off"),
        pytest.param("a.jsonl", '{"a": 1}\n[1]\n', "line 2 is no object", id="an array among objects"),
        pytest.param("a.jsonl", '{"a": 1}\n\n{"a": "x"}\n', "'x' is no int64", id="two types in one column"),
        pytest.param("a.jsonl", '{"a": 1}\n{"a": {"b": 1}}\n', "line 2, column 'a'", id="a number, then an object"),
        pytest.param(
            "a.jsonl", '{"a": 1}\n{"b": 1, "b": 2}\n', "line 2 has two values for 'b'", id="one name, two values"
        ),
        pytest.param("a.json", '[{"a": {"b": 1, "b" : 2}}]', "object 1 has two values for 'b'", id="so within a value"),
        pytest.param(
            "a.jsonl",
            '{"a": 9007199254740993}\n{"a": 0.5}\n',
            "column 'a': Integer value",
            id="no float is this number",
        ),
        pytest.param("a.jsonl", b'{"a": "x"}\n{"a": "\xff"}\n', "line 2 is not UTF-8", id="JSON in another encoding"),
        pytest.param("a.jsonl", '{"a": ' + "[" * 10_000 + "\n", "line 1 is damaged", id="lists without an end"),
        pytest.param(
            "a.jsonl", '{"a": 1}\n{"a": ' + "[" * 100 + "]" * 100 + "}\n", "line 2 nests lists", id="lists in lists"
        ),
        pytest.param("a.jsonl", '{"a": ' * 500 + "1" + "}" * 500, "line 1 nests lists", id="objects in objects"),
        pytest.param("a.json", '[{"a": ' + "[" * 200_000 + "]" * 200_000 + "}]", "is damaged", id="a bomb of lists"),
        pytest.param("a.parquet", "", "it is no whole Parquet file", id="an empty Parquet"),
        pytest.param("a.parquet", "PAR1" + "x" * 100 + "PAR1", "Parquet", id="a Parquet of rubbish"),
        pytest.param("a.txt", "a", "an index that ends in '.txt' is unknown", id="an unknown extension"),
        pytest.param("a", "a", "an index that ends in '' is unknown", id="no extension"),
        pytest.param(
            "a", "a", ".ndjson, .parquet, .pq (all but Parquet also compressed: .gz, .bz2", id="what is taken instead"
        ),
        pytest.param("a", "a", "a dataset takes a playlist too, .yaml or .yml", id="for a dataset"),
        pytest.param("a.yaml", "a", "a playlist is no index; give it to a StreamingDataset", id="a playlist"),
        pytest.param("split_file_texts.txt", "b.YML\n", "a playlist is no index", id="a list of playlists"),
        pytest.param("a.parquet.gz", "a", "an index that ends in '.parquet' is unknown", id="a compressed Parquet"),
        pytest.param("split_file_texts.txt", "\n \n", "there is no path in it", id="a list of no paths"),
        pytest.param("split_file_texts.txt", "none.csv\n", "there is no such file", id="a list with a missing file"),
        pytest.param("split_file_texts.txt", "split_file_texts.txt\n", "is no index file", id="a list of itself"),
        pytest.param("split_file_texts.txt", b"\xff", "it is not UTF-8", id="a list in another encoding"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(name: str, content: str | bytes, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / name, content)
    with pytest.raises(IndexUnusable) as caught:
        opened(path)
    assert said in str(caught.value)
    assert str(tmp_path) in caught.value.source
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param("none.csv", "there is no such file", id="a missing file"),
        pytest.param("none/", "there is no such directory", id="a missing directory"),
        pytest.param("none*.csv", "no file matches", id="a wildcard that matches nothing"),
        pytest.param("ftp://host/a.csv", "ftp:// is unknown", id="an unknown scheme"),
        pytest.param("ftp://me:secret@host/a.csv", "ftp://host: ftp:// is unknown", id="a secret stays one"),
        pytest.param("gs://", "its bucket or host is missing", id="no bucket"),
        pytest.param(
            "https://host/images/",
            "a directory of a web server cannot be listed; give an index of the URLs",
            id="a directory of the web",
        ),
        pytest.param("https://host/images", "or a split_file_texts.txt; a dataset", id="no ending, on the web"),
        pytest.param("", "it is no path", id="no path"),
        pytest.param([], "there is no sample in it", id="no samples"),
        pytest.param({}, "there is no sample in it", id="no columns"),
        pytest.param({"a": []}, "there is no sample in it", id="a column of nothing"),
        pytest.param({"a": [1], "b": [1, 2]}, "column 'b' has 2 values, column 'a' has 1", id="columns of two lengths"),
        pytest.param({"a": "text"}, "column 'a' is 'text'", id="a text for a column"),
        pytest.param([{"a": 1}, 5], "row 1 is int", id="a number for a sample"),
        pytest.param([{1: 1}], "a column is called 1", id="a number for a name"),
        pytest.param([{"a": "x"}, {"a": 5}], "row 1, column 'a': 5 is no string", id="two types"),
        pytest.param([{"a": "x"}, {"a": float("nan")}], "row 1, column 'a': nan is no string", id="NaN for a URL"),
        pytest.param([{"a": object()}], "row 0, column 'a'", id="what no column holds"),
        pytest.param("x" * 5000 + ".csv", "there is no such file", id="a name that no file system holds"),
        pytest.param("x" * 5000 + "/", "there is no such directory", id="a directory that none holds"),
        pytest.param(pd.DataFrame({"a": [1, "x"]}), "it is no table", id="a frame with two types in a column"),
        pytest.param(pd.Series([1, 2], name="a"), "it is no table", id="one column alone"),
        pytest.param(pl.Series("a", [1, 2]), "it is no table", id="one column of polars"),
        pytest.param(pa.table({"a": [None]}).slice(1), "there is no sample in it", id="an empty table"),
        pytest.param(pa.table([[1], [2]], ["a", "a"]), "it has 2 columns 'a'", id="a table with one name twice"),
    ],
)
def test_a_bad_source_is_an_error(source: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IndexUnusable) as caught:
        opened(source)
    assert said in str(caught.value)


@pytest.mark.parametrize("source", [5, None, b"a.csv", 0.5])
def test_what_is_no_source_at_all_is_a_wrong_argument(source: object) -> None:
    with pytest.raises(InvalidArgument, match="expected a path, a URL, a Listing"):
        opened(source)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"filter": "width > 512"}, "filter='width > 512': expected an expression"),
        ({"max_samples": 0}, "max_samples=0"),
        ({"max_samples": 1.5}, "max_samples=1.5"),
        ({"columns": "url"}, "columns='url'"),
        ({"columns": ()}, "columns=()"),
        ({"columns": ("a", "a")}, "columns=('a', 'a')"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        opened([{"a": 1}], **options)
    assert said in str(caught.value)


def test_a_file_of_a_wildcard_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    write_csv([{"a": 1, "b": 2}], tmp_path / "1.csv")
    write_csv([{"a": 1}], tmp_path / "2.csv")
    with pytest.raises(IndexUnusable, match="2.csv: it has no column 'b', but 'a'"):
        opened(tmp_path / "*.csv")
    write_parquet([{"a": 1, "b": 2}], tmp_path / "1.parquet")
    write_parquet([{"a": 1}], tmp_path / "2.parquet")
    with pytest.raises(IndexUnusable, match="2.parquet: it has no column 'b', but 'a'"):
        opened(tmp_path / "*.parquet")
    assert len(opened(tmp_path / "*.parquet", columns=("a",))) == 2


def test_files_of_a_wildcard_whose_types_do_not_go_together_are_named(tmp_path: Path) -> None:
    write_parquet([{"a": 1}], tmp_path / "1.parquet")
    write_parquet([{"a": "x"}], tmp_path / "2.parquet")
    with pytest.raises(IndexUnusable, match="column 'a' is int64 in .*1.parquet, string in .*2.parquet"):
        opened(tmp_path / "*.parquet")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_missing_column_is_named_with_those_that_are_there(name: str, tmp_path: Path) -> None:
    rows = [{"a": 1, "b": 2}]
    path = {"a.csv": write_csv, "a.parquet": write_parquet}.get(
        name, lambda _, path: written(path, '{"a": 1, "b": 2}')
    )(rows, tmp_path / name)
    with pytest.raises(IndexUnusable, match=f"{name}: it has no column 'c', but 'a', 'b'; "):
        opened(path, columns=("a", "c"))
    for wrong in (pc.field("c") > 1, pc.field("a") == "x"):
        with pytest.raises(IndexUnusable, match="the filter cannot be asked"):
            opened(path, filter=wrong)
    with pytest.raises(IndexUnusable, match="the filter lets no sample through"):
        opened(path, filter=pc.field("a") > 1)


def test_a_row_longer_than_a_block_is_an_error_not_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "_BLOCK_BYTES", 64)
    with pytest.raises(IndexUnusable, match="it is damaged"):
        opened(written(tmp_path / "a.csv", "a,b\n1,2\n" + f"{'x' * 500},2\n" * 3))


def test_a_line_without_an_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(json_rows, "_MAX_LINE_BYTES", 1000)
    with pytest.raises(IndexUnusable, match="line 2 has more than 1,000 bytes"):
        opened(written(tmp_path / "a.jsonl", '{"a": 1}\n{"a": "' + "x" * 5000))


def test_a_file_that_was_written_anew_since_it_was_opened_is_noticed(tmp_path: Path) -> None:
    index = opened(write_parquet([{"a": number} for number in range(9)], tmp_path / "a.parquet"))
    write_parquet([{"a": number} for number in range(99)], tmp_path / "a.parquet")
    with pytest.raises(IndexUnusable, match="bytes when it was opened, now it has"):
        index.take(np.array([1]))


def plain_parquet(path: Path, letter: str, rows: int = 1000) -> Path:
    """Write samples whose file has the same size and the same footer whatever the letter."""
    table = pa.table({"url": [f"{letter}{number:06}" for number in range(rows)]})
    pq.write_table(
        table, path, row_group_size=rows // 2, compression="none", use_dictionary=False, write_statistics=False
    )
    os.utime(path, ns=(0, ord(letter) * 10**9))  # a file system's clock may stand still for a few milliseconds
    return path


@pytest.mark.parametrize("is_replaced", [False, True], ids=["written over", "replaced"])
def test_an_index_of_the_same_size_that_has_other_samples_is_noticed(is_replaced: bool, tmp_path: Path) -> None:
    index = opened(plain_parquet(tmp_path / "a.parquet", "a"))
    fresh = pickle.loads(pickle.dumps(index))
    assert index.take(np.array([0])).to_pylist() == [{"url": "a000000"}]
    if is_replaced:
        plain_parquet(tmp_path / "b.parquet", "b").rename(tmp_path / "a.parquet")
        assert index.take(np.array([999])).to_pylist() == [{"url": "a000999"}]  # of the file that it holds
    else:
        plain_parquet(tmp_path / "a.parquet", "b")
        with pytest.raises(IndexUnusable, match="it was written anew since it was opened; open it again"):
            index.take(np.array([999]))
    for read in (lambda: fresh.take(np.array([0])), lambda: list(fresh.batches())):
        with pytest.raises(IndexUnusable, match="it was written anew since it was opened; open it again"):
            read()


def test_an_index_that_is_cut_short_while_it_is_read_is_an_error_that_kills_nobody(tmp_path: Path) -> None:
    index = opened(plain_parquet(tmp_path / "a.parquet", "a", 200_000))
    index.take(np.array([0]))
    written(tmp_path / "a.parquet", "")
    with pytest.raises(IndexUnusable, match="bytes when it was opened, now it has 0; open it again"):
        index.take(np.array([150_000]))


def test_a_footer_that_changed_though_all_else_is_the_same_is_noticed(tmp_path: Path) -> None:
    index = opened(plain_parquet(tmp_path / "a.parquet", "a"))
    content = (tmp_path / "a.parquet").read_bytes()
    written(tmp_path / "a.parquet", content.replace(b"parquet-cpp", b"parquet-abc"))
    os.utime(tmp_path / "a.parquet", ns=(0, ord("a") * 10**9))
    with pytest.raises(IndexUnusable, match="its footer has changed since it was opened"):
        index.take(np.array([0]))


def test_a_page_that_is_damaged_is_named_where_rows_are_filtered(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [f"{number:06}" for number in range(100_000)]}), path, compression="snappy")
    content = bytearray(path.read_bytes())
    content[2000:2600] = b"\xff" * 600
    with pytest.raises(IndexUnusable, match="a.parquet: it is damaged"):
        opened(written(path, bytes(content)), filter=pc.field("a") > "000010")


def test_a_row_group_that_is_damaged_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": list(range(10_000))}), path, use_dictionary=False, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:5000] = b"\xff" * 4996
    index = opened(written(path, bytes(content)))
    with pytest.raises(IndexUnusable, match="a.parquet: it is (damaged|no whole Parquet file)"):
        index.take(np.array([1]))


def test_a_scratch_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    written(tmp_path / "file", "")
    with pytest.raises(FileNotWritten, match="file"):
        opened([{"a": "x" * 100}] * 20_000, scratch=str(tmp_path / "file"))


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib  # noqa: PLC0415 - of this test alone
    import sys  # noqa: PLC0415

    import dataflux_core._data.index as package  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExtraMissing, match=r"dataflux_core\[streaming\]"):
        importlib.reload(package)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        pytest.param(["a", "b", "c"], "", id="all different"),
        pytest.param(["a", "b", "a", "b"], "rows 0 and 2 have the same id 'a'", id="twice the same"),
        pytest.param([1, 2, 3, 2], "rows 1 and 3 have the same id 2", id="numbers"),
        pytest.param(["a", None], "row 1, column 'id': the id is null", id="none"),
        pytest.param([["a"], ["b"]], "choose a column of texts or numbers", id="lists"),
    ],
)
def test_ids_are_told_apart(ids: list[object], said: str) -> None:
    index = opened({"id": ids})
    if not said:
        check_ids(index, "id")
        return
    with pytest.raises(IndexUnusable) as caught:
        check_ids(index, "id", "src")
    assert said in str(caught.value)
    with pytest.raises(IndexUnusable, match="it has no column 'other', but 'id'"):
        check_ids(index, "other")
