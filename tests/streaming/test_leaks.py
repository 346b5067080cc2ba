"""Nothing is left behind: threads, open files, processes, memory with a name; whoever ends a loop, however."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from dataflux_core._run import connections
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import BadSample
from dataflux_core.streaming import StreamingDataset
from tests.conftest import point_at
from tests.processes import children_of, is_alive, line_of, wait_until
from tests.streaming.loaders import loaded
from tests.streaming.streams import MANY_WORKERS, filed, numbered, numbers, taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = MANY_WORKERS


class Held(NamedTuple):
    """What this process holds."""

    files: int  # open ones
    threads: frozenset[str]  # names of ours
    children: frozenset[int]
    memory: frozenset[str]  # names of what is shared

    def is_within(self, before: Held) -> bool:
        """Tell whether nothing is held that was not before; what earlier tests had left may go meanwhile."""
        return self.files <= before.files and self.is_within_but_files(before)

    def is_within_but_files(self, before: Held) -> bool:
        return self.threads <= before.threads and self.children <= before.children and self.memory <= before.memory


def held() -> Held:
    gc.collect()
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as few files as can be are open while they are counted
    threads = {thread.name for thread in threading.enumerate() if thread.name.startswith("dataflux-stream")}
    children, memory = children_of(os.getpid()), named_memory(os.getpid())
    return Held(files, frozenset(threads), frozenset(children), frozenset(memory))


def named_memory(*pids: int) -> list[str]:
    """Return the names of shared memory that are ours or of these processes; others run on this machine."""
    marks = ["dataflux", *map(str, pids)]
    return sorted(path.name for path in Path("/dev/shm").iterdir() if any(mark in path.name for mark in marks))  # noqa: S108 - looked at


class Stop(Exception):
    pass


def breaking(dataset: StreamingDataset) -> None:
    for _ in dataset:
        break


def raising(dataset: StreamingDataset) -> None:
    for _ in dataset:
        raise Stop


def closing(dataset: StreamingDataset) -> None:
    iterator: Any = iter(dataset)
    next(iterator)
    iterator.close()


def breaking_batches(dataset: StreamingDataset) -> None:
    next(dataset.batches(3))


def breaking_a_loader(dataset: StreamingDataset) -> None:
    for _ in loaded(dataset, 4, num_workers=2):
        break


def raising_in_a_loader(dataset: StreamingDataset) -> None:
    for _ in loaded(dataset, 4, num_workers=2):
        raise Stop


def ending(dataset: StreamingDataset) -> None:
    numbers(dataset)


def asking_for_rows(dataset: StreamingDataset) -> None:
    dataset[[5, 2]]


def drop_idle_connections() -> None:
    """Close what is kept for later reads: how many connections a loop that is left early has opened is luck."""
    with connections._lock:
        while connections._idle:
            connections._idle.pop().close()


WAYS = [breaking, raising, closing, breaking_batches, breaking_a_loader, raising_in_a_loader, ending, asking_for_rows]


@pytest.mark.parametrize("way", WAYS)
def test_a_loop_leaves_nothing_behind(way: Callable[[StreamingDataset], None], tmp_path: Path) -> None:
    def once() -> None:
        dataset = filed(tmp_path / "f", 300)
        with suppress(Stop):
            way(dataset)

    once()  # what Python and torch keep for good
    before = held()
    for _ in range(3):
        once()
    assert wait_until(lambda: held().is_within(before)), (held(), before)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("way", [breaking, raising, ending, breaking_a_loader])
def test_a_loop_over_a_bucket_through_a_cache_leaves_nothing_behind(
    way: Callable[[StreamingDataset], None], tmp_path: Path
) -> None:
    with Emulator(buckets={"b": Memory({f"{number}.txt": b"x" for number in range(60)})}) as gcs:
        point_at(gcs)

        def once() -> None:
            rows = [{"url": f"gs://b/{number}.txt", "n": number} for number in range(60)]
            with suppress(Stop):
                way(StreamingDataset(rows, dst=str(tmp_path), data_type="text"))

        def held_by_us() -> Held:
            drop_idle_connections()
            return held()

        once()
        before = held_by_us()
        for _ in range(3):
            once()
        assert wait_until(lambda: held_by_us().is_within(before)), (held(), before)


def test_an_error_leaves_nothing_behind_and_a_loop_can_begin_anew(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 300, bad=[40], shuffle=False)
    before = held()
    for _ in range(2):
        with pytest.raises(BadSample, match="row 40"):
            numbers(dataset)
    assert wait_until(lambda: held().is_within_but_files(before))


def test_hundreds_of_loops_hold_no_more_than_one(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 40)
    breaking(dataset)
    before = held()
    for _ in range(100):
        breaking(dataset)
    assert wait_until(lambda: held().is_within(before))


def test_a_fork_in_the_middle_of_a_loop_goes_on_on_both_sides(tmp_path: Path) -> None:
    dataset = filed(tmp_path / "f", 300)
    iterator = iter(dataset)
    seen = taken(iterator, 3)
    pid = os.fork()
    if not pid:
        code = 1
        signal.alarm(60)
        try:
            dataset.set_epoch(0)
            del iterator
            code = 0 if sorted(numbers(dataset)) == list(range(300)) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sorted(seen + numbers(iterator)) == list(range(300))
    assert dataset.state_dict()["epoch"] == 1


_LOOPS = """
import sys
from torch.utils.data import DataLoader
from tests.streaming.streams import numbered
dataset = numbered(10**6)
loader = DataLoader(dataset, 4, num_workers=int(sys.argv[1])) if sys.argv[1] != "none" else dataset
for number, batch in enumerate(loader):
    if number == 3:
        print("under way", flush=True)
"""


@pytest.fixture
def looping(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _LOOPS, request.param],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("looping", ["none", pytest.param("0", marks=pytest.mark.matrix), "2"], indirect=True)
def test_ctrl_c_ends_a_loop_and_its_workers(looping: subprocess.Popen[str]) -> None:
    assert line_of(looping) == "under way\n"
    workers = children_of(looping.pid)
    os.killpg(looping.pid, signal.SIGINT)
    _, said = looping.communicate(timeout=60)
    assert looping.returncode in {1, -signal.SIGINT}
    assert "KeyboardInterrupt" in said
    assert wait_until(lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize("looping", ["2"], indirect=True)
def test_workers_of_a_process_that_is_killed_end(looping: subprocess.Popen[str]) -> None:
    assert line_of(looping) == "under way\n"
    workers = children_of(looping.pid)
    assert len(workers) >= 2
    looping.kill()
    looping.wait()
    assert wait_until(lambda: not any(map(is_alive, workers)))
    assert named_memory() == []


def test_a_dataset_that_nobody_iterates_holds_little() -> None:
    before = held()
    several = [numbered(5) for _ in range(20)]
    assert held().is_within_but_files(before)
    assert held().files - before.files <= 3 * len(several)
    del several
    assert held().is_within(before)


def test_a_fork_keeps_nothing_of_those_who_cause_it() -> None:
    class Large:
        pass

    dataset = numbered(4)
    large = Large()
    gone = weakref.ref(large)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    del large
    gc.collect()
    assert gone() is None
    assert len(dataset) == 4
