"""A fetcher never uses another process's connections, leaves no thread, no open file behind."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._plan.remote import RemoteObjects
from dataflux_core._run import connections
from dataflux_core._run.fetching.stats import FetchStats
from dataflux_core.emulator import Emulator, Memory
from tests.download.buckets import client_of
from tests.fetching.fetchers import fetched, fetcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENTS = {f"{number}": b"%d" % number * 50 for number in range(60)}


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with Emulator(buckets={"first": Memory(CONTENTS), "second": Memory(CONTENTS)}) as running:
        yield running


def mixed(gcs: Emulator, folder: Path) -> tuple[RemoteObjects, list[bytes]]:
    (folder / "x").write_bytes(b"x")
    places = ["gs://first/", "gs://second/", f"{gcs.endpoint}/first/"]
    urls = [f"{place}{name}" for name in CONTENTS for place in places]
    return RemoteObjects([*urls, f"{folder}/x"]), [*[part for part in CONTENTS.values() for _ in places], b"x"]


def in_a_fork(check: Callable[[], bool]) -> int:
    """Return the exit status of a forked child: 0 where `check` holds there."""
    child = os.fork()
    if not child:
        signal.alarm(30)
        status = 1
        try:
            status = 0 if check() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_child_starts_afresh(gcs: Emulator, tmp_path: Path) -> None:
    objects, expected = mixed(gcs, tmp_path)
    with fetcher(client_of(gcs)) as reader:
        assert fetched(reader, objects) == expected
        arriving = reader.read(objects)
        next(arriving)  # under way while forking

        def check() -> bool:
            nonlocal arriving
            del arriving
            gc.collect()
            return fetched(reader, objects) == expected and reader.stats.objects == len(expected)

        assert in_a_fork(check) == 0
        rest = [part for _, part in arriving]
        assert len(rest) == len(expected) - 1
        assert fetched(reader, objects) == expected


def test_a_fork_while_other_threads_read_is_not_kept_waiting(gcs: Emulator, tmp_path: Path) -> None:
    objects, expected = mixed(gcs, tmp_path)
    is_over = threading.Event()
    with fetcher(client_of(gcs)) as reader:

        def read() -> None:
            while not is_over.is_set():
                fetched(reader, objects)

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        statuses = [in_a_fork(lambda: fetched(reader, objects) == expected) for _ in range(5)]
        is_over.set()
        for thread in threads:
            thread.join()
    assert statuses == [0] * 5


def test_a_fork_drops_its_copy_of_a_read_whatever_its_parents_threads_held(gcs: Emulator, tmp_path: Path) -> None:
    objects, expected = mixed(gcs, tmp_path)
    with fetcher(client_of(gcs)) as reader:
        arriving = [reader.read(objects) for _ in range(2)] + [reader.read(RemoteObjects(["gs://first/1"] * 9))]
        for one_of_them in arriving:
            next(one_of_them)
        process = reader._process

        def check() -> bool:
            arriving.clear()
            gc.collect()
            return fetched(reader, objects) == expected

        with process.lock, process.tools.quota._lock, process.tally._lock:
            assert in_a_fork(check) == 0
        for one_of_them in arriving:
            one_of_them.close()


def test_s3_is_read_in_the_forks_of_a_process_that_has_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    from tests.fetching.hostile import Hostile, gives  # noqa: PLC0415 - of this test alone

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    with Hostile({"/bucket/x": gives(b"x")}) as server, fetcher() as reader:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        objects = RemoteObjects(["s3://bucket/x"])
        assert fetched(reader, objects) == [b"x"]
        assert in_a_fork(lambda: fetched(reader, objects) == [b"x"]) == 0


def possessions() -> tuple[int, int]:
    gc.collect()
    with connections._lock:
        while connections._idle:
            connections._idle.pop().close()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def test_nothing_is_left_behind(gcs: Emulator, tmp_path: Path) -> None:
    objects, expected = mixed(gcs, tmp_path)
    bad = RemoteObjects(["gs://no-such-bucket/x", *objects.urls])

    def one_round() -> None:
        with fetcher(client_of(gcs)) as reader:
            assert fetched(reader, objects) == expected
            arriving = reader.read(objects)
            for _ in range(5):
                next(arriving)
            arriving.close()
            with pytest.raises(Exception, match="no-such-bucket"):
                fetched(reader, bad)

    one_round()
    before = possessions()
    for _ in range(5):
        one_round()
    assert all(now <= then for now, then in zip(possessions(), before, strict=True))  # an earlier test's may have ended
    assert connections._granted == 0


def test_counts_add_up_across_processes() -> None:
    counts: Any = pickle.loads(pickle.dumps(FetchStats(1, 2, 3, 4, 5)))
    assert counts + FetchStats(1, 1, 1, 1, 1) == FetchStats(2, 3, 4, 5, 6)
    assert FetchStats() == FetchStats(0, 0, 0, 0, 0)
