"""The readers of one process share what it may have open."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

import pytest

from dataflux_core._run.connections import grant
from dataflux_core.emulator import Latency
from tests.processes import start_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"

MANY_READERS = """
import os, resource, sys
from concurrent.futures import ThreadPoolExecutor
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from dataflux_core import download
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
client = storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": os.environ["ENDPOINT"]})
objects = [(f"data/{number:05d}", 100) for number in range(600)]
direct = download.DataFluxDownloadOptimizationParams(0)

def read(_):
    return len(list(download.dataflux_download_lazy("p", sys.argv[1], objects, client, direct)))

with ThreadPoolExecutor(6) as pool:
    print(*pool.map(read, range(6)))
links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
print(sum(os.readlink(link).startswith("socket:") for link in links if os.path.islink(link)))
"""


@pytest.fixture
def limit_of_400() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("limit_of_400")
def test_a_new_reader_gets_what_the_others_leave_of_a_quarter_of_the_open_files() -> None:
    with ExitStack() as readers:
        assert [readers.enter_context(grant(60)) for _ in range(4)] == [60, 40, 8, 8]
    with grant(512) as alone:
        assert alone == 100


@pytest.mark.usefixtures("limit_of_400")
def test_nobody_gets_more_than_asked_for() -> None:
    with grant(3) as granted:
        assert granted == 3


def test_readers_at_the_same_time_stay_within_the_limit_on_open_files(stocked: Stock) -> None:
    bucket = stocked([100] * 600)
    bucket.gcs.configure(latency=Latency(read_s=0.1))  # so that each reader has all the requests it may in flight
    with start_script(MANY_READERS, {"ENDPOINT": bucket.gcs.endpoint}, bucket.name) as program:
        out, err = program.communicate()
    assert err == ""
    counts, idle = out.splitlines()
    assert counts == "600 600 600 600 600 600"
    assert int(idle) <= 64 + 20  # connections kept for the next call, some of the interpreter's own
