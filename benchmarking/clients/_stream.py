"""Feed one loader to a loop that trains nothing.

What it needs beyond the standard library is imported by who calls it: the clients share an environment that is not
this project's.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict
from zlib import crc32

from benchmarking.clients._timing import cpu_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

SIDE = 224  # pixels of a decoded picture
HEAD_BYTES = 64


class StreamTask(TypedDict):
    """What a client reads from its standard input."""

    endpoint: str
    bucket: str  # the raw files
    names: str  # path of a file with a line "size name" for each of them
    index: str  # URL of the same as Parquet, for who reads one
    shards: str  # bucket of the same as MDS shards; "" where there are none
    folder: str  # what this run keeps on disk; empty at its start
    variant: str  # how the client does it, where it knows several ways
    workers: int  # processes of the loader; 0: none but its own
    batch_size: int
    most_s: float  # no new round of batches after that
    batches: int  # stop after so many; 0: the whole epoch
    is_decoding: bool
    is_checking: bool  # hash every sample; such a run is not measured


def read_task() -> StreamTask:
    """Read the task that the benchmark wrote."""
    task: StreamTask = json.load(sys.stdin)
    return task


def read_names(task: StreamTask) -> list[tuple[str, int]]:
    """Read which files there are, as (name, size in bytes)."""
    lines = Path(task["names"]).read_text().splitlines()
    pairs = (line.split(" ", 1) for line in lines)
    return [(name, int(size)) for size, name in pairs]


def transform_of(task: StreamTask) -> Callable[[bytes], Any]:
    """Return what every client does with the bytes of a file."""
    return decode if task["is_decoding"] else bytes


def decode(content: bytes) -> Any:  # noqa: ANN401 - a numpy array, which is not imported here
    """Decode a picture to (224, 224, 3) bytes of numpy."""
    import numpy as np  # noqa: PLC0415 - see above
    from PIL import Image  # noqa: PLC0415

    with Image.open(io.BytesIO(content)) as image:
        return np.array(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def tell_epoch(task: StreamTask, batches: Callable[[], Iterable[Any]], distributions: Sequence[str]) -> None:
    """Take an epoch, or as much of it as time allows; answer with what came.

    The clock starts before the dataset is made. `batches` gives sequences of bytes or arrays of pictures.
    """
    tally = Tally(is_checking=task["is_checking"])
    began_s, began_cpu_s = time.perf_counter(), cpu_s()
    first_s = round_s = 0.0
    round_samples = 0
    iterator = iter(batches())
    is_whole = True
    for number, batch in enumerate(iterator, 1):
        tally.add(batch)
        seconds = time.perf_counter() - began_s
        first_s = first_s or seconds
        if number == max(1, task["workers"]):
            round_s, round_samples = seconds, tally.samples
        # Workers hand their batches over nearly together, so a count between two rounds would say little.
        if number == task["batches"] or (seconds >= task["most_s"] and number % max(1, task["workers"]) == 0):
            is_whole = False
            break
    seconds = time.perf_counter() - began_s
    if hasattr(iterator, "close"):
        iterator.close()
    del iterator, batch  # which ends torch's workers; their CPU is counted once they are waited for
    answer = {
        "seconds": seconds,
        "first_batch_s": first_s,
        "round_s": round_s,
        "round_samples": round_samples,
        "cpu_s": cpu_s() - began_cpu_s,
        "is_whole": is_whole,
        "versions": versions_of(distributions),
        **tally.answer(),
    }
    if task["is_checking"]:
        (Path(task["folder"]) / "digests").write_bytes(b"".join(tally.digests))
    print(json.dumps(answer))


class Tally:
    """Count samples; a check hashes each, else a sum over their beginnings has to do."""

    def __init__(self, *, is_checking: bool) -> None:
        self._is_checking = is_checking
        self.samples = self._bytes = self._heads = 0
        self.digests: list[bytes] = []

    def add(self, batch: Any) -> None:  # noqa: ANN401 - a list, a tensor or an array
        """Count one batch."""
        samples = batch.numpy() if hasattr(batch, "numpy") else batch
        self.samples += len(samples)
        for sample in samples:
            self._bytes += sample.nbytes if hasattr(sample, "nbytes") else len(sample)
            self._heads += crc32(head_of(sample))
            if self._is_checking:
                self.digests.append(digest_of(sample))

    def answer(self) -> Mapping[str, Any]:
        """Say what came."""
        digest = hashlib.sha256(b"".join(sorted(self.digests))).hexdigest() if self._is_checking else ""
        return {"samples": self.samples, "bytes": self._bytes, "heads": self._heads, "digest": digest}


def head_of(sample: Any) -> bytes:  # noqa: ANN401 - bytes or an array
    """Return what tells a sample from most others: its first bytes, or the middle row of a picture."""
    return bytes(sample[SIDE // 2]) if hasattr(sample, "tobytes") else bytes(sample[:HEAD_BYTES])


def digest_of(sample: Any) -> bytes:  # noqa: ANN401 - as above
    """Hash a sample."""
    return hashlib.sha256(sample.tobytes() if hasattr(sample, "tobytes") else sample).digest()


def versions_of(distributions: Sequence[str]) -> dict[str, str]:
    """Name the versions of what ran."""
    return {name: version(name) for name in distributions}
