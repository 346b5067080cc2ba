"""A download holds a quarter of the memory that is free, unless told otherwise."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os

import pytest

from dataflux_core._run.reading import memory

GIB = 1024**3
MIB = 1024**2


@pytest.mark.parametrize(
    ("machine_bytes", "container_bytes", "held"),
    [
        pytest.param(8 * GIB, float("inf"), 2 * GIB, id="a quarter of the machine's"),
        pytest.param(8 * GIB, 1 * GIB, GIB // 4, id="a container's limit counts where it is less"),
        pytest.param(8 * GIB, 0, 64 * MIB, id="a container that is full, perhaps of cached files, leaves a little"),
        pytest.param(float("inf"), float("inf"), GIB, id="a gibibyte where nobody knows"),
    ],
)
def test_the_default_bound(
    machine_bytes: float, container_bytes: float, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_machine_bytes", lambda: machine_bytes)
    monkeypatch.setattr(memory, "_container_bytes", lambda: container_bytes)
    assert memory.held_bytes() == held


def _held(free_bytes: int, sender: multiprocessing.connection.Connection) -> None:
    memory._machine_bytes = lambda: free_bytes
    memory._container_bytes = lambda: float("inf")
    sender.send(memory.held_bytes())


def test_loader_workers_share_that_quarter() -> None:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    worker = multiprocessing.get_context("spawn").Process(target=_held, args=(64 * GIB, sender), daemon=True)
    worker.start()
    assert receiver.recv() == 16 * GIB // (os.cpu_count() or 1)
    worker.join()
