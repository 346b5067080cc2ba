"""A download gives the same bytes from wherever it is called, with whatever client it shares."""

from __future__ import annotations

import concurrent.futures
import gc
import logging
import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from google.cloud import storage
from google.oauth2.credentials import Credentials

from dataflux_core import download, errors
from dataflux_core._plan.columns import columns_of
from dataflux_core._run.access import access_of
from dataflux_core._run.reading.options import ReadOptions
from dataflux_core._run.reading.reader import read_objects
from dataflux_core._run.reading.reader_processes import read_in_processes
from dataflux_core.emulator import Fault, Latency
from tests.download.buckets import COMPOSED, DIRECT, Stocked, client_of, eager, lazy, parallel
from tests.download.guardians import command_line
from tests.processes import children_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
Process: TypeAlias = "multiprocessing.context.ForkProcess | multiprocessing.context.SpawnProcess"
# Forking while threads run is what loader workers do; Python 3.12 warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def answer_in_child(pipe: Connection, client: Any, bucket: str, objects: Any) -> None:
    """Download both ways, twice, and send what came."""
    found = [eager(client, bucket, objects, params) for params in (COMPOSED, DIRECT, COMPOSED, DIRECT)]
    found.append(lazy(client, bucket, objects))
    found.append(parallel(client, bucket, objects))
    pipe.send(found)


def spawn_answer(pipe: Connection, endpoint: str, bucket: str, objects: Any) -> None:
    from types import SimpleNamespace  # noqa: PLC0415 - a client cannot be pickled: each process makes its own

    answer_in_child(pipe, client_of(SimpleNamespace(endpoint=endpoint)), bucket, objects)  # type: ignore[arg-type]


def results_of(processes: list[tuple[Any, Connection]]) -> list[Any]:
    for process, _ in processes:
        process.start()
    found = [pipe.recv() for _, pipe in processes]
    for process, pipe in processes:
        process.join()
        assert process.exitcode == 0
        process.close()
        pipe.close()
    return found


@pytest.mark.parametrize("daemon", [True, False], ids=["daemonic", "ordinary"])
def test_forked_processes_share_a_client_that_was_used_before(daemon: bool, stocked: Stock) -> None:
    bucket = stocked([1000 + number for number in range(200)])
    client = bucket.client()
    assert eager(client, bucket.name, bucket.pairs) == bucket.expected
    context = multiprocessing.get_context("fork")
    processes = []
    for _ in range(4):
        ours, theirs = context.Pipe(duplex=False)
        arguments = (theirs, client, bucket.name, bucket.pairs)
        processes.append((context.Process(target=answer_in_child, args=arguments, daemon=daemon), ours))
    mine = [eager(client, bucket.name, bucket.pairs, DIRECT)]
    for found in [*results_of(processes), mine]:
        assert all(contents == bucket.expected for contents in found)
    assert eager(client, bucket.name, bucket.pairs) == bucket.expected
    assert bucket.temporaries() == []


def test_spawned_processes_download_too(stocked: Stock) -> None:
    bucket = stocked([1000 + number for number in range(200)])
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    arguments = (theirs, bucket.gcs.endpoint, bucket.name, bucket.pairs)
    (found,) = results_of([(context.Process(target=spawn_answer, args=arguments, daemon=True), ours)])
    assert all(contents == bucket.expected for contents in found)


def test_threads_share_a_client(stocked: Stock) -> None:
    bucket = stocked([1000 + number for number in range(200)])
    client = bucket.client()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(driver, client, bucket.name, bucket.pairs, params)
            for driver in (eager, lazy)
            for params in (COMPOSED, DIRECT)
            for _ in range(4)
        ]
        assert all(call.result() == bucket.expected for call in calls)
    assert bucket.temporaries() == []


def test_a_fork_in_the_middle_of_a_lazy_download_disturbs_nothing(stocked: Stock) -> None:
    bucket = stocked([1000] * 640)
    bucket.gcs.configure(latency=Latency(read_s=0.01, compose_s=0.02))
    arriving = download.dataflux_download_lazy("p", bucket.name, bucket.pairs, bucket.client())
    found = [next(arriving)]
    child = os.fork()
    if not child:
        status = 1
        with suppress(RuntimeError):  # it goes on in its own process alone
            found.extend(arriving)
            status = 2
        arriving.close()  # the child drops its copy
        del arriving
        gc.collect()
        os._exit(status)
    found.extend(arriving)
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == 1
    assert found == bucket.expected
    assert bucket.temporaries() == []


@pytest.mark.parametrize("cap", [0, 100_000], ids=["direct", "composed"])
def test_a_fork_in_the_middle_of_the_reader_disturbs_nothing(cap: int, stocked: Stock) -> None:
    bucket = stocked([1000] * 640)
    bucket.gcs.configure(latency=Latency(read_s=0.02, compose_s=0.02))
    objects = columns_of(bucket.pairs)
    arriving = read_objects(access_of(bucket.client()), bucket.name, objects, ReadOptions(cap, max_requests=20))
    found = dict([next(arriving)])
    child = os.fork()
    if not child:
        arriving.close()
        os._exit(0)
    assert os.waitpid(child, 0) == (child, 0)
    found.update(arriving)
    assert [found[position] for position in range(640)] == bucket.expected
    assert bucket.temporaries() == []


