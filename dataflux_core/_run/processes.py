"""Start helper processes of our own, each at the other end of a connection."""

from __future__ import annotations

import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from dataflux_core._wire.message import Answer

T = TypeVar("T")
_LEAVE_S = 2.0  # to end after the connection is closed; then it is killed
_MESSAGE_S = 60  # from the first byte of a message to its last
_LOOK_S = 2.0  # between two looks whether the parent is still there


def spare_cores() -> int:
    """Return how many helper processes pay: a core each, but none below a daemonic process.

    A loader worker or another daemonic process is one of many already, so it works alone.
    """
    if multiprocessing.current_process().daemon or getattr(sys, "frozen", False) or not sys.executable:
        return 0
    return _cores() - 1


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class HelperProcess:
    """A process that runs `module.main(descriptor)` until its connection is closed.

    It is started by exec, not by multiprocessing.Process: fork is unsafe once threads run, and spawn imports the
    caller's `__main__` again, which a script without a guard does not survive. It ends with its parent, however the
    parent ends: the connection then closes, or, where a fork of the parent holds it open, its parent is another.
    """

    def __init__(self, module: str) -> None:
        ours, theirs = Pipe()
        # "" stands for the working directory, where a file may have the name of any module.
        start = f"import sys; sys.path[:] = filter(None, sys.path); from {module} import main; main({theirs.fileno()})"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-c", start],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,  # Ctrl-C in the terminal is for the parent, which decides when this ends
            )
        self.connection = ours
        self._owner_id = os.getpid()
        self._bound_waits()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """Close the connection, which ends the process, and wait for it; a fork of the owner only lets go."""
        self.connection.close()
        if os.getpid() != self._owner_id:
            return
        try:
            self._process.wait(_LEAVE_S)
        except BaseException as error:
            self._process.kill()
            self._process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise  # an interruption: nobody comes back to wait for it

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self._process.kill()

    def _bound_waits(self) -> None:
        """Let no send or receive wait for ever on a process that is stopped in the middle of a message."""
        limit = struct.pack("ll", _MESSAGE_S, 0)
        with socket.socket(fileno=os.dup(self.connection.fileno())) as ours:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


class Inbox(Generic[T]):
    """What a parent sends, received on a thread: the parent's sending never waits for our own, so neither does.

    `descriptor` becomes readable when there is a message. The process ends when its parent is gone.
    """

    def __init__(self, connection: Connection, kind: type[T]) -> None:
        self.descriptor, self._bell = os.pipe()
        self._connection = connection
        self._kind = kind
        self._messages: SimpleQueue[T] = SimpleQueue()
        self._parent_id = os.getppid()
        threading.Thread(target=self._receive, daemon=True).start()

    def take(self) -> list[T]:
        """Return what has arrived."""
        return [self._messages.get() for _ in os.read(self.descriptor, 4096)]

    def _receive(self) -> None:
        try:
            while True:
                while not self._connection.poll(_LOOK_S):
                    if os.getppid() != self._parent_id:
                        os._exit(0)
                self._messages.put(receive(self._connection, self._kind))
                os.write(self._bell, b"!")
        except (EOFError, OSError):
            os._exit(0)  # the parent has all it wanted: nothing is left to be cleaned up


class Outbox:
    """What is sent to the parent, on a thread: it waits there until the parent receives, while more is got ready."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: SimpleQueue[object] = SimpleQueue()
        threading.Thread(target=self._send, daemon=True).start()

    def put(self, message: object) -> None:
        self._messages.put(message)

    def _send(self) -> None:
        try:
            while True:
                send(self._connection, self._messages.get())
        except OSError:
            os._exit(0)  # the parent has all it wanted: nothing is left to be cleaned up


def send(connection: Connection, message: object) -> None:
    """Send a msgspec value; pickle never crosses a process boundary here."""
    connection.send_bytes(msgspec.msgpack.encode(message))


def receive(connection: Connection, kind: type[T]) -> T:
    """Wait for a message; raises EOFError or OSError when the other end is gone."""
    return msgspec.msgpack.decode(connection.recv_bytes(), type=kind)


def brief(answer: Answer) -> Answer:
    """Cut an unsuccessful answer to what a judgement of it needs."""
    return type(answer)(answer.status, answer.head, answer.body[:2000], answer.failure, answer.refused)
