"""Threads write; the first thing that goes wrong is raised where they were asked."""

from __future__ import annotations

import threading
import time

import pytest

from dataflux_core._data import writers
from dataflux_core._data.writers import Writers


class WrongError(Exception):
    pass


class LeftError(Exception):
    pass


def fail() -> int:
    raise WrongError


def test_files_are_counted_when_all_is_done() -> None:
    with Writers() as crew:
        for number in range(100):
            crew.submit(lambda number=number: number, 1)  # type: ignore[misc] # a default that binds the number
        crew.finish()
    assert crew.files == sum(range(100))


def test_a_failure_is_raised_where_the_task_was_given() -> None:
    with Writers() as crew:
        crew.submit(fail, 1)
        with pytest.raises(WrongError):
            crew.finish()


def test_what_has_begun_comes_to_its_end_but_nothing_else_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_THREADS", 1)
    begun, may_end = threading.Event(), threading.Event()
    finished: list[str] = []

    def slow() -> int:
        begun.set()
        may_end.wait(30)
        finished.append("slow")
        return 1

    def interrupted() -> None:
        with Writers() as crew:
            crew.submit(slow, 1)
            crew.submit(fail, 1)
            begun.wait(30)
            threading.Timer(0.01, may_end.set).start()
            raise LeftError

    with pytest.raises(LeftError):
        interrupted()
    assert finished == ["slow"]


def test_giving_more_than_may_be_held_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_MAX_WAITING_BYTES", 10)
    held: list[int] = []
    most: list[int] = []

    def task() -> int:
        held.pop()
        return 1

    with Writers() as crew:
        for _ in range(50):
            held.append(1)
            crew.submit(task, 5)
            most.append(len(held))
        crew.finish()
    assert max(most) <= 3
    assert crew.files == 50


def test_tasks_that_come_quickly_go_to_a_thread_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_QUICKLY_S", 1000.0)
    may_end = threading.Event()
    with Writers() as crew:
        crew._handed_over_s = time.monotonic()
        for _ in range(40):
            crew.submit(lambda: int(may_end.wait(30)), 1)
        assert crew._crew.running == 2
        crew.submit(lambda: 1, 10**6)
        assert crew._crew.running == 3
        may_end.set()
        crew.finish()
    assert crew.files == 41


def test_a_task_that_comes_slowly_does_not_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_QUICKLY_S", 0.0)
    done = threading.Event()

    def told() -> int:
        done.set()
        return 1

    with Writers() as crew:
        crew.submit(told, 1)
        assert done.wait(30)


def test_leaving_ends_the_threads() -> None:
    with Writers():
        mine = [thread for thread in threading.enumerate() if thread.name == "dataflux-write"]
        assert mine
    for thread in mine:
        thread.join(30)
    assert not any(thread.is_alive() for thread in mine)