@pytest.mark.usefixtures("many_processes")
@pytest.mark.parametrize("victims", [1, 2])
@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
def test_processes_that_are_killed_have_their_groups_read_all_the_same(
    victims: int, params: Any, stocked: Stock, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = stocked([1000] * 1500)
    bucket.gcs.configure(faults=[Fault("read", "503")], latency=Latency(compose_s=0.1))  # none is done before it is hit

    def kill() -> None:
        try:
            assert wait_until(lambda: bucket.gcs.requests()["read"] > 20 and len(reader_processes()) >= victims)
            for pid in reader_processes()[:victims]:
                os.kill(pid, signal.SIGKILL)
        finally:
            bucket.gcs.configure(faults=())

    killer = threading.Thread(target=kill)
    killer.start()
    with caplog.at_level(logging.WARNING):
        assert parallel(bucket.client(), bucket.name, bucket.pairs, params) == bucket.expected
    killer.join()
    assert [record.getMessage().split()[0] for record in caplog.records] == ["read.process_lost"] * victims
    bucket.gcs.configure(latency=Latency())
    assert wait_until(lambda: bucket.temporaries() == [])
    assert reader_processes() == []


@pytest.mark.usefixtures("many_processes")
def test_a_process_that_is_stopped_for_good_has_its_groups_read_all_the_same(stocked: Stock) -> None:
    bucket = stocked([1000] * 700)
    bucket.gcs.configure(faults=[Fault("read", "503")])  # none is done before it is hit
    access = access_of(bucket.client())
    impatient = replace(access, endpoint=replace(access.endpoint, connect_timeout_s=1, stall_timeout_s=1))
    options = ReadOptions(0, max_processes=2, max_requests=100)

    def stop() -> None:
        try:
            assert wait_until(lambda: bucket.gcs.requests()["read"] > 20)
            os.kill(reader_processes()[0], signal.SIGSTOP)
        finally:
            bucket.gcs.configure(faults=())

    stopper = threading.Thread(target=stop)
    stopper.start()
    arriving = read_in_processes(impatient, bucket.name, columns_of(bucket.pairs), options, download.DownloadStats())
    found = dict(arriving)
    stopper.join()
    assert [found[position] for position in range(700)] == bucket.expected
    assert reader_processes() == []


def reader_processes() -> list[int]:
    return [pid for pid in children_of(os.getpid()) if "reader_process" in command_line(pid)]


class Renewed(Credentials):
    """Credentials whose token is stale until it is refreshed."""

    def __init__(self, token: str) -> None:
        super().__init__("stale", expiry=None)  # type: ignore[no-untyped-call]
        self.next_token = token
        self.refreshes = 0

    def refresh(self, request: object) -> None:  # noqa: ARG002 - nobody is asked
        self.refreshes += 1
        self.token = self.next_token
        self.expiry = (datetime.now(timezone.utc) + timedelta(hours=1)).replace(tzinfo=None)


@pytest.mark.usefixtures("many_processes")
@pytest.mark.parametrize("driver", [eager, lazy, parallel], ids=lambda driver: driver.__name__)
@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
def test_a_token_that_has_expired_is_renewed_by_the_process_that_holds_the_credentials(
    driver: Any, params: Any, stocked: Stock
) -> None:
    bucket = stocked([1000] * 300)
    bucket.gcs.configure(token="fresh")  # noqa: S106 - the emulator's
    credentials = Renewed("fresh")
    client = storage.Client("p", credentials, client_options={"api_endpoint": bucket.gcs.endpoint})
    assert driver(client, bucket.name, bucket.pairs, params) == bucket.expected
    assert 1 <= credentials.refreshes <= 2
    bucket.gcs.configure(token=None)
    assert bucket.temporaries() == []


@pytest.mark.usefixtures("many_processes")
def test_processes_try_again_as_the_caller_says(stocked: Stock, quick_retry: Any) -> None:
    bucket = stocked([1000] * 300)
    bucket.gcs.configure(faults=[Fault("read", "503", times=20), Fault("read", "truncate", times=20)])
    stats = download.DownloadStats()
    got = parallel(bucket.client(), bucket.name, bucket.pairs, DIRECT, retry_config=quick_retry, stats=stats)
    assert got == bucket.expected
    assert stats.retries >= 40


@pytest.mark.usefixtures("many_processes")
def test_a_process_that_reports_a_broken_connection_is_not_taken_for_dead(
    stocked: Stock, quick_retry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = stocked([1000] * 300)
    bucket.gcs.configure(faults=[Fault("read", "reset")])
    with pytest.raises(errors.ConnectionBroken, match="data/"), caplog.at_level(logging.WARNING):
        parallel(bucket.client(), bucket.name, bucket.pairs, DIRECT, retry_config=quick_retry.with_timeout(0.2))
    assert caplog.records == []
