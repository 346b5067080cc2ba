"""Start helper processes of our own, each at the other end of a connection."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from dataflux_core._wire.message import Answer

T = TypeVar("T")
_LEAVE_S = 2.0  # to end after the connection is closed; then it is killed


def spare_cores() -> int:
    """Return how many helper processes pay: a core each, but none below a daemonic process.

    A loader worker or another daemonic process is one of many already, so it works alone.
    """
    if multiprocessing.current_process().daemon or getattr(sys, "frozen", False) or not sys.executable:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores - 1


class HelperProcess:
    """A process that runs `module.main(descriptor)` until its connection is closed.

    It is started by exec, not by multiprocessing.Process: fork is unsafe once threads run, and spawn imports the
    caller's `__main__` again, which a script without a guard does not survive. It ends with its parent, however the
    parent ends, because the connection then closes.
    """

    def __init__(self, module: str) -> None:
        ours, theirs = Pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-c", f"from {module} import main; main({theirs.fileno()})"],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
            )
        self.connection = ours

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """Close the connection, which ends the process, and wait for it."""
        self.connection.close()
        try:
            self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def send(connection: Connection, message: object) -> None:
    """Send a msgspec value; pickle never crosses a process boundary here."""
    connection.send_bytes(msgspec.msgpack.encode(message))


def receive(connection: Connection, kind: type[T]) -> T:
    """Wait for a message; raises EOFError or OSError when the other end is gone."""
    return msgspec.msgpack.decode(connection.recv_bytes(), type=kind)


def brief(answer: Answer) -> Answer:
    """Cut an unsuccessful answer to what a judgement of it needs."""
    return type(answer)(answer.status, answer.head, answer.body[:2000], answer.failure, answer.refused)
