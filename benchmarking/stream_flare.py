"""How near does streaming a playlist come to `curl --parallel` on the same URLs, and how many small reads are there?

nginx serves chunks of 8 MB out of memory. Clients take turns, each in a fresh process: curl with several numbers of
transfers at once, of which the best counts, and ours, with the sizes of the playlist compared, then with a crc32c too.
curl drops what comes: what keeping it costs is seen where curl writes it to files in memory, and of obstore, which like
ours gives each chunk to Python. Beside that: random reads of 4 kB, the time to the first record, the peak of memory for
few and for many chunks.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import google_crc32c

from benchmarking._far_away import far_away
from benchmarking._nginx import Nginx
from benchmarking._report import host
from dataflux_core._wire.objects import crc32c_text
from dataflux_core.flare import Playlist, StreamOptions, StreamSpec

CONTENTS = 8  # different ones: 64 MB, more than the caches of a core hold; links to them are the other chunks
RANDOM_BYTES = 4096
OBSTORE_PARALLEL = KEPT_PARALLEL = 8
SMOKE = {"chunks": 6, "chunk_bytes": 300_000, "reads": 50, "repetitions": 1, "far_chunks": 4, "curl_parallel": "4"}
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - folders of our own in it; a disk would be what is measured


def main() -> int:
    """Measure, then print one line; 1 where ours brought other bytes."""
    options = read_options()
    if options.client:
        # Half a second of imports has nothing to do with the network.
        import requests  # noqa: F401, PLC0415

        import dataflux_core._run.fetching.fetcher  # noqa: F401, PLC0415

        print(json.dumps(CLIENTS[options.client](json.load(sys.stdin))))
        return 0
    folder = tempfile.mkdtemp(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
    try:
        sums = write_chunks(Path(folder) / "www", options)
        with Nginx(Path(folder) / "www", Path(folder) / "nginx") as nginx:
            near = compare(options, nginx.port, options.chunks, sums)
            small = run("random", task_of(options, nginx.port, options.chunks // 2, sums))
            flat = [
                run("sequential", task_of(options, nginx.port, count, sums)) for count in (options.chunks // 4 or 1,)
            ]
            with far_away(nginx.port, options.round_trip_ms / 1e3) as port:
                far = compare(options, port, options.far_chunks, sums)
                firsts = first_of(options, port, sums, Path(folder) / "www")
    finally:
        shutil.rmtree(folder)
    answer = {
        "question": "streaming a playlist beside curl",
        "command": " ".join(["python -m", f"benchmarking.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
        **{name: getattr(options, name) for name in ("chunks", "chunk_bytes", "far_chunks", "round_trip_ms")},
        "near": near,
        "far": far,
        "random_reads_per_s": {"in_flight": 64, "bytes": RANDOM_BYTES, **small},
        "first_record_round_trips": firsts,
        "peak_mb": {"a quarter of the chunks": flat[0]["peak_mb"], "all chunks": near["clients"]["ours"]["peak_mb"]},
        "host": host(),
    }
    print(json.dumps(answer))
    return 0 if near["exact"] and far["exact"] and small["exact"] else 1


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=250)
    parser.add_argument("--chunk-bytes", type=int, default=8_000_000)
    parser.add_argument("--far-chunks", type=int, default=250, help="of the run with latency")
    parser.add_argument("--round-trip-ms", type=float, default=40.0)
    parser.add_argument("--reads", type=int, default=10_000, help="at random, of 4 kB")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--curl-parallel", default="4,8,16,50", help="transfers; 50 are curl's own choice")
    parser.add_argument("--client", default="", help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        vars(options).update(SMOKE)
    return options


def write_chunks(folder: Path, options: argparse.Namespace) -> list[str]:
    """Write lines of text; return the checksum of each chunk."""
    folder.mkdir(parents=True)
    drawn, sums = random.Random(1), []
    for number in range(min(CONTENTS, options.chunks)):
        content = bytearray(base64.b64encode(drawn.randbytes(options.chunk_bytes))[: options.chunk_bytes])
        content[999::1000] = b"\n" * len(content[999::1000])
        (folder / str(number)).write_bytes(content)
        sums.append(crc32c_text(google_crc32c.value(bytes(content))))
    for number in range(CONTENTS, options.chunks):
        os.link(folder / str(number % CONTENTS), folder / str(number))
    return [sums[number % CONTENTS] for number in range(options.chunks)]


def task_of(options: argparse.Namespace, port: int, chunks: int, sums: list[str]) -> dict[str, Any]:
    """Say what a client is to read."""
    urls = [f"http://127.0.0.1:{port}/{number}" for number in range(chunks)]
    return {"urls": urls, "size": options.chunk_bytes, "crc32c": sums[:chunks], "reads": options.reads}


def compare(options: argparse.Namespace, port: int, chunks: int, sums: list[str]) -> dict[str, Any]:
    """Let clients take turns on the same URLs; give megabytes a second of each, ours as a share of curl's best."""
    task = task_of(options, port, chunks, sums)
    parallel = [int(count) for count in options.curl_parallel.split(",")]
    took: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.repetitions):
        took.setdefault("ours", []).append(run("sequential", {**task, "crc32c": []}))
        took.setdefault("ours, crc32c compared", []).append(run("sequential", task))
        took.setdefault(f"obstore, {OBSTORE_PARALLEL} at once", []).append(run("obstore", task))
        for count in parallel:
            took.setdefault(f"curl, {count} at once", []).append(run_curl(task["urls"], count))
        took.setdefault(f"kept by curl, {KEPT_PARALLEL} at once", []).append(
            run_curl(task["urls"], KEPT_PARALLEL, keeps=True)
        )
    size = chunks * options.chunk_bytes
    rates = {label: size / statistics.median(one["seconds"] for one in runs) / 1e6 for label, runs in took.items()}
    best = max(rate for label, rate in rates.items() if label.startswith("curl"))
    clients = {
        label: {
            "mb_per_s": round(rates[label], 1),
            "share_of_curl": round(rates[label] / best, 3),
            "seconds": [round(one["seconds"], 3) for one in runs],
            "cpu_s": round(statistics.median(one["cpu_s"] for one in runs), 3),
            "peak_mb": max(one.get("peak_mb", 0) for one in runs),
        }
        for label, runs in took.items()
    }
    return {"clients": clients, "exact": all(one.get("bytes", size) == size for runs in took.values() for one in runs)}


