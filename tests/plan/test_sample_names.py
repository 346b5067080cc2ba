"""Files of one base name are one sample, wherever they lie."""

from __future__ import annotations

import io
import tarfile

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.flare.tar_records import tar_records
from dataflux_core._data.index.grouping import samples_of, wanted
from dataflux_core._plan.sample_names import split_name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        pytest.param("a/b.JPG", ("a/b", "jpg"), id="the extension in small letters, the rest as it is"),
        pytest.param("a.b.txt", ("a.b", "txt"), id="what stands behind the last dot"),
        pytest.param("a.jsonl.gz", ("a.jsonl", "gz"), id="no two of them"),
        pytest.param("a", ("a", "file"), id="a file without one"),
        pytest.param("a.", ("a.", "file"), id="nothing is none"),
        pytest.param("a.b/c", ("a.b/c", "file"), id="nor is what a directory ends in"),
        pytest.param("a.of two", ("a.of two", "file"), id="nor other characters"),
        pytest.param("a.é", ("a.é", "file"), id="nor letters of some languages"),
        pytest.param("a." + "x" * 16, ("a", "x" * 16), id="of sixteen characters"),
        pytest.param("a." + "x" * 17, ("a." + "x" * 17, "file"), id="a longer text is none"),
        pytest.param("a.Id", ("a.Id", "file"), id="what samples are called by is none"),
        pytest.param(".jpg", (".jpg", "file"), id="a sample has a name"),
    ],
)
def test_a_name_says_which_sample_and_which_part(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


_NAMES = st.lists(st.text("aB1._ é\n/", min_size=1, max_size=24), min_size=1, max_size=5, unique=True)


@given(_NAMES)
def test_a_directory_and_an_archive_go_by_the_same_rule(names: list[str]) -> None:
    column = pa.chunked_array([names], pa.large_string())
    kept = column.filter(wanted(column)).to_pylist()
    parts = {split_name(name) for name in kept}
    if not kept or len(parts) < len(kept):
        return
    table = samples_of(pa.table({"name": column, "size": [0] * len(names)}), "r/", "r")
    found = {
        (row["id"], extension): place
        for row in table.to_pylist()
        for extension, place in row.items()
        if place is not None and extension != "id" and "." not in extension
    }
    assert found == {split_name(name): f"r/{name}" for name in kept}


def test_an_archive_gives_its_members_by_these_names() -> None:
    names = ["a/1.png", "a/1.TXT", "a/1.b.txt", "a/1.b.id", "plain"]
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    file.seek(0)
    found = {(record["id"], part) for record in tar_records(file, 1000) for part in record if part != "id"}
    assert found == {split_name(name) for name in names}
