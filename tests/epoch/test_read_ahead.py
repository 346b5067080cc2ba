"""What is read ahead keeps within its bounds; threads end whoever closes, wherever; patience is for those who wait."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dataflux_core._data.epoch import read_ahead
from dataflux_core._data.epoch.options import AheadBounds
from dataflux_core._data.epoch.read_ahead import ReadAhead
from dataflux_core._data.epoch.stats import StreamStats
from dataflux_core._data.epoch.window import Window
from dataflux_core._data.epoch.window_cuts import WindowCuts
from dataflux_core._plan.remote import RemoteObjects
from dataflux_core.errors import StageStuck
from tests.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KB = 1000


class Reader:
    """Gives objects of one size; waits at a gate first, where there is one, until it is closed."""

    def __init__(self, size: int, gate: threading.Event | None = None) -> None:
        self.size, self.gate = size, gate
        self.heard = 0
        self.is_closed = False

    def read(self, objects: RemoteObjects, wanted: list[int], *, following: int = 0) -> Iterator[tuple[int, bytes]]:
        del objects, following
        for position in wanted:
            if self.gate is not None:
                self.gate.wait()
            yield position, b"x" * self.size

    def close(self) -> None:
        self.is_closed = True
        if self.gate is not None:
            self.gate.set()


def windows(rows: int, each: int, size: int | None) -> Iterator[Window]:
    for start in range(0, rows, each):
        numbers = range(start, min(start + each, rows))
        urls = [f"/{number}" for number in numbers]
        sizes = None if size is None else [size] * len(urls)
        columns = [("url",)] * len(urls)
        objects = RemoteObjects(urls, sizes)
        yield Window(numbers, urls, columns, range(len(urls) + 1), objects, {}, [{}] * len(urls))


def ahead_of(reader: Any, bounds: AheadBounds, *, rows: int = 1000, size: int | None = None) -> ReadAhead:
    return ReadAhead(windows(rows, 64, size), rows, reader, bounds, StreamStats())


def held(ahead: ReadAhead) -> tuple[int, int]:
    """Return rows and bytes that it has begun, of which nothing was handed out."""
    slots = tuple(ahead._slots)
    contents = [content for slot in slots for content in slot.contents if isinstance(content, bytes)]
    return sum(len(slot.window) for slot in slots), sum(map(len, contents))


@pytest.mark.parametrize("size", [pytest.param(100 * KB, id="sizes known"), pytest.param(None, id="sizes not known")])
@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param(AheadBounds(256, 10, 500_000_000), id="ten samples"),
        pytest.param(AheadBounds(256, 1000, 1000 * KB), id="a megabyte"),
        pytest.param(AheadBounds(256, 1, 1), id="less than a row"),
    ],
)
def test_read_ahead_is_no_more_than_the_bounds_allow(bounds: AheadBounds, size: int | None) -> None:
    most = max(bounds.max_samples, 1), max(bounds.max_bytes, 100 * KB)
    with closing(ahead_of(Reader(100 * KB), bounds, rows=200, size=size)) as ahead:
        seen = 0
        for slot, row in ahead.rows():
            rows, content_bytes = held(ahead)
            assert rows <= most[0]
            assert content_bytes <= most[1]
            assert slot.contents[row]
            seen += 1
    assert seen == 200


def test_until_the_first_object_has_come_one_small_window_is_under_way() -> None:
    gate = threading.Event()
    with closing(ahead_of(Reader(KB, gate), AheadBounds(256, 4096, 500_000_000))) as ahead:
        assert wait_until(lambda: held(ahead)[0] > 0)
        assert held(ahead)[0] == 64
        gate.set()
        assert sum(1 for _ in ahead.rows()) == 1000


def test_it_can_be_closed_in_one_of_its_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    learn = WindowCuts.learn

    def learning(self: Any, size: int) -> None:
        learn(self, size)
        if len(closed) < 1:  # as a collector may, at any allocation
            closed.append(threading.current_thread().name)
            started.wait(60)
            ahead.close()

    started = threading.Event()
    monkeypatch.setattr(WindowCuts, "learn", learning)
    reader = Reader(KB)
    ahead = ahead_of(reader, AheadBounds(256, 100, 500_000_000))
    started.set()
    assert wait_until(lambda: len(ahead._ended) == read_ahead.THREADS)
    assert closed[0].startswith("dataflux-stream")
    assert reader.is_closed


def test_closing_takes_no_lock_that_a_thread_of_its_own_may_have() -> None:
    ahead = ahead_of(Reader(KB), AheadBounds(256, 100, 500_000_000), rows=10_000)
    assert wait_until(lambda: held(ahead)[0] > 80)  # one thread waits for room, and has the lock
    ahead.close()
    assert wait_until(lambda: not any(thread.is_alive() for thread in ahead._threads))


DROPPED = """
import gc, sys, faulthandler
from dataflux_core._data.epoch.read_ahead import Slot
from dataflux_core.streaming import StreamingDataset
faulthandler.dump_traceback_later(60, exit=True)
begin = Slot.__init__
def init(self, *arguments):
    begin(self, *arguments)
    if dropped:
        gc.collect()  # as the collector may at any allocation
