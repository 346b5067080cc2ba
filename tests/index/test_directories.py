"""Files of one base name are one sample, wherever the directory lies."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._data.index.grouping import samples_of
from dataflux_core._data.index.opening import open_index
from dataflux_core._data.index.sample_index import IndexOptions
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import BucketNotFound, IndexUnusable, InvalidArgument
from dataflux_core.fast_list import Listing, ListingController
from tests.index.sources import all_rows, opened, written

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    "a.jpg": b"1",
    "a.txt": b"22",
    "a-1.jpg": b"333",
    "b/c.JPG": b"4444",
    "b/c.tar.gz": b"5",
    "README": b"66",
    ".hidden": b"x",
    ".git/config": b"x",
    "b/.x.jpg": b"x",
    "b/.dataflux-0123456789abcdef-1.part": b"x",
    "c.txt~": b"x",
    "c.jpg.tmp": b"x",
}


def as_directory(files: dict[str, bytes], directory: Path) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with Emulator(
        buckets={"b": Memory({**{f"d/{name}": content for name, content in FILES.items()}, "e": b""})}
    ) as gcs:
        yield gcs


@pytest.fixture(autouse=True)
def _pointed_at(gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in gcs.environ.items():
        monkeypatch.setenv(variable, value)


def test_each_extension_is_a_column(tmp_path: Path) -> None:
    root = as_directory(FILES, tmp_path)
    rows = all_rows(opened(f"{root}/"))
    assert [row["id"] for row in rows] == ["README", "a-1", "a", "b/c", "b/c.tar"]
    assert rows[2] == {
        "id": "a",
        "file": None,
        "file.size": None,
        "gz": None,
        "gz.size": None,
        "jpg": f"{root}/a.jpg",
        "jpg.size": 1,
        "txt": f"{root}/a.txt",
        "txt.size": 2,
    }
    assert rows[3]["jpg"] == f"{root}/b/c.JPG"
    assert rows[0]["file"] == f"{root}/README"


def test_a_bucket_gives_what_its_listing_does() -> None:
    index = opened("gs://b/d/")
    rows = all_rows(index)
    assert [row["id"] for row in rows] == ["README", "a-1", "a", "b/c", "b/c.tar"]
    assert (rows[2]["jpg"], rows[2]["jpg.size"]) == ("gs://b/d/a.jpg", 1)
    assert rows[2]["jpg.generation"] > 0
    assert len(rows[2]["jpg.crc32c"]) == 8
    assert rows[1]["txt.generation"] is None
    controller = ListingController(1, "p", "b", prefix="d/", allowed_storage_classes=None)
    listing = controller.listing(fields=("generation", "crc32c"))
    assert isinstance(listing, Listing)
    listed = all_rows(opened(listing, root="gs://b"))
    assert [row["jpg"] for row in listed] == [row["jpg"] for row in rows]
    assert listed[0]["id"] == "d/README"
    assert "jpg.crc32c" not in opened(controller.listing(), root="gs://b/").columns
    with pytest.raises(InvalidArgument, match="root=''"):
        opened(listing)


def test_where_a_directory_lies_does_not_change_its_fingerprint(tmp_path: Path) -> None:
    one, two = (as_directory(FILES, tmp_path / name) for name in ("one", "of another length"))
    first = opened(one).fingerprint
    os.utime(two / "a.jpg", (0, 0))
    assert opened(two).fingerprint == first
    (two / "a.jpg").write_bytes(b"longer")
    assert opened(two).fingerprint != first


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    index = opened(as_directory(FILES, tmp_path), columns=("id", "txt"))
    assert all_rows(index)[2] == {"id": "a", "txt": f"{tmp_path}/a.txt"}


def test_a_directory_that_two_links_lead_to_is_there_twice(tmp_path: Path) -> None:
    root = as_directory({"real/1.jpg": b"1", "real/1.txt": b"t"}, tmp_path)
    (root / "data").mkdir()
    for name in ("train", "val"):
        (root / "data" / name).symlink_to(root / "real")
        (root / "real" / f"back-to-{name}").symlink_to(root / "data")
    assert [row["id"] for row in all_rows(opened(root / "data"))] == ["train/1", "val/1"]


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    root = as_directory({"data/a.jpg": b"1"}, tmp_path)
    (root / "data" / ".lock").symlink_to("nobody")
    assert len(opened(root)) == 1
    (root / "data" / "nowhere.jpg").symlink_to(root / "gone")
    with pytest.raises(IndexUnusable, match="data/nowhere.jpg is a link to nothing; remove it"):
        opened(root)


def test_links_that_lead_back_are_not_followed(tmp_path: Path) -> None:
    root = as_directory({"data/a.jpg": b"1"}, tmp_path)
    (root / "data" / "loop").symlink_to(root / "data")
    (root / "data" / "b.jpg").symlink_to(root / "data" / "a.jpg")
    (root / "other").symlink_to(root / "data")
    assert [row["id"] for row in all_rows(opened(root / "data"))] == ["a", "b"]
    assert [row["id"] for row in all_rows(opened(root / "other"))] == ["a", "b"]
    os.mkfifo(root / "data" / "pipe.jpg")
    assert len(opened(root / "data")) == 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param({}, "no file is there", id="nothing"),
        pytest.param({".x": b""}, "no file is there", id="nothing but hidden files"),
        pytest.param({"a.jpg": b"", "a.JPG": b""}, "'a.JPG' and 'a.jpg' would both be the 'jpg'", id="two cases"),
        pytest.param({f"a.{n}": b"" for n in range(300)}, "300 extensions, such as 0, 1, 10", id="numbers behind dots"),
    ],
)
def test_a_directory_without_samples_is_an_error(files: dict[str, bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(IndexUnusable) as caught:
        opened(as_directory(files, tmp_path))
    assert said in str(caught.value)
    assert caught.value.source.rstrip("/") == str(tmp_path)


def test_a_name_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    try:
        written(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")), b"")
    except OSError:
        pytest.skip("this file system holds no such name")
    with pytest.raises(IndexUnusable, match="is not UTF-8; rename it"):
        opened(tmp_path)


def test_remote_places_without_samples_are_errors() -> None:
    with pytest.raises(IndexUnusable, match="gs://b/none/: no file is there"):
        opened("gs://b/none/")
    with pytest.raises(BucketNotFound):
        opened("gs://no-such-bucket/")


NAMES = st.text("ab./~", min_size=1, max_size=8)


@given(st.sets(NAMES, max_size=20), st.randoms())
@settings(max_examples=300, deadline=None)
def test_every_file_is_in_one_place(names: set[str], luck: st.DataObject) -> None:
    ordered = sorted(names)
    luck.shuffle(ordered)  # type: ignore[attr-defined]
    files = pa.table({"name": pa.array(ordered, pa.string()), "size": pa.array([len(n) for n in ordered], pa.int64())})
    kept = [
        name
        for name in sorted(names)
        if not name.endswith(("/", "~")) and not any(part.startswith(".") for part in name.split("/"))
    ]
    if not kept:
        with pytest.raises(IndexUnusable, match="no file is there"):
            samples_of(files, "gs://b/", "src")
        return
    table = samples_of(files, "gs://b/", "src")
    found: dict[str, list[str]] = defaultdict(list)
    for row in table.to_pylist():
        for column, value in row.items():
            if column != "id" and not column.endswith(".size") and value is not None:
                name = value.removeprefix("gs://b/")
                assert name in {row["id"], f"{row['id']}.{column}"}
                assert row[f"{column}.size"] == len(name)
                found[name].append(row["id"])
    assert sorted(found) == kept
    assert all(len(ids) == 1 for ids in found.values())
    ids = [row["id"] for row in table.to_pylist()]
    assert len(set(ids)) == len(ids)


def test_a_million_files_are_grouped_in_a_few_seconds() -> None:
    numbers = np.arange(300_000)
    names = [f"train/n{number % 1000:04}/{number}.{extension}" for number in numbers for extension in ("jpg", "txt")]
    files = pa.table({"name": names, "size": pa.array(np.ones(len(names), np.int64))})
    table = samples_of(files, "gs://b/", "src")
    assert table.num_rows == 300_000
    assert table.column("jpg").null_count == 0


def test_a_directory_in_a_temporary_place_is_one_too() -> None:
    with tempfile.TemporaryDirectory() as directory:
        as_directory({"a[1].jpg": b"x"}, Path(directory))
        assert all_rows(opened(directory))[0]["jpg"] == f"{directory}/a[1].jpg"


def test_a_directory_with_an_index_of_its_own_is_what_that_says(tmp_path: Path) -> None:
    written(tmp_path / "a.txt", b"1")
    written(tmp_path / "b.txt", b"22")
    pq.write_table(pa.table({"id": ["a"], "txt": ["a.txt"], "label": [3]}), tmp_path / "index.parquet")
    index = open_index(tmp_path)
    assert all_rows(index) == [{"id": "a", "txt": "a.txt", "label": 3}]
    assert index.home.base == str(tmp_path)


def test_a_bucket_with_an_index_of_its_own_is_what_that_says(tmp_path: Path, environment: None) -> None:
    del environment
    pq.write_table(pa.table({"txt": ["d/a.txt"], "label": [3]}), tmp_path / "index.parquet")
    content = (tmp_path / "index.parquet").read_bytes()
    with Emulator(buckets={"demo": Memory()}) as gcs:
        os.environ.update(gcs.environ)
        gcs.put("demo", "train/d/a.txt", b"1")
        gcs.put("demo", "train/index.parquet", content)
        index = open_index("gs://demo/train/")
    assert (index.home.base, all_rows(index)) == ("gs://demo/train", [{"txt": "d/a.txt", "label": 3}])


def test_a_directory_that_is_listed_anew_leaves_its_index_out(tmp_path: Path) -> None:
    written(tmp_path / "a.txt", b"1")
    written(tmp_path / "index.parquet", b"what was written before")
    assert [row["id"] for row in all_rows(open_index(tmp_path, IndexOptions(lists_anew=True)))] == ["a"]
