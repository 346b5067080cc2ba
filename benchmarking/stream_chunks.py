"""What does a sample cost whose record shares a chunk with two thousand others?

nginx serves chunks of 8 MiB out of memory, records of 4 kB in each. Each case runs in a process of its own: the records
of the stream itself, which are the least that it can cost, then a dataset in order, in blocks, with less to read ahead,
through loader workers, by parts in a whole permutation. Every record's number is looked at; requests are nginx's count.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np

from benchmarking._nginx import Nginx
from benchmarking._report import host
from benchmarking.stream_flare import SHARED_MEMORY
from dataflux_core._wire.objects import crc32c_text
from dataflux_core.flare import Playlist, StreamSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

RECORD_BYTES = 4096
BATCH = 64


def main() -> int:
    """Measure every case, then print one line; 1 where a record was lost or came twice."""
    options = read_options()
    if options.case:
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores, as is meant
        print(json.dumps(CASES[options.case](json.load(sys.stdin))))
        return 0
    folder = tempfile.mkdtemp(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
    try:
        sums = write_chunks(Path(folder) / "www", options.chunks, options.chunk_bytes)
        with Nginx(Path(folder) / "www", Path(folder) / "nginx") as nginx:
            cases = {case: measured(case, options, sums, nginx) for case in CASES}
    finally:
        shutil.rmtree(folder)
    answer = {
        "question": "what does a sample of a chunk cost?",
        "command": " ".join(["python -m", "benchmarking.stream_chunks", *sys.argv[1:]]),
        "chunks": options.chunks,
        "chunk_bytes": options.chunk_bytes,
        "record_bytes": RECORD_BYTES,
        "cases": cases,
        "host": host(),
    }
    print(json.dumps(answer))
    return 0 if all(case["exact"] for case in cases.values()) else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=48)
    parser.add_argument("--chunk-bytes", type=int, default=8 * 1024**2)
    parser.add_argument("--parts", type=int, default=3000, help="records that are read by parts")
    parser.add_argument("--case", default="", help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.chunks, options.chunk_bytes, options.parts = 6, 64 * RECORD_BYTES, 50
    return options


def write_chunks(folder: Path, chunks: int, chunk_bytes: int) -> list[str]:
    """Write records whose first value is their number; return the checksum of each chunk."""
    folder.mkdir(parents=True)
    count, sums = chunk_bytes // RECORD_BYTES, []
    for number in range(chunks):
        records = np.full((count, RECORD_BYTES // 4), number, "<u4")
        records[:, 0] = np.arange(number * count, (number + 1) * count)
        (folder / str(number)).write_bytes(records.tobytes())
        sums.append(crc32c_text(google_crc32c.value(records.tobytes())))
    return sums


def measured(case: str, options: argparse.Namespace, sums: list[str], nginx: Nginx) -> dict[str, Any]:
    """Run a case in a process of its own."""
    urls = [f"{nginx.url}/{number}" for number in range(options.chunks)]
    task = {"urls": urls, "size": options.chunk_bytes, "crc32c": sums, "parts": options.parts}
    before = len(nginx.requests)
    command = [sys.executable, "-m", "benchmarking.stream_chunks", "--case", case]
    done = subprocess.run(command, input=json.dumps(task), stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return {**json.loads(done.stdout), "requests": len(nginx.requests) - before}


def playlist_of(task: dict[str, Any], *, with_sums: bool = True) -> Playlist:
    """Make a playlist of a task's URLs."""
    shape = [RECORD_BYTES // 4]
    headers: dict[str, Any] = {"encoding": "raw", "dtype": "uint32", "shape": shape}
    headers["sizes"] = [task["size"]] * len(task["urls"])
    if with_sums:
        headers["crc32c"] = task["crc32c"]
    return Playlist([StreamSpec.of("x", task["urls"], headers)])


def by_the_stream(task: dict[str, Any]) -> dict[str, Any]:
    """Take the records of the stream, no dataset between."""
    playlist = playlist_of(task)
    return counted((record for record in playlist["x"].records()), task)


def by_a_dataset(task: dict[str, Any], *, shuffle: bool = False, prefetch_bytes: str | None = None) -> dict[str, Any]:
    """Take the samples of a dataset in this process."""
    from dataflux_core.streaming import StreamingDataset  # noqa: PLC0415 - its import is no part of what is measured

    dataset = StreamingDataset(playlist_of(task), shuffle=shuffle, prefetch_bytes=prefetch_bytes)
    return counted((sample["x"] for sample in dataset), task)


def by_workers(task: dict[str, Any], workers: int) -> dict[str, Any]:
    """Take batches of a loader's workers."""
    from torch.utils.data import DataLoader  # noqa: PLC0415 - as above

    from dataflux_core.streaming import StreamingDataset  # noqa: PLC0415 - as above

    dataset = StreamingDataset(playlist_of(task), shuffle=True)
    loader: Any = DataLoader(dataset, BATCH, num_workers=workers)
    return counted((record for batch in loader for record in batch["x"]), task)


def by_parts(task: dict[str, Any]) -> dict[str, Any]:
    """Take some records of a whole permutation, each by a request of its own."""
    from dataflux_core.streaming import StreamingDataset  # noqa: PLC0415 - as above

    dataset = StreamingDataset(playlist_of(task, with_sums=False), shuffle=True, block_samples=0)
    return counted((sample["x"] for sample in islice(iter(dataset), task["parts"])), task, wanted=task["parts"])


def counted(records: Iterable[Any], task: dict[str, Any], *, wanted: int | None = None) -> dict[str, Any]:
    """Take records; say how many came in a second, at what cost, whether each came once."""
    every = len(task["urls"]) * task["size"] // RECORD_BYTES
    began_s, began_cpu_s = time.perf_counter(), cpu_s()
    numbers = [int(record[0]) for record in records]
    took_s, used_s = time.perf_counter() - began_s, cpu_s() - began_cpu_s
    is_exact = len(set(numbers)) == len(numbers) == (wanted or every) and set(numbers) <= set(range(every))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "samples": len(numbers),
        "per_s": round(len(numbers) / took_s),
        "cpu_us_per_sample": round(used_s / len(numbers) * 1e6, 1),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "exact": is_exact,
    }


def cpu_s() -> float:
    """Return the seconds of CPU that this process and its ended children have used."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


CASES = {
    "the stream's records": by_the_stream,
    "a dataset, in order": by_a_dataset,
    "shuffled in blocks": lambda task: by_a_dataset(task, shuffle=True),
    "shuffled, 32 MiB ahead": lambda task: by_a_dataset(task, shuffle=True, prefetch_bytes="32MiB"),
    "shuffled, 2 workers": lambda task: by_workers(task, 2),
    "shuffled, 4 workers": lambda task: by_workers(task, 4),
    "a whole permutation, by parts": by_parts,
}

if __name__ == "__main__":
    sys.exit(main())
