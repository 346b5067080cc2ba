"""What is not asked for is not read: neither time nor memory grows with the rows of a Parquet file."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path

GROUP = 1_000_000

MEASURED = """
import json, sys
from pathlib import Path
import numpy as np
from dataflux_core._data.index.opening import open_index


def peak_mb():  # not ru_maxrss, which a process inherits from the one that started it
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def read_mb():
    return int(Path("/proc/self/io").read_text().partition("rchar:")[2].split()[0]) / 1e6


before_mb = read_mb()
index = open_index(sys.argv[1])
count, fingerprint = len(index), index.fingerprint
opened_mb, opening_mb = peak_mb(), read_mb() - before_mb
rows = np.array([count - 1, 0, count // 2, count // 2 + 1, 1_000_000])
labels = index.take(rows).column("label").to_pylist()
ends = [index.take(np.arange(at, at + 1000)).column("label").to_pylist() for at in (999_500, count - 1000)]
taken_mb = peak_mb()
print(json.dumps([count, opening_mb, opened_mb, taken_mb, rows.tolist(), labels, ends]))
"""


def write_large(path: Path, rows: int) -> None:
    """Write a file whose row groups are all the same, and small, however many rows they have."""
    urls = pa.array([f"images/{number:06}.jpg" for number in range(1000)]).take(pa.array(np.arange(GROUP) % 1000))
    table = pa.table({"url": urls, "label": np.arange(GROUP) % 7})
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(rows // GROUP):
            writer.write_table(table, row_group_size=GROUP)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read where Linux says it")
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(10**7, id="ten million"),
        pytest.param(10**9, id="a billion", marks=[pytest.mark.matrix, pytest.mark.timeout(600)]),
    ],
)
def test_a_large_index_is_open_at_once_in_little_memory(rows: int, tmp_path: Path) -> None:
    write_large(tmp_path / "large.parquet", rows)
    file_mb = (tmp_path / "large.parquet").stat().st_size / 1e6
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "large.parquet")], check=True, capture_output=True, text=True
    )
    count, opening_mb, opened_mb, taken_mb, asked, labels, ends = json.loads(ran.stdout)
    assert count == rows
    assert opening_mb < file_mb / 4
    assert opened_mb < 300
    assert taken_mb < 450
    assert labels == [row % GROUP % 7 for row in asked]
    assert ends == [[row % GROUP % 7 for row in range(at, at + 1000)] for at in (999_500, rows - 1000)]
