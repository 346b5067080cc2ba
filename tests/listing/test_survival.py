"""A listing survives its own process: whatever ends it, the next run completes it with what is missing alone."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Latency, Synthetic
from tests.processes import PATIENCE_S, Strike, children_of, is_alive, start_script, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.listing.namespaces import Make

OBJECTS = 60_000
PAGES = OBJECTS // 500
NAMES = list(Synthetic("uuids", OBJECTS).names(0, OBJECTS))

LIST_INTO_A_FILE = """
import sys
from dataflux_core._run import processes
from dataflux_core.fast_list import ListingController
processes._cores = lambda: 2
ListingController(16, "p", "b", resume=sys.argv[1]).run()
"""

pytestmark = pytest.mark.usefixtures("one_helper")


@pytest.fixture
def slow_gcs() -> Iterator[Emulator]:
    """A service slow enough to be interrupted, with pages small enough to need many."""
    with Emulator(buckets={"b": Synthetic("uuids", OBJECTS)}, latency=Latency(list_s=0.2), max_page=500) as gcs:
        yield gcs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


def has_grown(file: Path, enough_bytes: int) -> bool:
    """Tell whether a file that is complete at some three million bytes holds more than so many."""
    return file.exists() and file.stat().st_size > enough_bytes


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_process_and_a_file_to_go_on_from(
    slow_gcs: Emulator, controller: Make, file: Path, sent: signal.Signals
) -> None:
    with start_script(LIST_INTO_A_FILE, slow_gcs.environ, str(file)) as parent:
        assert wait_until(partial(has_grown, file, 800_000))
        helpers = children_of(parent.pid)
        os.killpg(parent.pid, sent)
        parent.communicate(timeout=PATIENCE_S)  # its helper may have begun to start just now
    assert parent.returncode == -sent
    assert helpers
    assert wait_until(lambda: not any(map(is_alive, helpers)))
    slow_gcs.configure(latency=Latency())
    slow_gcs.reset_requests()
    listing = controller(slow_gcs, "b", 4, resume=file)
    assert [name for name, _ in listing.run()] == NAMES
    assert listing.stats.resumed_objects > OBJECTS / 8
    assert slow_gcs.requests()["list"] < PAGES
    assert not file.exists()


def test_power_that_fails_again_and_again_only_delays(slow_gcs: Emulator, controller: Make, file: Path) -> None:
    for enough_bytes in (400_000, 800_000, 1_200_000):
        with start_script(LIST_INTO_A_FILE, slow_gcs.environ, str(file)) as parent:
            assert wait_until(partial(has_grown, file, enough_bytes))
            os.killpg(parent.pid, signal.SIGKILL)
            parent.communicate()
        file.write_bytes(file.read_bytes()[:-7] + b"\0" * 4096)  # the last block never came to the disk
    slow_gcs.configure(latency=Latency())
    assert controller(slow_gcs, "b", resume=file).listing().names == NAMES


def test_a_lister_process_that_is_killed_leaves_no_gap_in_the_file(
    slow_gcs: Emulator, controller: Make, file: Path
) -> None:
    first = controller(slow_gcs, "b", resume=file)
    first.observer = strike = Strike()
    stream = first.stream()
    while not strike.struck:
        next(stream)
    for _ in range(20):  # others bring what it owed
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    slow_gcs.configure(latency=Latency())
    second = controller(slow_gcs, "b", resume=file)
    assert second.listing().names == NAMES
    assert second.stats.resumed_objects
