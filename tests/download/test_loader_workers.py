"""Datasets give the same bytes in loader workers of every kind, with a client of their parent's or none.

The workers here are made as torch's DataLoader makes its own: daemonic, by each start method; `make test-torch` runs
the real one, `make test-ray` runs tasks and actors.
"""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pytest

from dataflux_core import download
from tests.conftest import point_at
from tests.download.buckets import parallel
from tests.download.datasets import MapStyle, Streamed
from tests.download.ways import WAYS, Way, lower_limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
Loaded: TypeAlias = list[tuple[int, bytes]]  # positions with their bytes
Work: TypeAlias = "Callable[[Any, int], Loaded]"

WORKERS = 2
SIZES = [1000 + number for number in range(120)]
EPOCHS = 2
# Forking while threads run is what loader workers do; Python 3.12 warns of it.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.usefixtures("environment"),
]


def load_batches(dataset: MapStyle, worker: int) -> Loaded:
    """Load every other batch, then one object alone."""
    loaded: Loaded = []
    for start in range(worker * 10, len(dataset), WORKERS * 10):
        indices = range(start, start + 10)
        loaded += zip(indices, dataset.__getitems__(indices), strict=True)
    return [*loaded, (worker, dataset[worker])]


def load_stream(dataset: Streamed, worker: int) -> Loaded:
    positions = range(worker, len(dataset.objects), WORKERS)
    return list(zip(positions, dataset.share(worker, WORKERS), strict=True))


def load_in_processes(dataset: Streamed, worker: int) -> Loaded:
    """Ask for more processes, which a daemonic one may not have."""
    positions = range(worker, len(dataset.objects), WORKERS)
    return list(zip(positions, parallel(dataset.client, dataset.bucket, dataset.objects[worker::WORKERS]), strict=True))


def serve(pipe: Connection, work: Work, dataset: Any, worker: int) -> None:
    for _ in range(EPOCHS):
        pipe.send(work(dataset, worker))
    pipe.send(threading.active_count())


def in_workers(method: str, work: Work, dataset: Any, *, daemon: bool = True) -> list[list[Any]]:
    """Return what each worker sent."""
    context: Any = multiprocessing.get_context(method)
    started = []
    for worker in range(WORKERS):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=serve, args=(theirs, work, dataset, worker), daemon=daemon)
        process.start()
        theirs.close()
        started.append((process, ours))
    found = [[pipe.recv() for _ in range(EPOCHS + 1)] for _, pipe in started]
    for process, pipe in started:
        process.join()
        assert process.exitcode == 0
        process.close()
        pipe.close()
    return found


METHODS: list[tuple[str, Literal["parent", "none"]]] = [
    ("fork", "parent"),
    ("fork", "none"),
    ("spawn", "none"),  # a real client cannot be pickled
    ("forkserver", "none"),
]


@pytest.mark.parametrize(("method", "client"), METHODS, ids=lambda value: value)
@pytest.mark.parametrize(
    ("work", "kind"),
    [
        pytest.param(load_batches, MapStyle, id="map-style"),
        pytest.param(load_stream, Streamed, id="lazily"),
        pytest.param(load_in_processes, Streamed, id="in processes"),
    ],
)
def test_daemonic_workers_load_every_byte_in_each_epoch(
    work: Any, kind: Any, method: str, client: str, stocked: Stock
) -> None:
    bucket = stocked(SIZES)
    point_at(bucket.gcs)
    dataset = kind(bucket.name, bucket.pairs, bucket.client() if client == "parent" else None)
    before = work(dataset, 0)  # connections, a guardian, a thread that has come and gone: all there to be inherited
    found = in_workers(method, work, dataset)
    for *epochs, threads in found:
        assert threads == 1
        assert all(content == bucket.expected[at] for epoch in epochs for at, content in epoch)
    assert {at for *epochs, _ in found for epoch in epochs for at, _ in epoch} == set(range(len(SIZES)))
    assert work(dataset, 0) == before
    assert bucket.temporaries() == []


def test_workers_that_are_forked_while_their_parent_reads_lazily_disturb_nobody(stocked: Stock) -> None:
    bucket = stocked(SIZES)
    client = bucket.client()
    arriving = download.dataflux_download_lazy("p", bucket.name, bucket.pairs, client)
    mine = [next(arriving)]
    found = in_workers("fork", load_stream, Streamed(bucket.name, bucket.pairs, client))
    mine.extend(arriving)
    assert mine == bucket.expected
    assert all(content == bucket.expected[at] for *epochs, _ in found for epoch in epochs for at, content in epoch)
    assert bucket.temporaries() == []


def test_eight_threads_share_a_client_in_every_way(stocked: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    lower_limits(monkeypatch)
    bucket = stocked(SIZES)
    client = bucket.client()

    def read(way: Way) -> bool:
        return way.read(client, bucket.name, bucket.pairs) == bucket.expected

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, WAYS * 3))
    assert bucket.temporaries() == []
