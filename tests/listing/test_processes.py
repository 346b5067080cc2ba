"""Listing goes on when a process dies; it leaves none behind; it works wherever it is called from."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from google.auth.credentials import Credentials

from dataflux_core._run import access
from dataflux_core._run.listing import lister
from dataflux_core._run.listing.pages import RemoteLister
from dataflux_core._run.transport import Endpoint, Happened, Transport
from dataflux_core.emulator import Emulator, Latency, Synthetic
from dataflux_core.fast_list import ListingController
from tests.listing.namespaces import client_of
from tests.processes import Strike, children_of, is_alive, listers_of, start_script, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._wire.listing import Scope
    from tests.listing.namespaces import Make

OBJECTS = 100_000

LIST_AND_REPORT = """
from dataflux_core._run import processes
from dataflux_core.fast_list import ListingController
processes._cores = lambda: 2
listing = ListingController(16, "p", "b")
listing.observer = lambda event: print(event.lister, flush=True)
print(len(listing.run()), flush=True)
"""


pytestmark = pytest.mark.usefixtures("one_helper")


@pytest.fixture
def slow_gcs() -> Iterator[Emulator]:
    """A service slow enough to be interrupted, with pages small enough to need many."""
    with Emulator(buckets={"b": Synthetic("uuids", OBJECTS)}, latency=Latency(list_s=0.03), max_page=500) as gcs:
        yield gcs


def test_a_lister_process_is_not_silent_while_the_caller_takes_his_time(
    slow_gcs: Emulator, controller: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[RemoteLister] = []
    away_s = [0.0]
    clock = time.perf_counter

    def make(endpoint: Endpoint, scope: Scope) -> RemoteLister:
        made.append(RemoteLister(endpoint, scope))
        return made[-1]

    monkeypatch.setattr(lister, "RemoteLister", make)
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + away_s[0])
    objects = 0
    for part in controller(slow_gcs, "b").stream():
        objects += len(part)
        if away_s == [0.0] and made and made[0].asked:
            assert wait_until(made[0]._helper.connection.poll)
            away_s = [3600.0]
    assert (objects, away_s) == (OBJECTS, [3600.0])
    assert "list.process_died" not in caplog.text


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_lister_process_that_is_killed_gives_its_pages_back(
    slow_gcs: Emulator, controller: Make, sent: signal.Signals
) -> None:
    listing = controller(slow_gcs, "b")
    listing.observer = strike = Strike(sent)
    names = [name for name, _ in listing.run()]
    assert strike.struck
    assert names == list(Synthetic("uuids", OBJECTS).names(0, OBJECTS))


def test_a_lister_process_that_dies_idle_costs_nothing(slow_gcs: Emulator, controller: Make) -> None:
    waits: list[None] = []
    listing = controller(slow_gcs, "b")
    stream = listing.stream()
    assert wait_until(lambda: bool(next(stream)) and bool(listers_of(os.getpid())))
    for pid in listers_of(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    with pytest.MonkeyPatch.context() as patch:
        whole = Transport.wait

        def counted(transport: Transport, timeout_s: float | None = None) -> Happened:
            waits.append(None)
            return whole(transport, timeout_s)

        patch.setattr(Transport, "wait", counted)
        assert sum(len(part) for part in stream) > 0
    assert len(waits) < 2 * listing.stats.calls


def test_a_lister_process_that_is_stopped_is_given_up(
    slow_gcs: Emulator, controller: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for a process to start, since it owes pages from the moment that it is asked for them.
    monkeypatch.setattr(access, "Endpoint", partial(Endpoint, connect_timeout_s=1, stall_timeout_s=4))
    listing = controller(slow_gcs, "b")
    listing.observer = strike = Strike(signal.SIGSTOP)
    assert len(listing.run()) == OBJECTS
    assert strike.struck
    assert not any(map(is_alive, strike.struck))


def test_tokens_of_many_kilobytes_do_not_block_the_conversation_with_a_process(controller: Make) -> None:
    made = Synthetic("uuids", 500_000)
    with Emulator(buckets={"b": made}, latency=Latency(list_s=0.1), max_page=1000) as gcs:
        listing = controller(gcs, "b", 256)
        listing.client._credentials = LongToken()
        assert len(listing.run()) == 500_000
        assert listing.stats.processes == 2


class LongToken(Credentials):
    """Credentials with a token as long as those of workforce federation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = "t" * 12_000

    def refresh(self, request: object) -> None:
        """Keep the token."""