def run(client: str, task: dict[str, Any]) -> dict[str, Any]:
    """Run one of our clients in a fresh process."""
    command = [sys.executable, "-m", "benchmarking.stream_flare", "--client", client]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=True, timeout=600)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def run_curl(urls: list[str], parallel: int, *, keeps: bool = False) -> dict[str, Any]:
    """Run curl on the URLs; what comes is dropped, or written to files in memory."""
    program = shutil.which("curl") or "curl"
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
        outputs = [f"{folder}/{number}" if keeps else "/dev/null" for number in range(len(urls))]
        config = "".join(f'url = "{url}"\noutput = {output}\n' for url, output in zip(urls, outputs, strict=True))
        command = [program, "-s", "-f", "-Z", "--parallel-max", str(parallel), "--no-progress-meter", "-K", "-"]
        began_s, began_cpu_s = time.perf_counter(), cpu_s(resource.RUSAGE_CHILDREN)
        subprocess.run(command, input=config, text=True, check=True, stdout=subprocess.DEVNULL, timeout=600)
        return {"seconds": time.perf_counter() - began_s, "cpu_s": cpu_s(resource.RUSAGE_CHILDREN) - began_cpu_s}


def first_of(options: argparse.Namespace, port: int, sums: list[str], folder: Path) -> dict[str, float]:
    """Return how many round trips the first record takes, the median of the repetitions."""
    task = task_of(options, port, options.far_chunks, sums)
    unsummed = {**task, "crc32c": []}
    (folder / "playlist.yaml").write_text(playlist_of(task).dump())
    task["playlist"] = f"http://127.0.0.1:{port}/playlist.yaml"
    counts = {}
    for label, client, read in (
        ("of a playlist at hand", "first", unsummed),
        ("of one with sums, so of a whole chunk", "first", task),
        ("of one with sums that is fetched first", "fetched", task),
    ):
        seconds = statistics.median(run(client, read)["seconds"] for _ in range(options.repetitions))
        counts[label] = round(seconds * 1e3 / options.round_trip_ms, 2)
    return counts


