"""Many processes on one cache: however they were started, whichever of them dies."""

from __future__ import annotations

import multiprocessing
import os
import random
import select
import signal
import tempfile
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._data.cache.files import ObjectFiles
from dataflux_core._data.cache.ledger import Ledger
from dataflux_core._data.cache.node import NodeCache
from dataflux_core._data.cache.options import CacheOptions
from dataflux_core._data.cache.place import FOLDER
from tests.cache.caching import (
    PATIENCE_S,
    Observer,
    cache_at,
    content_of,
    files_of,
    fill,
    held,
    remote,
    size_of,
    verdict_of,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Barrier

    from dataflux_core._data.cache.options import Retention

OBJECTS = 160
KILLS = 12
ALL_BYTES = sum(size_of(number) for number in range(OBJECTS))


def report(cache: NodeCache, seed: int, pipe: Connection) -> None:
    pipe.send((work(cache, OBJECTS, seed), cache.stats))
    cache.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_each_object_is_fetched_once_by_all_processes_together(tmp_path: Path, method: str) -> None:
    """The parent has the cache open, as a dataset that was looked at before its loader started."""
    context: Any = multiprocessing.get_context(method)
    with cache_at(tmp_path) as cache:
        fill(cache, range(1000, 1010))
        pipes = []
        processes = []
        for seed in range(4):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=report, args=(cache, seed, theirs))
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        answers = [pipe.recv() for pipe in pipes if pipe.poll(PATIENCE_S)]
        for process in processes:
            process.join(PATIENCE_S)
        assert held(cache, range(1000, 1010)) == list(range(1000, 1010)), "the parent goes on"
    assert len(answers) == 4
    assert sum(counts["fetched"] for counts, _ in answers) == OBJECTS
    assert sum(counts["hit"] for counts, _ in answers) == 3 * OBJECTS
    assert sum(stats.stored for _, stats in answers) == OBJECTS
    assert verdict_of(tmp_path).flaws == 0


def open_together(options: CacheOptions, gate: Barrier) -> None:
    gate.wait()
    with NodeCache(options) as cache:
        cache.claim(remote([1])).release()


def test_a_cache_may_be_made_by_eight_processes_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for number in range(5):
        gate = context.Barrier(8, timeout=PATIENCE_S)
        options = CacheOptions(tmp_path / str(number))
        processes = [context.Process(target=open_together, args=(options, gate)) for _ in range(8)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(PATIENCE_S)
        assert [process.exitcode for process in processes] == [0] * 8


def test_a_process_may_fork_while_its_threads_are_at_work(tmp_path: Path) -> None:
    """A child finds no lock held for ever, no connection that is its parent's."""
    with cache_at(tmp_path) as cache:
        threads = [threading.Thread(target=work, args=(cache, OBJECTS, seed, 3)) for seed in range(3)]
        for thread in threads:
            thread.start()
        codes = []
        for seed in range(5):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of the fork, from Python 3.12 on: the point here
                pid = os.fork()
            if not pid:
                code = 1
                with suppress(BaseException):
                    work(cache, 20, seed)
                    cache.close()
                    code = 0
                os._exit(code)
            codes.append(os.waitpid(pid, 0)[1])
        for thread in threads:
            thread.join(PATIENCE_S)
        assert codes == [0] * 5
        assert cache.stats.hits + cache.stats.misses == 9 * OBJECTS
    assert verdict_of(tmp_path).flaws == 0


def test_a_forked_child_leaves_its_parents_claims_alone(tmp_path: Path) -> None:
    with cache_at(tmp_path) as cache:
        claim = cache.claim(remote([1, 2]))
        claim.store(0, content_of(1))
        pid = os.fork()
        if not pid:
            code = 1
            with suppress(BaseException):
                assert claim.read(0) is None
                assert not claim.store(1, content_of(2))
                claim.release()
                assert held(cache, [3]) == []
                fill(cache, [3])
                cache.close()
                code = 0
            os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        assert claim.store(1, content_of(2))
        claim.release()
        assert held(cache, [1, 2, 3]) == [1, 2, 3]


def start(path: Path, limit: int, retention: Retention, seed: int, epochs: int) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(
        target=work_to_the_end, args=(CacheOptions(path, limit, retention), seed, epochs)
    )
    process.start()
    return process


def work_to_the_end(options: CacheOptions, seed: int, epochs: int) -> None:
    with NodeCache(options) as cache:
        work(cache, OBJECTS, seed, epochs)


@pytest.mark.parametrize("retention", ["keep", "lru"])
def test_the_limit_holds_over_five_epochs_of_eight_processes(tmp_path: Path, retention: Retention) -> None:
    limit = ALL_BYTES // 2
    observer = Observer(tmp_path)
    processes = [start(tmp_path, limit, retention, seed, epochs=5) for seed in range(8)]
    while any(process.is_alive() for process in processes):
        observer.look()
    assert [process.exitcode for process in processes] == [0] * 8
    observer.look()
    assert limit * 0.8 < observer.peak <= limit, f"of {observer.rounds} rounds"
    assert observer.rounds > 3  # or it has looked at nothing
    assert verdict_of(tmp_path).flaws == 0
    with cache_at(tmp_path, limit) as cache:
        work(cache, OBJECTS, 99)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.matrix) for seed in range(1, 10))])
