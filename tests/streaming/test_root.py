"""`root=` says where relative URLs begin, whatever names them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import BadSample, IndexUnusable, InvalidArgument
from dataflux_core.streaming import StreamingDataset
from tests.conftest import point_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROWS = [{"id": str(number), "url": f"images/{number}.bin"} for number in range(3)]
LINES = "\n".join(map(json.dumps, ROWS)).encode()
WANTED = [b"0", b"1", b"2"]
SOURCES: dict[str, Callable[[], Any]] = {
    "a list of dicts": lambda: ROWS,
    "a table of pyarrow": lambda: pa.Table.from_pylist(ROWS),
    "a table of pandas": lambda: pd.DataFrame(ROWS),
    "a table of polars": lambda: pl.DataFrame(ROWS),
    "an index in a bucket": lambda: "gs://indexes/deep/index.jsonl",
    "a wildcard in a bucket": lambda: "gs://indexes/deep/*.jsonl",
}


@pytest.fixture
def service(environment: None) -> Iterator[Emulator]:  # noqa: ARG001 - put back
    images = {f"train/images/{number}.bin": str(number).encode() for number in range(3)}
    evil = json.dumps({"id": "e", "url": "../secret"}).encode()
    indexes = {"deep/index.jsonl": LINES, "evil/index.jsonl": evil}
    with Emulator(buckets={"images": Memory(images), "indexes": Memory(indexes)}) as gcs:
        point_at(gcs)
        yield gcs


def contents(dataset: StreamingDataset) -> list[bytes]:
    return [sample["url"] for sample in dataset[:]]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.usefixtures("service")
def test_relative_urls_begin_at_a_bucket(source: Callable[[], Any]) -> None:
    dataset = StreamingDataset(source(), root="gs://images/train/", data_type="bytes")
    assert contents(dataset) == WANTED
    assert [sample["url"] for sample in dataset] == WANTED


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.usefixtures("service")
def test_relative_urls_begin_at_a_directory(source: Callable[[], Any], tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(3):
        (tmp_path / f"images/{number}.bin").write_text(str(number))
    assert contents(StreamingDataset(source(), root=str(tmp_path), data_type="bytes")) == WANTED


def test_the_root_of_an_index_beside_them_counts_too(tmp_path: Path) -> None:
    (tmp_path / "data/images").mkdir(parents=True)
    for number in range(3):
        (tmp_path / f"data/images/{number}.bin").write_text(str(number))
    (tmp_path / "index.jsonl").write_bytes(LINES)
    dataset = StreamingDataset(tmp_path / "index.jsonl", root=tmp_path / "data", data_type="bytes")
    assert contents(dataset) == WANTED


@pytest.mark.usefixtures("service")
def test_a_state_fits_wherever_the_same_samples_lie(tmp_path: Path) -> None:
    first = StreamingDataset(ROWS, root="gs://images/train", data_type="bytes")
    next(iter(first))
    second = StreamingDataset(ROWS, root=str(tmp_path), data_type="bytes")
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == first.state_dict()


@pytest.mark.usefixtures("service")
def test_an_index_of_a_bucket_leads_out_of_no_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    dataset = StreamingDataset("gs://indexes/evil/index.jsonl", root=str(tmp_path / "root"), data_type="bytes")
    with pytest.raises(BadSample, match=r"row 0.*may not lead out of root="):
        dataset[0]


@pytest.mark.usefixtures("service")
def test_a_local_list_makes_no_local_index_of_one_in_a_bucket(tmp_path: Path) -> None:
    named = "gs://indexes/deep/index.jsonl\ngs://indexes/evil/index.jsonl\n"
    (tmp_path / "split_file_texts.txt").write_text(named)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/0.bin").write_text("secret")
    with pytest.raises(IndexUnusable, match="several directories"):
        StreamingDataset(tmp_path / "split_file_texts.txt", data_type="bytes")
    with pytest.raises(BadSample, match="may not lead out of root="):
        StreamingDataset(tmp_path / "split_file_texts.txt", root=tmp_path / "images", data_type="bytes")[3]


def test_what_is_no_root_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="root="):
        StreamingDataset(ROWS, root="ftp://host")


class TestSeveralDirectories:
    """One more index file, elsewhere, may not change what the rows of the others mean."""

    @pytest.fixture
    def parts(self, tmp_path: Path) -> Path:
        for name in "ab":
            (tmp_path / name).mkdir()
            (tmp_path / name / "index.csv").write_text(f"id,url\n{name},x.txt\n")
            (tmp_path / name / "x.txt").write_text(f"of {name}")
        (tmp_path / "x.txt").write_text("of none")
        return tmp_path

    @pytest.mark.parametrize("source", ["*/index.csv", "split_file_texts.txt"])
    def test_their_relative_urls_are_refused(self, parts: Path, source: str) -> None:
        (parts / "split_file_texts.txt").write_text("a/index.csv\nb/index.csv\n")
        with pytest.raises(IndexUnusable, match=r"several directories, so the relative 'x\.txt' may .*give root="):
            StreamingDataset(f"{parts}/{source}", data_type="text")
        dataset = StreamingDataset(f"{parts}/{source}", root=parts / "a", data_type="text")
        assert [sample["url"] for sample in dataset[:]] == ["of a"] * 2

    def test_that_of_one_alone_begins_beside_it(self, parts: Path) -> None:
        (parts / "split_file_texts.txt").write_text("a/index.csv\n")
        dataset = StreamingDataset(parts / "split_file_texts.txt", data_type="text")
        assert dataset[0]["url"] == "of a"

    def test_absolute_ones_are_as_they_say(self, parts: Path) -> None:
        for name in "ab":
            (parts / name / "index.csv").write_text(f"id,url\n{name},{parts}/{name}/x.txt\n")
        dataset = StreamingDataset(f"{parts}/*/index.csv", data_type="text")
        assert [sample["url"] for sample in dataset[:]] == ["of a", "of b"]
