"""`dataflux index` writes down which samples there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflux_core._data.index.opening import open_index
from dataflux_core.emulator import Emulator, Memory
from tests.cli.terminal import dataflux, seen_at_terminal

FILES = {"a.jpg": b"1", "a.txt": b"22", "b/c.jpg": b"333", ".hidden": b"x"}


@pytest.fixture(scope="module")
def _stocked(shared_gcs: Emulator) -> None:
    shared_gcs.create_bucket("samples", Memory({f"train/{name}": content for name, content in FILES.items()}))


def rows(path: Path) -> list[dict[str, object]]:
    """Take every sample of an index that was written."""
    index = open_index(path)
    found: list[dict[str, object]] = index.take(np.arange(len(index))).to_pylist()
    return found


@pytest.mark.usefixtures("_stocked")
@pytest.mark.parametrize("place", ["gs://samples/train/", "gs://samples/train"])
def test_a_bucket_becomes_an_index(place: str, tmp_path: Path) -> None:
    ran = dataflux("index", place, "-o", str(tmp_path / "i.parquet"))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == (
        "2 samples, 9 columns (id, jpg, jpg.size, jpg.crc32c, jpg.generation, txt, …), 1 sample incomplete\n"
    )
    first, second = rows(tmp_path / "i.parquet")
    assert (first["id"], first["jpg"], first["jpg.size"]) == ("a", "gs://samples/train/a.jpg", 1)
    assert (second["id"], second["txt"]) == ("b/c", None)
    assert isinstance(first["txt.generation"], int)


def test_a_folder_becomes_an_index(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(content)
    ran = dataflux("index", "--columns", "id,jpg", str(tmp_path / "data"), "-o", str(tmp_path / "i.parquet"))
    assert (ran.returncode, ran.stderr) == (0, "2 samples, 2 columns (id, jpg)\n")
    assert rows(tmp_path / "i.parquet") == [
        {"id": "a", "jpg": f"{tmp_path}/data/a.jpg"},
        {"id": "b/c", "jpg": f"{tmp_path}/data/b/c.jpg"},
    ]


@pytest.mark.usefixtures("_stocked")
@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_listing_becomes_the_index_that_its_bucket_does(kind: str, tmp_path: Path) -> None:
    listed, kept = str(tmp_path / f"objects.{kind}l" if kind == "json" else tmp_path / f"objects.{kind}"), tmp_path
    assert dataflux("ls", "-r", "-l", "--format", kind, "-o", listed, "gs://samples").returncode == 0
    assert dataflux("index", "-q", "gs://samples", "-o", str(kept / "1.parquet")).stderr == ""
    ran = dataflux("index", "-q", listed, "--root", "gs://samples", "-o", str(kept / "2.parquet"))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert rows(kept / "1.parquet") == rows(kept / "2.parquet")
    ran = dataflux("index", listed, "-o", str(kept / "3.parquet"))
    assert ran.returncode == 2
    assert "is a listing: say of which bucket with --root gs://NAME" in ran.stderr


def test_an_index_in_another_format_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,url\n1,a.jpg\n2,\n")
    (tmp_path / "2.csv").write_text("id,url\nx,b.jpg\n")
    ran = dataflux("index", str(tmp_path / "*.csv"), "-o", str(tmp_path / "i.parquet"))
    assert (ran.returncode, ran.stderr) == (0, "3 samples, 2 columns (id, url), 1 sample incomplete\n")
    assert [row["id"] for row in rows(tmp_path / "i.parquet")] == ["1", "2", "x"]


def test_row_groups_are_small(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": np.arange(200_000)}), tmp_path / "a.parquet")
    ran = dataflux("index", "--max-samples", "150000", str(tmp_path / "a.parquet"), "-o", str(tmp_path / "i.parquet"))
    assert ran.returncode == 0
    footer = pq.ParquetFile(tmp_path / "i.parquet").metadata
    assert [footer.row_group(number).num_rows for number in range(3)] == [65_536, 65_536, 18_928]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.csv", "-o", "i.parquet"], 1, "none.csv: there is no such file; correct the path"),
        (["a.txt", "-o", "i.parquet"], 1, "an index that ends in '.txt' is unknown"),
        (["gs://empty", "-o", "i.parquet"], 1, "gs://empty/: no file is there"),
        (["gs://denied", "-o", "i.parquet"], 1, "HTTP 403"),
        (["ftp://x/a.csv", "-o", "i.parquet"], 1, "ftp:// is unknown"),
        (["i.csv", "-o", "i.csv"], 2, "SRC and --output name the same file"),
        (["i.csv", "-o", "none/i.parquet"], 2, "is no directory to write to"),
        (["i.csv"], 2, "Missing option '-o'"),
        (["", "-o", "i.parquet"], 2, "expected a text"),
        (["i.csv", "--root", "bucket", "-o", "i.parquet"], 2, "expected a URL such as gs://my-bucket"),
        (["gs://x", "--root", "gs://x", "-o", "i.parquet"], 2, "--root goes with a listing in a file"),
        (["HTTPS://me:secret@h/i.csv?secret", "--root", "gs://x", "-o", "i.parquet"], 2, "HTTPS://h/i.csv?… is not"),
        (["i.csv", "--root", "HTTPS://h?secret", "-o", "i.parquet"], 2, "'HTTPS://h?…': expected a URL"),
        (["http://[::1/i.csv?secret", "-o", "i.parquet"], 2, "http://[::1/i.csv?…: expected http:// or https://"),
        (["i.csv", "--columns", "a,,b", "-o", "i.parquet"], 2, "expected different names with commas between"),
        (["i.csv", "--columns", "nope", "-o", "i.parquet"], 1, "it has no column 'nope', but 'a', 'b'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("i.csv").write_text("a,b\n1,2\n")
    Path("a.txt").write_text("")
    ran = dataflux("index", *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert "secret" not in ran.stderr
    assert code == 2 or len(ran.stderr.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "i.csv"]


def test_a_terminal_sees_a_bar(tmp_path: Path) -> None:
    code, seen = seen_at_terminal("index", "gs://many/", "-o", str(tmp_path / "i.parquet"), streams="stderr")
    assert code == 0
    assert "20,000 objects" in seen
    assert "20,000 samples" in seen
