"""A signal at any moment ends a download as it would end any other program, with no temporary left.

Moments are counted in requests that the service has seen; `make faults` tries ten times as many.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

from dataflux_core import download
from dataflux_core.emulator import Emulator, Latency, Memory
from tests.download.buckets import Stocked
from tests.download.guardians import MARK, others, settled_guardians
from tests.processes import line_of, start_script, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from _pytest.mark.structures import ParameterSet

Stock: TypeAlias = "Callable[[list[int]], Stocked]"

# Downloads one bucket again and again. The name of an object says what its bytes are.
PROGRAM = """
import os, pathlib, signal, sys, tempfile, threading
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from dataflux_core import download
from dataflux_core._data import directory_fetch
from dataflux_core._run.reading import ranged, reader_processes
reader_processes._MIN_REQUESTS, reader_processes.spare_cores = 1, lambda: 1
ranged.PIECE_BYTES = 30
_, bucket, way, host = sys.argv
heard = []
if host == "notes":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: heard.append(number))
if host == "exits":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: sys.exit(7))
def handlers():
    return [signal.getsignal(number) for number in signal.valid_signals()]
before = handlers()
client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": os.environ["ENDPOINT"]})
objects = [(f"{number:05d}", 100) for number in range(320)]
by_four, direct = (download.DataFluxDownloadOptimizationParams(cap) for cap in (400, 0))
compose = {"strategy": "compose"}
def to_disk(large_bytes):
    directory_fetch.LARGE_BYTES = large_bytes
    options = download.DirectoryOptions(max_composite_bytes=400, **compose)
    with tempfile.TemporaryDirectory() as directory:
        download.download_to_directory(bucket, objects[:40], directory, storage_client=client, options=options)
        return [pathlib.Path(directory, name).read_bytes() for name, _ in objects[:40]] + expected[40:]
calls = {
    "composed": lambda: download.dataflux_download("p", bucket, objects, client, by_four, **compose),
    "direct": lambda: download.dataflux_download("p", bucket, objects, client, direct),
    "lazy": lambda: list(download.dataflux_download_lazy("p", bucket, objects, client, by_four, **compose)),
    "processes": lambda: download.dataflux_download_parallel("p", bucket, objects, client, by_four, 4, **compose),
    "to disk": lambda: to_disk(1000),
    "to disk in ranges": lambda: to_disk(90),
}
expected = [name.encode() * 20 for name, _ in objects]
print("ready", flush=True)
try:
    while not heard:
        assert calls[way]() == expected
finally:
    assert handlers() == before
for thread in threading.enumerate():  # that have told of their end, and may still be on the way to it
    if thread is not threading.main_thread():
        thread.join(5)
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
print("done", flush=True)
"""
WAYS = ("composed", "direct", "lazy", "processes", "to disk", "to disk in ranges")
CONTENTS = {f"{number:05d}": f"{number:05d}".encode() * 20 for number in range(320)}
LAST_REQUEST = 500  # three downloads or so


class End(NamedTuple):
    """How a signal ends a program that has this handler of its own, whatever it is doing."""

    sent: signal.Signals
    host: str
    returncode: int
    last_words: str = ""  # on stderr


ENDS = [
    End(signal.SIGINT, "default", -signal.SIGINT, "KeyboardInterrupt"),
    End(signal.SIGINT, "exits", 7),
    End(signal.SIGINT, "notes", 0),
    End(signal.SIGTERM, "default", -signal.SIGTERM),
    End(signal.SIGTERM, "exits", 7),
    End(signal.SIGTERM, "notes", 0),
    End(signal.SIGKILL, "default", -signal.SIGKILL),
]


def moments(count: int) -> list[ParameterSet]:
    """Draw `count` moments for each end, always the same ones; the ways take turns."""
    drawn = random.Random(2026)
    return [
        pytest.param(
            end,
            WAYS[(at + turn) % len(WAYS)],
            moment := drawn.randint(1, LAST_REQUEST),
            id=f"{end.sent.name} at request {moment}, {WAYS[(at + turn) % len(WAYS)]}, host's handler: {end.host}",
        )
        for at, end in enumerate(ENDS)
        for turn in range(count)
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    """A service of our own: nobody else's requests are counted."""
    with Emulator() as gcs:
        yield gcs


