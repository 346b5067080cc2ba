"""What a download holds is bounded, however slowly what has come is used: measured in fresh processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Synthetic
from tests.processes import start_script

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024**2
BOUND_BYTES = 32 * MIB
# Beside what is held: an answer whose pieces are joined, buffers of a thousand connections, what the allocator cannot
# give back between them. Of 32 MiB, 47 MiB were measured at most.
SLACK_BYTES = 24 * MIB

# The consumer waits, again and again, until what the bound allows has arrived.
PROGRAM = """
import json, os, sys, tempfile, urllib.request
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from dataflux_core import download
_, bucket, way, count, size, cap, bound = sys.argv
count, size, cap, bound = map(int, (count, size, cap, bound))
STEP = 4 * 1024**2
client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": os.environ["ENDPOINT"]})
objects = [(f"{number:012d}", size) for number in range(count)]
params = download.DataFluxDownloadOptimizationParams(cap)

def lazily(objects):
    return download.dataflux_download_lazy(
        "p", bucket, objects, client, params, strategy="compose", max_memory=bound
    )

def bytes_sent():
    with urllib.request.urlopen(os.environ["ENDPOINT"] + "/_emulator/requests") as response:
        return json.load(response)["bytes_sent"]

def slowly():
    taken = 0
    for content in lazily(objects):
        taken += len(content)
        if taken // STEP > (taken - len(content)) // STEP:
            ahead = min(count * size, taken + bound // 2)
            while bytes_sent() < ahead:  # what is ahead of this consumer arrives while it waits
                pass
    return taken

def to_disk():
    options = download.DirectoryOptions(max_composite_bytes=cap, strategy="compose", max_memory=bound)
    with tempfile.TemporaryDirectory() as directory:
        return download.download_to_directory(
            bucket, objects, directory, storage_client=client, options=options
        ).written_bytes

def most_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024

list(lazily(objects[:2]))
base = most_bytes()
taken = {"lazily": slowly, "to disk": to_disk}[way]()
print(taken, most_bytes() - base)
"""


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.mark.parametrize(
    ("way", "count", "size_bytes", "cap_bytes"),
    [
        pytest.param("lazily", 160, MIB, 0, id="lazily, a mebibyte each, directly"),
        pytest.param("lazily", 160, MIB, 4 * MIB, id="lazily, a mebibyte each, four to a composite"),
        pytest.param("lazily", 4000, 40_000, 100_000_000, id="lazily, 40 kB each, 32 to a composite"),
        pytest.param("lazily", 4000, 40_000, 0, id="lazily, 40 kB each, directly"),
        pytest.param("to disk", 4000, 40_000, 100_000_000, id="to disk"),
    ],
)
def test_memory_stays_within_the_bound(way: str, count: int, size_bytes: int, cap_bytes: int, gcs: Emulator) -> None:
    gcs.create_bucket("b", Synthetic("sequential", count, object_bytes=size_bytes))
    gcs.reset_requests()
    given = ("b", way, *map(str, (count, size_bytes, cap_bytes, BOUND_BYTES)))
    with start_script(PROGRAM, {"ENDPOINT": gcs.endpoint}, *given) as program:
        out, err = program.communicate()
    assert (program.returncode, err) == (0, "")
    taken, grown = map(int, out.split())
    assert taken == count * size_bytes
    assert grown <= BOUND_BYTES + SLACK_BYTES
