"""What does it take to list 17,944,239 objects, as many as a training set of images may have?"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarking._measure import BUCKET, Client, Result, run_client
from benchmarking._report import host
from dataflux_core.emulator import Emulator, Synthetic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OBJECTS = 17_944_239
SMOKE_OBJECTS = 60_000
FORMS = ("columns", "parquet")
HASHED_NAMES = 10_000


def main() -> int:
    """List in each form, then print one line; 1 where a listing was not exactly what there is."""
    options = read_options()
    synthetic = Synthetic("imagenet", options.count)
    expected = expected_of(synthetic)
    forms = {}
    with Emulator(buckets={BUCKET: synthetic}) as gcs:
        # The server makes tables of what it is asked for first; that is nobody's time.
        run_client(Client("", "ours", "list_large", "columns", options.parallelism), gcs.endpoint, timeout_s=600)
        for form in options.forms.split(","):
            client = Client(form, "ours", "list_large", form, options.parallelism)
            runs = []
            for _ in range(options.repetitions):
                gcs.reset_requests()
                answer = run_client(client, gcs.endpoint, timeout_s=600)
                runs.append(answer | {"server_cpu_s": round(gcs.requests().cpu_s, 3)})
            forms[form] = summary(runs, expected)
    line = {
        "question": "what a listing of eighteen million objects takes",
        "command": " ".join(["python -m benchmarking.list_eighteen_million", *sys.argv[1:]]),
        "objects": expected.count,
        "forms": forms,
        "host": host(),
    }
    print(json.dumps(line))
    return 0 if all(form["exact"] for form in forms.values()) else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=OBJECTS, help="objects in the bucket")
    parser.add_argument("--forms", default=",".join(FORMS), help="columns in memory, a Parquet file as pages arrive")
    parser.add_argument("--repetitions", type=int, default=3, help="the quickest is told in full")
    parser.add_argument("--parallelism", type=int, default=32, help="ranges listed at once")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.count, options.repetitions = SMOKE_OBJECTS, 1
    return options


def summary(runs: Sequence[dict[str, Any]], expected: Result) -> dict[str, Any]:
    """Tell of the quickest run in full, of the others their seconds."""
    best = min(runs, key=lambda run: run["seconds"])
    exact = all(Result(run.pop("count"), run.pop("bytes"), run.pop("digest")) == expected for run in runs)
    cpu_us = sum(best["cpu_s"].values()) / expected.count * 1e6
    return {
        "all_seconds": [run["seconds"] for run in runs],
        **best,
        "cpu_us_per_object": round(cpu_us, 3),
        "exact": exact,
    }


def expected_of(synthetic: Synthetic) -> Result:
    """Compute what a listing must hold, from the names as the shape makes them."""
    digest = hashlib.sha256()
    count = 0
    last = b""
    for names in chunks(synthetic):
        if any(before >= after for before, after in pairwise([last, *names])):
            raise ValueError("the shape does not make its names in order; hash them sorted")
        digest.update(b"\n" * (count > 0) + b"\n".join(names))
        count += len(names)
        last = names[-1]
    return Result(count, sum(synthetic.sizes()), digest.hexdigest())


def chunks(synthetic: Synthetic) -> Iterator[list[bytes]]:
    """Yield the names, some at a time: all of them would take gigabytes."""
    some: list[bytes] = []
    for name in synthetic.names():
        some.append(name.encode())
        if len(some) == HASHED_NAMES:
            yield some
            some = []
    if some:
        yield some


if __name__ == "__main__":
    sys.exit(main())