def test_killed_processes_leave_a_cache_that_the_others_go_on_with(tmp_path: Path, seed: int) -> None:
    """Kill one of eight at a moment of luck, start another in its place, a dozen times."""
    luck = random.Random(seed)
    limit = ALL_BYTES // 2
    observer = Observer(tmp_path)
    processes = [start(tmp_path, limit, "lru", number, epochs=1000) for number in range(8)]
    try:
        while len(files_of(tmp_path)) < OBJECTS // 4:
            observer.look()
        for number in range(KILLS):
            for _ in range(luck.randrange(1, 12)):
                observer.look()
            victim = luck.randrange(len(processes))
            assert processes[victim].is_alive()
            kill(processes[victim])
            processes[victim] = start(tmp_path, limit, luck.choice(["lru", "keep"]), 100 + number, epochs=1000)
        assert all(process.is_alive() for process in processes), "nobody read wrong bytes, nobody was stuck"
    finally:
        for process in processes:
            kill(process)
    with cache_at(tmp_path, limit) as cache:  # it sees to what the dead have left
        cache.claim(remote([])).release()
        audit(tmp_path)
        assert len(list((tmp_path / FOLDER / "live").iterdir())) == 1
        work(cache, OBJECTS, seed)
    assert observer.peak <= limit
    assert verdict_of(tmp_path).flaws == 0, "an epoch has noticed each entry without a file"


def audit(path: Path) -> None:
    """Find nothing wrong but entries whose eviction was cut short, which are counted and never read."""
    verdict = verdict_of(path)
    assert verdict.flaws == len(verdict.missing)


def kill(process: BaseProcess) -> None:
    process.kill()
    process.join()


STEPS = [(Ledger, "_run"), (Ledger, "_many"), (Ledger, "_grow"), (ObjectFiles, "write"), (ObjectFiles, "remove")]


def die_at(step: int, *, after: bool) -> None:
    """End this process, as kill -9 does, before or after its so-manieth step on the ledger or a file."""
    left = step

    def dying(method: Any) -> Any:
        def run(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            last = not left
            if last and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = method(*arguments)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return run

    for kind, name in STEPS:
        setattr(kind, name, dying(getattr(kind, name)))


def evict_and_store(options: CacheOptions) -> None:
    with NodeCache(options) as cache, cache.claim(remote([1, 2, 3, 4])) as claim:
        for position in list(claim.ours):
            claim.store(position, content_of(position + 1))


def ended_by_kill(path: Path, step: int, *, after: bool) -> bool:
    """Store four objects where two are, with room for three; return whether the process got to that step."""
    options = CacheOptions(path, 3 * 4000, "lru")
    with NodeCache(options) as cache:
        fill(cache, [1, 9])
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            die_at(step, after=after)
            evict_and_store(options)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: hundreds of caches are opened, closed, each of which the disk notes."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of a name that nobody knows is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as directory:
        yield Path(directory)


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_a_process_may_die_at_any_step_of_a_claim(quick_path: Path, *, after: bool) -> None:
    step = 1
    while ended_by_kill(quick_path / str(step), step, after=after):
        path = quick_path / str(step)
        assert sum(files_of(path).values()) <= 3 * 4000
        with cache_at(path, 3 * 4000, "lru") as cache:
            cache.claim(remote([])).release()
            audit(path)
            with cache.claim(remote([1, 2, 3, 4])) as claim:
                assert {claim.read(position) for position in claim.held} <= {None, *map(content_of, [1, 2, 3, 4])}
            held_or_lost = cache.claim(remote([9]))
            assert held_or_lost.read(0) in {None, content_of(9)}
            held_or_lost.release()
            assert verdict_of(path).flaws == 0, f"step {step}"
            fill(cache, [1, 2, 3])
            assert held(cache, [1, 2, 3]) == [1, 2, 3]
        step += 1
    assert step > 40, "or there is nothing in it"


def test_a_dead_process_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    with cache_at(tmp_path) as cache:
        cache.claim(remote([])).release()
        ready, told = os.pipe()
        pid = os.fork()
        if not pid:
            with suppress(BaseException):
                claim = cache.claim(remote([1, 2]))
                claim.store(0, content_of(1))
                claim.flush()
                os.write(told, b"!")
                signal.pause()
            os._exit(1)
        assert select.select([ready], [], [], PATIENCE_S)[0]
        with cache.claim(remote([1, 2])) as claim:
            assert (list(claim.held), list(claim.theirs)) == ([0], [1])
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            assert claim.wait(1, PATIENCE_S) is None
            assert list(claim.ours) == [1]
            assert claim.store(1, content_of(2))
        assert held(cache, [1, 2]) == [1, 2]
        os.close(ready)
        os.close(told)


def test_a_stopped_process_keeps_what_it_reserved(tmp_path: Path) -> None:
    """It is alive, however long it does nothing: time alone takes nothing from anybody."""
    with cache_at(tmp_path, 2 * 4000, "lru") as cache, cache_at(tmp_path, 2 * 4000, "lru") as other:
        with other.claim(remote([1])) as reserved:
            with cache.claim(remote([1, 2, 3])) as claim:
                assert (list(claim.theirs), list(claim.ours), list(claim.past)) == ([0], [1], [2])
                assert claim.wait(0, 0.01) is None
            assert reserved.store(0, content_of(1))
        assert held(cache, [1]) == [1]
