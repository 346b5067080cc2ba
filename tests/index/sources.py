"""Write the same samples in every way that an index can be given."""

from __future__ import annotations

import csv
import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from dataflux_core._data.index.opening import open_index
from dataflux_core._data.index.sample_index import IndexOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dataflux_core._data.index.sample_index import SampleIndex

Row = dict[str, Any]


def write_csv(rows: list[Row], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_NOTNULL if hasattr(csv, "QUOTE_NOTNULL") else 0)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(rows: list[Row], path: Path, group: int = 3) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


WAYS: dict[str, Callable[[list[Row], Path], Any]] = {
    "CSV": lambda rows, at: write_csv(rows, at / "index.csv"),
    "a JSON array": lambda rows, at: written(at / "index.json", json.dumps(rows, indent=1)),
    "JSON lines": lambda rows, at: written(at / "index.jsonl", "\n".join(map(json.dumps, rows))),
    "compressed JSON lines": lambda rows, at: written(
        at / "index.jsonl.gz", gzip.compress("\n".join(map(json.dumps, rows)).encode())
    ),
    "Parquet": lambda rows, at: write_parquet(rows, at / "index.parquet"),
    "a list of dicts": lambda rows, _: rows,
    "a dict of lists": lambda rows, _: {name: [row[name] for row in rows] for name in rows[0]},
    "a pyarrow table": lambda rows, _: pa.Table.from_pylist(rows),
    "a pandas frame": lambda rows, _: pd.DataFrame(rows).iloc[::-1].sort_index(),
    "a polars frame": lambda rows, _: pl.DataFrame(rows),
    "a lazy polars frame": lambda rows, _: pl.LazyFrame(rows),
}


def opened(source: Any, **options: Any) -> SampleIndex:
    return open_index(source, IndexOptions(**options))


def all_rows(index: SampleIndex) -> list[Row]:
    rows: list[Row] = index.take(np.arange(len(index))).to_pylist()
    return rows