@pytest.fixture
def bucket(gcs: Emulator, request: pytest.FixtureRequest) -> Stocked:
    name = f"signals-{abs(hash(request.node.name))}"
    gcs.create_bucket(name, Memory(CONTENTS))
    gcs.configure(latency=Latency(read_s=0.01, compose_s=0.01, delete_s=0.01, jitter=1.0))
    return Stocked(gcs, name, CONTENTS)


def assert_ends_well(end: End, way: str, moment: int, bucket: Stocked) -> None:
    with started(bucket, way, end.host) as program:
        assert wait_until(lambda: bucket.gcs.requests().total >= moment or program.poll() is not None)
        program.send_signal(end.sent)
        out, err = program.communicate()
    assert program.returncode == end.returncode, err
    assert err.rstrip().splitlines()[-1:] == ([end.last_words] if end.last_words else [])
    assert out == ("done\n" if end.host == "notes" else "")
    bucket.gcs.configure(latency=Latency())
    assert wait_until(lambda: others(bucket.name) == [])  # helpers go, too
    assert wait_until(lambda: bucket.temporaries() == [])


@contextmanager
def started(bucket: Stocked, way: str, host: str) -> Iterator[subprocess.Popen[str]]:
    environ = {"ENDPOINT": bucket.gcs.endpoint, MARK: bucket.name}
    with start_script(PROGRAM, environ, bucket.name, way, host) as program:
        try:
            assert line_of(program) == "ready\n", program.communicate()
            yield program
        finally:
            program.kill()  # it would go on for ever


@pytest.mark.parametrize(("end", "way", "moment"), moments(1))
def test_some_moments(end: End, way: str, moment: int, bucket: Stocked) -> None:
    assert_ends_well(end, way, moment, bucket)


@pytest.mark.matrix
@pytest.mark.parametrize(("end", "way", "moment"), moments(20))
def test_many_moments(end: End, way: str, moment: int, bucket: Stocked) -> None:
    assert_ends_well(end, way, moment, bucket)


@pytest.mark.parametrize("way", ["composed", "lazy", "to disk"])
def test_a_second_ctrl_c_while_the_first_is_seen_to_leaves_nothing_either(way: str, bucket: Stocked) -> None:
    bucket.gcs.configure(latency=Latency(read_s=0.05, compose_s=0.5, delete_s=0.5))
    with started(bucket, way, "default") as program:
        assert wait_until(lambda: bucket.gcs.requests()["compose"] >= 5)
        for _ in range(2):
            seen = bucket.gcs.requests().total
            program.send_signal(signal.SIGINT)
            assert wait_until(lambda seen=seen: bucket.gcs.requests().total > seen or program.poll() is not None)  # type: ignore[misc]
        _, err = program.communicate()
    assert program.returncode == -signal.SIGINT, err
    bucket.gcs.configure(latency=Latency())
    assert wait_until(lambda: bucket.temporaries() == [])


def test_a_program_that_is_killed_with_its_guardian_leaves_what_cleaning_removes(bucket: Stocked) -> None:
    bucket.gcs.configure(latency=Latency(read_s=60.0))
    with started(bucket, "composed", "default") as program:
        assert wait_until(lambda: bucket.gcs.requests()["read"] >= 40)
        assert wait_until(lambda: settled_guardians(bucket.name) != [])  # those that start it start no other
        for pid in settled_guardians(bucket.name):
            os.kill(pid, signal.SIGKILL)
        program.kill()
        program.communicate()
    bucket.gcs.configure(latency=Latency())
    left = bucket.temporaries()
    assert len(left) >= 40
    removed = download.clean_composed_objects(bucket.name, older_than=timedelta(0), storage_client=bucket.client())
    assert sorted(removed) == sorted(left)
    assert bucket.temporaries() == []
