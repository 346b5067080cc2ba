"""What do large indexes cost a dataset: to open, to resume in, in memory?

One line for each case, each in a process of its own: a billion rows opened; a hundred million rows resumed at nine
tenths of an epoch; ten million rows given by eight loader workers, resident memory all along; a million objects of a
bucket at 60 ms a call, the first batch from an index and from the bucket itself. `--smoke` takes a thousandth of all.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarking._measure import QUIET
from benchmarking._report import host
from dataflux_core.emulator import Emulator, Latency, Synthetic

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP_ROWS = 1_000_000
WORKERS = 8
BATCH = 256
_LOOK_S = 0.5


def main() -> int:
    """Measure each case, print its line."""
    options = read_options()
    scale = 1000 if options.smoke else 1
    with tempfile.TemporaryDirectory() as directory:
        cases: dict[str, Callable[[], dict[str, Any]]] = {
            "open": lambda: opened(Path(directory), 10**9 // scale),
            "resume": lambda: resumed(Path(directory), 10**8 // scale),
            "memory": lambda: memory(Path(directory), 10**7 // scale),
            "first": lambda: first_batches(Path(directory), 10**6 // scale),
        }
        for name in options.cases or cases:
            line = {
                "question": "what does a large index cost?",
                "command": " ".join(["python -m", "benchmarking.stream_index", *sys.argv[1:]]),
                "case": name,
                **cases[name](),
                "host": host(),
            }
            print(json.dumps(line), flush=True)
    return 0


def opened(directory: Path, rows: int) -> dict[str, Any]:
    """Open a huge index, take its first sample."""
    path = write_index(directory / "open.parquet", rows)
    return {"rows": rows, **in_a_process(_open, path)}


def _open(path: str) -> dict[str, Any]:
    from dataflux_core.streaming import StreamingDataset  # noqa: PLC0415 - its import is no part of what is measured

    began_s = time.perf_counter()
    dataset = StreamingDataset(path, columns_to_load=[])
    opened_s = time.perf_counter() - began_s
    at_open_mb = resident_mb(os.getpid())
    first = next(iter(dataset))
    return {
        "open_s": opened_s,
        "resident_mb": at_open_mb,
        "first_sample_s": time.perf_counter() - began_s,
        "exact": first["label"] == 0 and dataset[len(dataset) - 1]["label"] == label_of(len(dataset) - 1),
    }


def resumed(directory: Path, rows: int) -> dict[str, Any]:
    """Go on at nine tenths of an epoch."""
    path = write_index(directory / "resume.parquet", rows)
    return {"rows": rows, **in_a_process(_resume, path)}


def _resume(path: str) -> dict[str, Any]:
    from dataflux_core.streaming import StreamingDataset  # noqa: PLC0415 - as above

    def made() -> Any:  # noqa: ANN401 - imported where it is used
        return StreamingDataset(path, columns_to_load=[], seed=7, shuffle=True, block_samples=100_000)

    dataset = made()
    next(iter(dataset))
    state = dataset.state_dict()
    state["lanes"][0][3] = len(dataset) * 9 // 10  # rows handed out: it is a tenth of an hour's work to come there
    other = made()
    began_s = time.perf_counter()
    other.load_state_dict(state)
    loaded_s = time.perf_counter() - began_s
    next(iter(other))
    return {"load_s": loaded_s, "first_sample_s": time.perf_counter() - began_s}


def memory(directory: Path, rows: int) -> dict[str, Any]:
    """Look at the workers' memory from the front of an epoch to its end."""
    path = write_index(directory / "memory.parquet", rows)
    return {"rows": rows, "workers": WORKERS, **in_a_process(_iterate, path)}


