"""Ask every question in full; keep each answer beside its command."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
GCS_LIST = ("--list-ms", "60", "--object-us", "50")
SLOW_GCS = ("--read-ms", "120", "--compose-ms", "850", "--delete-ms", "120")
# Sequential clients wait for a minute or two at the latency of Cloud Storage, so there one run has to do.
QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("emulator_cost", ()),
    ("list_bucket", ()),
    ("list_bucket", (*GCS_LIST, "--repetitions", "1", "--upstream-workers", "8,16,32,64")),
    ("list_bucket", ("--count", "10013", "--repetitions", "9", "--upstream-workers", "2,8")),
    ("list_bucket", ("--count", "10013", "--repetitions", "9", "--upstream-workers", "2,8", *GCS_LIST)),
    ("list_bucket", ("--count", "10", "--repetitions", "9", "--upstream-workers", "2", *GCS_LIST)),
    ("list_eighteen_million", ()),
    ("listing_profile", ()),
    ("reading_profile", ()),
    ("download_objects", ()),
    ("download_objects", (*SLOW_GCS, "--peers", "ours,upstream,obstore,aiohttp")),
    ("download_objects", ("--tls", "--google-processes", "0")),
    (
        "download_objects",
        ("--count", "200", "--repetitions", "9", "--upstream-processes", "0", "--google-processes", "0"),
    ),
    ("download_to_disk", ()),
    ("download_large", ()),
    ("download_large", ("--to", "files")),
    ("download_large", ("--tls",)),
    ("download_large", ("--count", "1", "--object-bytes", "1073741824", "--part-bytes", "16777216")),
    ("order_quality", ()),
    ("cache_cost", ()),
    ("stream_index", ()),
    ("stream_samples", ()),
    ("stream_samples", ("--object-bytes", "100000", "--count", "10240")),
    ("stream_samples", ("--kind", "jpeg", "--count", "4096")),
    ("stream_samples", ("--count", "1000000", "--object-bytes", "1000", "--batches", "1")),
    ("stream_flare", ()),
    ("stream_chunks", ()),
)


def main() -> int:
    """Append the answers to results/BENCHMARK.jsonl; 1 where a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the answers")
    results: Path = parser.parse_args().results
    results.mkdir(parents=True, exist_ok=True)
    failed = 0
    for benchmark, arguments in QUESTIONS:
        print("python -m", f"benchmarking.{benchmark}", *arguments, flush=True)
        command = [sys.executable, "-m", f"benchmarking.{benchmark}", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        failed += done.returncode != 0
        with (results / f"{benchmark}.jsonl").open("a") as answers:
            answers.write(done.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
