"""Threads write; the first thing that goes wrong is raised where they were asked."""

from __future__ import annotations

import threading

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


def test_leaving_ends_the_threads() -> None:
    with Writers():
        mine = [thread for thread in threading.enumerate() if thread.name == "dataflux-write"]
        assert mine
    for thread in mine:
        thread.join(30)
    assert not any(thread.is_alive() for thread in mine)