def _iterate(path: str) -> dict[str, Any]:
    from torch.utils.data import DataLoader  # noqa: PLC0415 - as above

    from dataflux_core.streaming import StreamingDataset  # noqa: PLC0415 - as above

    dataset = StreamingDataset(path, columns_to_load=[], shuffle=True)
    loader: Any = DataLoader(dataset, batch_size=4096, num_workers=WORKERS, multiprocessing_context="fork")
    seen: list[tuple[float, float]] = []  # part of the epoch, MB of all workers
    count = 0
    began_s = looked_s = time.perf_counter()
    for batch in loader:
        count += len(batch["label"])
        if time.perf_counter() - looked_s > _LOOK_S:
            looked_s = time.perf_counter()
            children = [child.pid for child in multiprocessing.active_children() if child.pid]
            seen.append((count / len(dataset), sum(unique_mb(pid) for pid in children)))
    took_s = time.perf_counter() - began_s
    tenth = [mb for part, mb in seen if 0.1 <= part < 0.3]  # noqa: PLR2004 - once all workers are at work
    last = [mb for part, mb in seen if part >= 0.8]  # noqa: PLR2004 - near the end
    return {
        "samples": count,
        "seconds": took_s,
        "own_mb_early": max(tenth, default=0.0),
        "own_mb_late": max(last, default=0.0),
    }


def first_batches(directory: Path, objects: int) -> dict[str, Any]:
    """Wait for a first batch, from an index and from the bucket itself."""
    bucket = Synthetic("imagenet", objects, 10_000)
    with Emulator(buckets={"benchmark": bucket}, latency=Latency.gcs()) as gcs:
        environ = {**gcs.environ, **QUIET}
        told = in_a_process(_first, str(directory / "index.parquet"), environ)
    return {"objects": objects, **told}


def _first(path: str) -> dict[str, Any]:
    from dataflux_core.cli import main as dataflux  # noqa: PLC0415 - as above
    from dataflux_core.streaming import StreamingDataset  # noqa: PLC0415 - as above

    told: dict[str, Any] = {}
    arguments, sys.argv = sys.argv, ["dataflux", "index", "-q", "gs://benchmark/", "-o", path]
    began_s = time.perf_counter()
    try:
        dataflux()
    except SystemExit as end:
        told["index_code"] = end.code
    told["index_s"] = time.perf_counter() - began_s
    sys.argv = arguments
    for name, source in ("from_index", path), ("from_bucket", "gs://benchmark/"):
        began_s = time.perf_counter()
        dataset = StreamingDataset(source, shuffle=True, data_type="bytes")
        batch = next(dataset.batches(BATCH))
        told[f"{name}_s"] = time.perf_counter() - began_s
        told[f"{name}_batch"] = len(batch["id"])
    return told


def in_a_process(work: Callable[[str], dict[str, Any]], path: str, environ: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
    """Run `work` in a fresh process; return what it gives."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, work, path, environ or {}))
    process.start()
    theirs.close()
    told = ours.recv()
    process.join()
    return told


def _answer(answers: Any, work: Callable[[str], dict[str, Any]], path: str, environ: dict[str, str]) -> None:  # noqa: ANN401 - a connection
    os.environ.update(environ)
    answers.send(work(path))


def write_index(path: Path, rows: int) -> str:
    """Write rows whose labels tell which they are, in little room."""
    group_rows = min(GROUP_ROWS, rows)
    urls = pa.array([f"images/{number:06}.jpg" for number in range(1000)]).take(pa.array(np.arange(group_rows) % 1000))
    table = pa.table({"url": urls, "label": label_of(np.arange(group_rows))})
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(rows // group_rows):
            writer.write_table(table, row_group_size=group_rows)
    return str(path)


def label_of(row: Any) -> Any:  # noqa: ANN401 - a number or an array of them
    """Return the label of a row, or of rows."""
    return row % GROUP_ROWS % 7


def resident_mb(pid: int) -> float:
    """Return what a process has in memory, what it shares included."""
    return _of_status(f"/proc/{pid}/status", "VmRSS:")


def unique_mb(pid: int) -> float:
    """Return what a process holds for itself: an index that all have mapped is counted nowhere."""
    try:
        return _of_status(f"/proc/{pid}/status", "RssAnon:")
    except OSError:
        return 0.0


def _of_status(path: str, name: str) -> float:
    return int(Path(path).read_text(encoding="utf-8").partition(name)[2].split()[0]) / 1024


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", choices=["open", "resume", "memory", "first"], help="all by default")
    parser.add_argument("--smoke", action="store_true", help="small, to see that it runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
