"""How many samples a second does a training loop get from raw files in a bucket?

Ours stands beside what people use: torch's DataLoader over google-cloud-storage, over gcsfs, over obstore, each with
as many workers; litdata's StreamingRawDataset; mosaicml/streaming, which reads shards that were made of the files
before. All read from one emulator, at 60 ms a read, in an environment that has them all (`make
.venv-streaming/.installed`), and all but `litdata, in order` in a shuffled order.

    python -m benchmarking.stream_samples                          # 10 kB, batches of 256, no transform
    python -m benchmarking.stream_samples --object-bytes 100000
    python -m benchmarking.stream_samples --kind jpeg --count 10240           # decoded to 224x224 in the workers
    python -m benchmarking.stream_samples --count 1000000 --object-bytes 1000 --batches 1    # to the first batch

Each client runs once to be checked, sample by sample by their hashes; then the clients take turns. A run is an epoch,
or as many rounds of batches (one of each worker) as begin within `--most-s`. The clock starts before the dataset is
made, after the imports; the names are known to those that need them, litdata's index too.

How to read a line: `samples_per_s` is all samples by all seconds, of each run, with the start of the workers;
`later_per_s` leaves out the first batch of each worker with the seconds until then, which flatters who had read ahead
by then unless many rounds follow. `cpu_us_per_sample` is that of the
loop with its workers, `server_cpu_us_per_sample` the emulator's, which works on the same cores. `peak_mb` sums over
processes, so what forked workers share counts several times. `exact` says that every hash was expected; an epoch
holds each sample once, with `exactly_once`. `ours_by` tells how many times as many samples a second ours gave.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from benchmarking._measure import ROOT, ClientFailed
from benchmarking._report import host
from benchmarking._stream_run import Command, run_command
from dataflux_core.emulator import Directory, Emulator, Latency, Synthetic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


PYTHON = ROOT / ".venv-streaming" / "bin" / "python"
PEERS = ("ours", "blob", "gcsfs", "obstore", "litdata", "mosaic")
FILES, SHARDS, INDEX = "files", "shards", "index"  # buckets
SMOKE_SAMPLES, SMOKE_BATCH = 96, 16
DIGEST_BYTES = 32
PREPARE_S = 900.0
GRACE_S = 120.0  # beyond --most-s, before a client is ended


@dataclass(frozen=True, slots=True)
class Way:
    """A client with what it is told."""

    label: str
    peer: str
    variant: str = ""


WAYS = (
    Way("ours", "ours", "loader"),
    Way("ours, by itself", "ours", "by itself"),
    Way("blob", "blob"),
    Way("blob, a batch on 32 threads", "blob", "threads"),
    Way("gcsfs", "gcsfs"),
    Way("gcsfs, a batch at once", "gcsfs", "batch"),
    Way("obstore, a batch at once", "obstore"),
    Way("litdata", "litdata", "shuffled"),
    Way("litdata, in order", "litdata", "in order"),
    Way("mosaic, from shards", "mosaic"),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What clients read, with what must come of it."""

    folder: Path
    total_bytes: int
    heads: int
    digests: Counter[bytes]


