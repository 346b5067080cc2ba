"""What interrupts a download is what its caller sees, also where it comes in a callback of libcurl's."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from dataflux_core._run import connections
from dataflux_core._run.transport import Transport
from tests.download.buckets import COMPOSED, DIRECT, Stocked, eager, parallel
from tests.processes import children_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

Stock: TypeAlias = "Callable[[list[int]], Stocked]"


@pytest.mark.parametrize("params", [COMPOSED, DIRECT], ids=["composed", "direct"])
@pytest.mark.parametrize("at", [1, 5, 20, 60])
def test_a_handler_of_the_hosts_that_exits_in_a_callback_exits(
    at: int, params: Any, stocked: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = stocked([100] * 200)
    calls = 0
    on_socket = Transport._on_socket

    def interrupted(self: Transport, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise SystemExit(7)  # as a signal handler does that runs when Python enters a function
        on_socket(self, *arguments)

    monkeypatch.setattr(connections, "_idle", [])  # a connection of another test's would be reused by another way
    monkeypatch.setattr(Transport, "_on_socket", interrupted)
    params = type(params)(400 if params.max_composite_object_size else 0)
    with pytest.raises((SystemExit, KeyboardInterrupt)) as caught:
        eager(bucket.client(), bucket.name, bucket.pairs, params)
    assert caught.type is SystemExit
    monkeypatch.undo()
    assert wait_until(lambda: bucket.temporaries() == [])


@pytest.mark.usefixtures("many_processes")
def test_an_interruption_while_a_helper_ends_leaves_none(stocked: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = stocked([100] * 200)
    before = children_of(os.getpid())
    waits = 0
    wait = subprocess.Popen.wait

    def interrupted(self: Any, timeout: float | None = None) -> int:
        nonlocal waits
        waits += 1
        if waits == 1:
            raise SystemExit(7)
        return wait(self, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(SystemExit):
        parallel(bucket.client(), bucket.name, bucket.pairs, DIRECT)
    assert waits > 1  # each helper has been waited for, else Python warns of it
    assert set(children_of(os.getpid())) <= set(before)
