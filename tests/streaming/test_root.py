"""`root=` says where relative URLs begin, whatever names them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import BadSample, InvalidArgument
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
    dataset = StreamingDataset(tmp_path / "split_file_texts.txt", data_type="bytes")
    with pytest.raises(BadSample, match="may not name local files"):
        dataset[0]


def test_what_is_no_root_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="root="):
        StreamingDataset(ROWS, root="ftp://host")