dropped = []
Slot.__init__ = init
rows = [{"n": number, "url": __file__} for number in range(20000)]
dataset = StreamingDataset(rows, columns_to_load=["url"], data_type="bytes", prefetch_samples=16000)
class Loop: pass
def go():
    loop = Loop()
    loop.itself, loop.iterator = loop, iter(dataset)
    next(loop.iterator)
gc.disable()
go()
dropped.append(1)
import threading
for thread in threading.enumerate():
    if thread.name.startswith("dataflux-stream"):
        thread.join(60)
print(sum(thread.name.startswith("dataflux-stream") for thread in threading.enumerate()), "left")
"""


def ended(path: Path, script: str) -> tuple[int, str, str]:
    """Run a script from a file; return its exit status, what it wrote to stdout, to stderr."""
    path.write_text(script)
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=100, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def test_an_iterator_that_is_collected_in_a_reading_thread_ends_it_as_does_the_process(tmp_path: Path) -> None:
    assert ended(tmp_path / "dropped.py", DROPPED) == (0, "0 left\n", "")


FORKED = """
import os, sys
from dataflux_core._data.epoch import read_ahead
from dataflux_core.streaming import StreamingDataset
rows = [{"n": number, "url": __file__} for number in range(20000)]
iterator = iter(StreamingDataset(rows, columns_to_load=["url"], data_type="bytes"))
next(iterator)
child = os.fork()
if not child:
    read_ahead._JOIN_S = 600
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_that_ends_waits_for_no_thread_of_its_parent(tmp_path: Path) -> None:
    assert ended(tmp_path / "forked.py", FORKED) == (0, "7\n", "")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "_LOOK_S", 0.05)
    monkeypatch.setattr(read_ahead, "_PATIENCE_S", 0.3)


@pytest.mark.usefixtures("hurried")
def test_a_stage_that_gives_nothing_is_named() -> None:
    reader = Reader(KB, threading.Event())
    with (
        closing(ahead_of(reader, AheadBounds(8, 100, 10_000_000))) as ahead,
        pytest.raises(StageStuck, match="reading objects"),
    ):
        next(ahead.rows())


@pytest.mark.usefixtures("hurried")
def test_bytes_of_an_object_that_is_not_whole_yet_are_signs_of_life() -> None:
    gate = threading.Event()

    class Slow(Reader):
        looks = 0

        @property
        def heard(self) -> int:
            self.looks += 1
            if self.looks == 20:  # after three times the patience
                gate.set()
            return self.looks

        @heard.setter
        def heard(self, value: int) -> None: ...

    with closing(ahead_of(Slow(KB, gate), AheadBounds(8, 100, 10_000_000))) as ahead:
        slot, row = next(ahead.rows())
    assert slot.contents[row]


@pytest.mark.usefixtures("hurried")
def test_a_process_that_was_stopped_for_an_hour_has_not_waited_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    now_s = iter(np.arange(0.0, 1e9, 3600.0).tolist())  # an hour between any two looks at the clock
    monkeypatch.setattr(read_ahead, "_PATIENCE_S", 1.0)
    with closing(ahead_of(Reader(KB, gate), AheadBounds(8, 100, 10_000_000))) as ahead:
        assert wait_until(lambda: bool(ahead._slots))
        with monkeypatch.context() as patched:
            patched.setattr("time.monotonic", lambda: next(now_s))
            with ahead._awaiting():
                for _ in range(4):
                    ahead._pause("reading objects")
        gate.set()
        assert sum(1 for _ in ahead.rows()) == 1000


def test_an_iterator_in_a_cycle_is_closed_by_the_collector() -> None:
    class Loop:
        itself: Any
        rows: Any

    def go() -> ReadAhead:
        loop, ahead = Loop(), ahead_of(Reader(KB), AheadBounds(8, 100, 10_000_000))
        loop.itself, loop.rows = loop, handed_out(ahead)
        next(loop.rows)
        return ahead

    def handed_out(ahead: ReadAhead) -> Iterator[Any]:
        with closing(ahead):
            yield from ahead.rows()

    ahead = go()
    gc.collect()
    assert wait_until(lambda: not any(thread.is_alive() for thread in ahead._threads))