def playlist_of(task: dict[str, Any]) -> Playlist:
    """Make a playlist of a task's URLs."""
    headers: dict[str, Any] = {"encoding": "text", "sizes": [task["size"]] * len(task["urls"])}
    if task["crc32c"]:
        headers["crc32c"] = task["crc32c"]
    return Playlist([StreamSpec.of("x", task["urls"], headers)])


def read_in_order(task: dict[str, Any]) -> dict[str, Any]:
    """Read all chunks; nothing is done with them."""
    stream = playlist_of(task)["x"]
    began_s, began_cpu_s, size = time.perf_counter(), cpu_s(resource.RUSAGE_SELF), 0
    for chunk in stream:
        size += len(chunk)
    seconds, used_s = time.perf_counter() - began_s, cpu_s(resource.RUSAGE_SELF) - began_cpu_s
    return {"seconds": seconds, "cpu_s": used_s, "bytes": size, "peak_mb": peak_mb()}


def read_by_obstore(task: dict[str, Any]) -> dict[str, Any]:
    """Read all chunks with obstore, in any order; nothing is done with them."""
    import obstore  # noqa: PLC0415 - of the benchmarks' peers

    base, _, _ = task["urls"][0].rpartition("/")
    store = obstore.store.HTTPStore.from_url(base, client_options={"allow_http": True})

    def read(url: str) -> int:
        return len(store.get(url.rpartition("/")[2]).bytes())

    began_s, began_cpu_s = time.perf_counter(), cpu_s(resource.RUSAGE_SELF)
    with ThreadPoolExecutor(
        OBSTORE_PARALLEL
    ) as pool:  # its asynchronous calls now and then abort the interpreter's end
        sizes = list(pool.map(read, task["urls"]))
    seconds, used_s = time.perf_counter() - began_s, cpu_s(resource.RUSAGE_SELF) - began_cpu_s
    return {"seconds": seconds, "cpu_s": used_s, "bytes": sum(sizes), "peak_mb": peak_mb()}


def read_at_random(task: dict[str, Any]) -> dict[str, Any]:
    """Read 4 kB at random places, 64 under way."""
    drawn, last = random.Random(1), task["size"] - RANDOM_BYTES
    chunks = len(task["urls"])
    places = [(drawn.randrange(chunks), drawn.randrange(last)) for _ in range(task["reads"])]
    stream = playlist_of(task).stream("x", StreamOptions(max_requests=64))
    began_s = time.perf_counter()
    size = sum(len(part) for part in stream.read_many((at, start, start + RANDOM_BYTES) for at, start in places))
    seconds = time.perf_counter() - began_s
    return {
        "per_s": round(len(places) / seconds),
        "seconds": round(seconds, 3),
        "exact": size == RANDOM_BYTES * len(places),
        "peak_mb": peak_mb(),
    }


def read_first(task: dict[str, Any]) -> dict[str, Any]:
    """Take the first record; nothing has been connected to before."""
    stream = playlist_of(task)["x"]
    began_s = time.perf_counter()
    next(iter(stream.records()))
    return {"seconds": time.perf_counter() - began_s}


def read_fetched(task: dict[str, Any]) -> dict[str, Any]:
    """Fetch the playlist, then take the first record."""
    began_s = time.perf_counter()
    next(iter(Playlist.load(task["playlist"])["x"].records()))
    return {"seconds": time.perf_counter() - began_s}


def cpu_s(whose: int) -> float:
    """Return the seconds of CPU that a process, or its children, have used."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def peak_mb() -> int:
    """Return the most memory that this process has had."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


CLIENTS = {
    "sequential": read_in_order,
    "obstore": read_by_obstore,
    "random": read_at_random,
    "first": read_first,
    "fetched": read_fetched,
}

if __name__ == "__main__":
    sys.exit(main())