def test_a_forked_child_that_lets_go_of_a_stream_does_not_disturb_it(slow_gcs: Emulator, controller: Make) -> None:
    stream = controller(slow_gcs, "b").stream()
    listed = 0
    forked = False
    for part in stream:
        listed += len(part)
        if not forked and listers_of(os.getpid()):
            forked = True
            child = os.fork()
            if not child:
                stream.close()  # type: ignore[attr-defined]
                os._exit(0)
            os.waitpid(child, 0)
    assert forked
    assert listed == OBJECTS


def test_a_stopped_lister_process_does_not_outlive_the_listing(slow_gcs: Emulator, controller: Make) -> None:
    stream = controller(slow_gcs, "b").stream()
    assert wait_until(lambda: bool(next(stream)) and bool(listers_of(os.getpid())))
    (helper,) = listers_of(os.getpid())
    os.kill(helper, signal.SIGSTOP)
    stream.close()  # type: ignore[attr-defined]
    assert not is_alive(helper)


def test_a_parent_that_is_killed_leaves_no_child(slow_gcs: Emulator) -> None:
    with start_script(LIST_AND_REPORT, slow_gcs.environ) as parent:
        assert parent.stdout is not None
        assert any(line == "1\n" for line in parent.stdout)
        helpers = children_of(parent.pid)
        parent.kill()
        parent.communicate()
    assert helpers
    assert wait_until(lambda: not any(map(is_alive, helpers)))


def test_ctrl_c_ends_it_soon_with_keyboard_interrupt(slow_gcs: Emulator) -> None:
    slow_gcs.configure(latency=Latency(list_s=0.5))
    began_s = time.monotonic()
    with start_script(LIST_AND_REPORT, slow_gcs.environ) as parent:
        assert parent.stdout is not None
        assert any(line == "1\n" for line in parent.stdout)
        helpers = children_of(parent.pid)
        pressed_s = time.monotonic()
        own_s = pressed_s - began_s  # the interpreter's own end takes no longer than its start and the first page
        os.killpg(parent.pid, signal.SIGINT)
        _, said = parent.communicate()
        assert time.monotonic() - pressed_s < 2 + own_s
    assert parent.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert wait_until(lambda: not any(map(is_alive, helpers)))


def test_a_script_without_a_main_guard_lists(slow_gcs: Emulator) -> None:
    with start_script(LIST_AND_REPORT, slow_gcs.environ) as script:
        said, complaints = script.communicate()
    assert said.splitlines()[-1] == str(OBJECTS)
    assert complaints == ""


def test_signal_handlers_and_threads_are_left_as_they_were(slow_gcs: Emulator, controller: Make) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    threads = threading.active_count()
    controller(slow_gcs, "b").run()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert threading.active_count() <= threads  # those of tests before may end meanwhile
    assert listers_of(os.getpid()) == []


def test_off_the_main_thread_several_at_once(slow_gcs: Emulator, controller: Make) -> None:
    lengths: list[int] = []
    threads = [
        threading.Thread(target=lambda: lengths.append(len(controller(slow_gcs, "b").listing()))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [OBJECTS] * 3


def list_into(pipe: multiprocessing.connection.Connection, listing: ListingController) -> None:
    pipe.send((len(listing.run()), listing.stats.processes))


def test_a_daemonic_forked_process_lists_by_itself_with_its_parents_client(
    slow_gcs: Emulator, controller: Make
) -> None:
    listing = controller(slow_gcs, "b", 8)
    listing.client.get_bucket("b")  # its connection is open now, and must not be used by the child
    assert len(listing.run()) == OBJECTS
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=list_into, args=(theirs, listing), daemon=True)
    process.start()
    assert ours.recv() == (OBJECTS, 1)
    process.join()
    assert len(listing.run()) == OBJECTS


def test_a_client_used_before_is_used_with_its_own_endpoint(slow_gcs: Emulator) -> None:
    listing = ListingController(8, "p", "b")
    listing.client = client_of(slow_gcs)
    assert next(iter(listing.client.list_blobs("b", max_results=1))).name
    assert len(listing.run()) == OBJECTS