@dataclass(slots=True)
class Runs:
    """What one client did with so many workers."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    checked: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def main() -> int:
    """Measure, then print one line; 1 where ours failed or was not exact."""
    options = read_options()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        prepared = prepare(options, Path(folder))
        with Emulator(buckets=buckets_of(options, prepared), latency=latency_of(options)) as gcs:
            runs = Contest(options, prepared, gcs).run()
    named = ("kind", "object_bytes", "read_ms", "batch_size", "batches", "most_s")
    line = {
        "question": "samples a second in a training loop",
        "command": " ".join(["python -m benchmarking.stream_samples", *sys.argv[1:]]),
        **{name: getattr(options, name) for name in named},
        "samples": options.count,
        "bytes": prepared.total_bytes,
        "clients": {label: summary(took) for label, took in runs.items()},
        "ours_by": ours_by(runs),
        "host": host(),
    }
    print(json.dumps(line))
    ours = [took for label, took in runs.items() if label.startswith("ours")]
    return 0 if all(not took.error and took.checked["exact"] for took in ours) else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("bytes", "jpeg"), default="bytes", help="jpeg is decoded, bytes are not")
    parser.add_argument("--count", type=int, default=20_480)
    parser.add_argument("--object-bytes", type=int, default=10_000, help="of a file that is no picture")
    parser.add_argument("--shape", default="imagenet", help="shape of the names, as the emulator calls it")
    parser.add_argument("--read-ms", type=float, default=60.0, help="latency of a read")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--batches", type=int, default=0, help="stop after so many; 0 takes the epoch")
    parser.add_argument("--workers", default="4", help="of the loader, several numbers with commas")
    parser.add_argument("--most-s", type=float, default=20.0, help="no client begins a round of batches after that")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="whose clients run")
    parser.add_argument("--python", type=Path, default=PYTHON, help="the interpreter that has them all")
    parser.add_argument("--folder", type=Path, default=None, help="where files go; a temporary one by default")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.batch_size, options.repetitions = SMOKE_SAMPLES, SMOKE_BATCH, 1
        options.read_ms, options.workers = 1.0, "2"
    if not options.python.exists():
        raise SystemExit(f"there is no {options.python}; run `make .venv-streaming/.installed`, or name a --python")
    return options


def prepare(options: argparse.Namespace, folder: Path) -> Prepared:
    """Write the files by the interpreter of the clients, whose decoder says what pictures become."""
    task = {
        "folder": str(folder),
        "bucket": FILES,
        "kind": options.kind,
        "count": options.count,
        "object_bytes": options.object_bytes,
        "shape": options.shape,
        "with_shards": "mosaic" in options.peers.split(","),
        "is_decoding": options.kind == "jpeg",
    }
    answer = run_command(Command(options.python, "stream_prepare", PREPARE_S), task, "")
    digests = Counter(digests_of(folder / "digests"))
    return Prepared(folder, answer["bytes"], answer["heads"], digests)


def digests_of(path: Path) -> Iterator[bytes]:
    """Read hashes from a file."""
    content = path.read_bytes()
    return (content[at : at + DIGEST_BYTES] for at in range(0, len(content), DIGEST_BYTES))


def buckets_of(options: argparse.Namespace, prepared: Prepared) -> dict[str, Synthetic | Directory]:
    """Name what the server has."""
    made_up = Synthetic(options.shape, options.count, options.object_bytes)
    files: Synthetic | Directory = made_up if options.kind == "bytes" else Directory(prepared.folder / "files")
    buckets: dict[str, Synthetic | Directory] = {FILES: files, INDEX: Directory(prepared.folder / "index")}
    if (prepared.folder / "shards").exists():
        buckets[SHARDS] = Directory(prepared.folder / "shards")
    return buckets


def latency_of(options: argparse.Namespace) -> Latency:
    """Take what Cloud Storage takes, but for the read that is asked for."""
    latency = Latency() if options.smoke else Latency.gcs()
    return replace(latency, read_s=options.read_ms / 1e3)


@dataclass(frozen=True, slots=True)
class Contest:
    """The same epoch for every client."""

    options: argparse.Namespace
    prepared: Prepared
    gcs: Emulator

    def run(self) -> dict[str, Runs]:
        """Check each client, then let them take turns, so that a noisy minute strikes them all."""
        peers = self.options.peers.split(",")
        workers = [int(count) for count in self.options.workers.split(",")]
        ways = [(way, count) for count in workers for way in WAYS if way.peer in peers]
        # By itself ours has no workers of torch's, whatever their number.
        ways = [(way, count) for way, count in ways if way.variant != "by itself" or count == workers[0]]
        runs = {label_of(way, count): Runs() for way, count in ways}
        turns = [(way, count, turn) for turn in range(self.options.repetitions + 1) for way, count in ways]
        with tqdm(turns, unit=" runs", disable=None) as bar:
            for way, count, turn in bar:
                label = label_of(way, count)
                bar.set_description(label)
                if not runs[label].error:
                    self._turn(way, count, runs[label], is_checking=turn == 0)
        return runs

    def _turn(self, way: Way, workers: int, runs: Runs, *, is_checking: bool) -> None:
        limit_s = self.options.most_s + GRACE_S + self.options.count / 10_000
        command = Command(self.options.python, f"stream_{way.peer}", limit_s)
        self.gcs.reset_requests()
        try:
            with tempfile.TemporaryDirectory(dir=self.prepared.folder) as folder:
                task = self._task(way, workers, folder, is_checking=is_checking)
                answer = run_command(command, task, self.gcs.endpoint)
                if is_checking:
                    runs.checked = checked(answer, Path(folder) / "digests", self.prepared)
                    return
        except ClientFailed as failure:
            runs.error = str(failure)
            return
        requests = self.gcs.requests()
        if answer["is_whole"] and (answer["bytes"], answer["heads"]) != (
            self.prepared.total_bytes,
            self.prepared.heads,
        ):
            runs.checked = {**runs.checked, "exactly_once": False}
        runs.answers.append({**answer, "server_cpu_s": requests.cpu_s, "calls": dict(requests.counts)})

    def _task(self, way: Way, workers: int, folder: str, *, is_checking: bool) -> dict[str, Any]:
        return {
            "endpoint": self.gcs.endpoint,
            "bucket": FILES,
            "names": str(self.prepared.folder / "names"),
            "index": f"gs://{INDEX}/index.parquet",
            "shards": SHARDS,
            "folder": folder,
            "variant": way.variant,
            "workers": workers,
            "batch_size": self.options.batch_size,
            "most_s": self.options.most_s,
            "batches": self.options.batches,
            "is_decoding": self.options.kind == "jpeg",
            "is_checking": is_checking,
        }


def label_of(way: Way, workers: int) -> str:
    """Name a client with its workers."""
    return way.label if way.variant == "by itself" else f"{way.label}, {workers} workers"


def checked(answer: Mapping[str, Any], path: Path, prepared: Prepared) -> dict[str, Any]:
    """Compare the hashes of all samples that came with those that must."""
    came = Counter(digests_of(path))
    strange = came - prepared.digests
    repeated = sum(strange[digest] for digest in strange if digest in prepared.digests)
    told: dict[str, Any] = {
        "exact": sum(strange.values()) == repeated,
        "samples_checked": answer["samples"],
        "versions": answer["versions"],
    }
    if answer["is_whole"]:
        told["exactly_once"] = came == prepared.digests
        told["repeated"], told["missing"] = repeated, sum((prepared.digests - came).values())
        told["digest"] = answer["digest"]
    return told


def summary(runs: Runs) -> dict[str, Any]:
    """Sum up the runs of one client."""
    if runs.error:
        return {"error": runs.error}
    answers = runs.answers
    return {
        "samples_per_s": [round(rate_of(answer), 1) for answer in answers],
        "median_per_s": round(median_rate(runs), 1),
        "later_per_s": middle(answers, later_rate),
        "first_batch_s": middle(answers, lambda answer: answer["first_batch_s"], digits=3),
        "cpu_us_per_sample": middle(answers, lambda answer: answer["cpu_s"] / answer["samples"] * 1e6),
        "server_cpu_us_per_sample": middle(answers, lambda answer: answer["server_cpu_s"] / answer["samples"] * 1e6),
        "peak_mb": max(answer["peak_mb"] for answer in answers),
        "samples": [answer["samples"] for answer in answers],
        "calls": answers[-1]["calls"],
        **runs.checked,
    }


def middle(answers: Sequence[Mapping[str, Any]], of: Callable[[Mapping[str, Any]], float], digits: int = 1) -> float:
    """Give the median of something over runs."""
    return round(statistics.median(of(answer) for answer in answers), digits)


def rate_of(answer: Mapping[str, Any]) -> float:
    """Give samples a second over a whole run."""
    return float(answer["samples"] / answer["seconds"])


def later_rate(answer: Mapping[str, Any]) -> float:
    """Give samples a second after the first round of batches; 0 where that was all."""
    samples, seconds = answer["samples"] - answer["round_samples"], answer["seconds"] - answer["round_s"]
    return float(samples / seconds) if answer["round_samples"] and samples else 0.0


def median_rate(runs: Runs) -> float:
    """Give the middle one of the rates."""
    return statistics.median(rate_of(answer) for answer in runs.answers)


def ours_by(runs: Mapping[str, Runs]) -> dict[str, dict[str, float]]:
    """Tell how many times as many samples a second each of ours gave, beside each other client of as many workers."""
    rates = {label: median_rate(took) for label, took in runs.items() if not took.error}
    return {
        ours: {
            other: round(rates[ours] / rate, 2)
            for other, rate in rates.items()
            if not other.startswith("ours") and workers_of(ours) in ("", workers_of(other))
        }
        for ours in rates
        if ours.startswith("ours")
    }


def workers_of(label: str) -> str:
    """Read the workers from a label; "" of one without any."""
    return label.rpartition(", ")[2] if label.endswith("workers") else ""


if __name__ == "__main__":
    sys.exit(main())
