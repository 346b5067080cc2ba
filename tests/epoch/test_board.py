"""The board: what a dataset and its copies in workers tell each other, without a name, without waiting."""

from __future__ import annotations

import errno
import mmap
import multiprocessing
import os
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.epoch.board import MAX_WORKERS, Board
from dataflux_core._data.epoch.stats import StreamStats
from dataflux_core._plan.order.state import Progress
from dataflux_core.errors import InvalidArgument, StateMismatch

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

ALL_KEPT = 65_536


def as_worker(board: Board, worker: int, key: int, pipe: Connection) -> None:
    begun = board.begin(key, 0)
    board.worker_begins(worker, begun.serial)
    for number in range(1, 101):
        board.tell(worker, number, Progress(2 * number, worker, 3))
    board.put_stats(worker, StreamStats(samples=100, bad_samples=worker))
    board.worker_ends(worker)
    pipe.send(begun)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_one_loader_begin_one_pass_and_are_seen(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    board = Board(next_epoch=5)
    ours, theirs = context.Pipe(duplex=False)
    processes = [context.Process(target=as_worker, args=(board, worker, 77, theirs)) for worker in range(3)]
    for process in processes:
        process.start()
    passes = [ours.recv() for _ in processes if ours.poll(60)]
    for process in processes:
        process.join()
    assert passes == [(77, 0, 5, 1, 0)] * 3
    assert board.next_epoch == 6
    for worker in range(3):
        assert board.note_of(worker) == (1, 100, True)
        assert board.progress_at(worker, 40) == Progress(80, worker, 3)
        assert board.stats_of(worker).bad_samples == worker


def test_each_pass_of_a_loader_is_an_epoch() -> None:
    board = Board()
    assert [board.begin(1, number).epoch for number in range(3)] == [0, 1, 2]
    assert [board.begin(1, number).epoch for number in range(3)] == [0, 1, 2], "whoever asks later gets the same"
    assert board.begin(2, 0).epoch == 3
    assert board.begin(3, 0, wanted_epoch=9).epoch == 9
    assert board.next_epoch == 10
    assert board.last_pass() == (3, 0, 9, 5, 0)
    assert board.begun == 5


def test_a_new_loader_of_an_old_key_begins_anew() -> None:
    board = Board()
    board.begin(1, 0)
    board.begin(2, 0)
    board.forget(1)
    assert board.pass_of(1, 0) is None
    assert board.begin(1, 0) == (1, 0, 2, 3, 0)
    assert board.begin(2, 0) == (2, 0, 1, 2, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=60))
def test_passes_have_the_numbers_in_which_they_were_begun(asked: list[tuple[int, int]]) -> None:
    board = Board()
    known: dict[tuple[int, int], int] = {}
    for key, number in asked:
        serial = known.setdefault((key, number), len(known) + 1)
        assert board.begin(key, number) == (key, number, serial - 1, serial, 0)


def test_hundreds_of_passes_are_begun() -> None:
    board = Board()
    for number in range(500):
        assert board.begin(number, 0).epoch == number
    assert board.begin(499, 0).epoch == 499


def test_a_pass_says_which_state_it_goes_on_from() -> None:
    board = Board()
    before = board.begin(1, 0)
    assert [board.go_on_from(epoch) for epoch in (7, 7)] == [1, 2]
    assert board.begin(1, 1) == (1, 1, 7, 2, 2)
    assert board.begin(1, 0) == before, "whoever asks later gets the same"
    assert (board.state_number, board.next_epoch) == (2, 8)


def test_memory_is_mapped_for_the_workers_that_there_are() -> None:
    """Nothing but addresses, yet 800 MB of them are more than some processes may have."""
    board = Board()
    assert len(board._memory) < 10_000
    board.worker_begins(1, 1)
    assert board.note_of(1) == (1, 0, False)
    assert len(board._memory) < 4_000_000


def test_memory_that_cannot_be_mapped_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()

    def refused(*_: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refused)
    with pytest.raises(InvalidArgument, match=r"num_workers=at least 5.*bytes cannot be mapped .Cannot allocate"):
        board.worker_begins(4, 1)


def test_threads_that_begin_at_once_begin_one_pass() -> None:
    board = Board()
    barrier = threading.Barrier(8)
    passes: list[object] = []

    def begin() -> None:
        barrier.wait()
        passes.extend(board.begin(4, number) for number in range(20))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(passes)) == 20


def test_what_lies_too_far_back_is_an_error() -> None:
    board = Board()
    board.worker_begins(0, 1)
    for number in range(1, ALL_KEPT + 3):
        board.tell(0, number, Progress(number))
    assert board.progress_at(0, 3) == Progress(3)
    assert board.progress_at(0, ALL_KEPT + 2) == Progress(ALL_KEPT + 2)
    for unknown in (2, ALL_KEPT + 3):
        with pytest.raises(StateMismatch, match="smaller prefetch_factor or batch_size"):
            board.progress_at(0, unknown)


def test_more_workers_than_there_is_room_for_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=f"num_workers={MAX_WORKERS + 1}"):
        Board().worker_begins(MAX_WORKERS, 1)


def test_a_copy_that_goes_to_no_child_counts_for_itself() -> None:
    board = Board(next_epoch=3)
    copy = pickle.loads(pickle.dumps(board))
    copy.begin(1, 0)
    assert (board.next_epoch, copy.next_epoch) == (3, 4)


def test_a_board_takes_little_memory_and_no_name() -> None:
    names = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    board = Board()
    assert os.stat(board._descriptor).st_blocks * 512 < 1_000_000  # noqa: PTH116 - of a descriptor
    assert os.stat(board._descriptor).st_nlink == 0  # noqa: PTH116
    del board
    assert set(os.listdir("/proc/self/fd")) <= names  # noqa: PTH208 - those of tests before may be closed meanwhile
