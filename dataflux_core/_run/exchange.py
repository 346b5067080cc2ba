"""Hold the handles of libcurl: some connections each, or one request."""

from __future__ import annotations

import ctypes
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import pycurl

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from dataflux_core._wire.message import Request

    Listener: TypeAlias = Callable[[list[bytes], bytes], None]  # the lines of an answer's head, a piece of its body

_LARGE_BYTES = 512 * 1024  # of an answer that is worth a buffer
_OPEN_BYTES = 2**31  # a limit like that is no expectation: most of what comes is small, so it is kept in pieces
_INTERIM = re.compile(rb"HTTP/\S+ 1\d\d\b")  # how what only announces an answer begins, such as 103, early hints
_WASTE = 2  # times what is needed: a buffer larger than that is not kept

# Source: https://docs.python.org/3/c-api/bytes.html#c.PyBytes_FromStringAndSize
_new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_new_bytes.argtypes, _new_bytes.restype = (ctypes.c_void_p, ctypes.c_ssize_t), ctypes.py_object


class Pool:
    """Some of the connections, with their timer.

    For each request libcurl looks through the connections of its handle for an idle one: with hundreds in one pool that
    would take a tenth of all CPU.
    """

    __slots__ = ("deadline_s", "in_flight", "multi", "timeouts_ms")

    def __init__(self) -> None:
        self.multi = pycurl.CurlMulti()
        self.in_flight = 0
        self.deadline_s: float | None = None
        # Not a function of ours: a Ctrl-C would be raised, then lost, in it.
        self.timeouts_ms: list[int] = []
        self.multi.setopt(pycurl.M_TIMERFUNCTION, self.timeouts_ms.append)

    def timer_s(self, now_s: float) -> float | None:
        """Return when libcurl wants to be called again."""
        if self.timeouts_ms:
            timeout_ms = self.timeouts_ms[-1]
            self.timeouts_ms.clear()
            self.deadline_s = None if timeout_ms < 0 else now_s + timeout_ms / 1000
        return self.deadline_s


Kind = Literal["small", "large", "sent"]  # a GET for little or much, anything else


class Exchange:
    """One easy handle with what its answer is gathered in: a list of pieces, or a buffer that is used again.

    A large answer in pieces of 16 kB, as libcurl hands them out, would make the allocator take memory from the system,
    then give it back, for each of them: the page faults cost more than the copying. Where the size is known the buffer
    is as large, and is itself what is handed out.
    """

    __slots__ = (
        "body",
        "buffer",
        "capacity",
        "curl",
        "head",
        "headers",
        "is_given_away",
        "is_overheard",
        "keeps_beginning",
        "kind",
        "least_bytes_per_s",
        "max_bytes",
        "pool",
        "tag",
    )

    def __init__(self, curl: pycurl.Curl, kind: Kind) -> None:
        self.curl = curl
        self.kind = kind
        self.tag: Any = None
        self.pool: Pool | None = None
        self.headers: tuple[object, ...] | None = None  # what the lines set now were made of
        self.head: list[bytes] = []
        self.body: list[bytes] = []
        self.buffer = BytesIO()
        self.capacity = 0  # of the buffer
        self.max_bytes = 0  # of an answer
        self.least_bytes_per_s = 0
        self.keeps_beginning = self.is_given_away = self.is_overheard = False
        curl.setopt(pycurl.HEADERFUNCTION, self.head.append)
        self._gather()

    def allow(self, max_bytes: int, expected_bytes: int = 0) -> None:
        """Make ready for an answer of up to so many bytes: a buffer that was needed for a much larger one goes."""
        if max_bytes != self.max_bytes:
            self.max_bytes = max_bytes
            self.curl.setopt(pycurl.MAXFILESIZE_LARGE, max_bytes)
        if self.kind != "large":
            return
        was_given_away, self.is_given_away = self.is_given_away, 0 < expected_bytes <= max_bytes
        if self.is_given_away or was_given_away or self.capacity > _WASTE * max_bytes:
            self.buffer, self.capacity = BytesIO(_unwritten(expected_bytes)), 0
            self._gather()

    def overhear(self, listener: Listener) -> None:
        """Let a listener have each piece of the next answer too, once it is gathered."""
        gather = self.buffer.write if self.kind == "large" else self.body.append

        def write(piece: bytes) -> None:
            gather(piece)
            listener(self.answer_head(), piece)

        self.is_overheard = True
        self.curl.setopt(pycurl.WRITEFUNCTION, write)

    def demand(self, least_bytes_per_s: int) -> None:
        """Give the next answer up where it comes more slowly."""
        if least_bytes_per_s != self.least_bytes_per_s:
            self.least_bytes_per_s = least_bytes_per_s
            self.curl.setopt(pycurl.LOW_SPEED_LIMIT, least_bytes_per_s)

    def answer_head(self) -> list[bytes]:
        """Return the lines of the answer's own head: those of interim ones before it are dropped."""
        head, begin = self.head, 0
        while begin < len(head) and _INTERIM.match(head[begin]):
            begin = next((at for at in range(begin, len(head)) if not head[at].strip()), len(head)) + 1
        del head[:begin]
        return head

    def take(self) -> bytes | list[bytes]:
        """Return what has come, each byte copied once; make ready for the next answer."""
        content: bytes | list[bytes]
        if self.is_given_away:
            self.buffer.truncate()
            content = self.buffer.getvalue()
        elif self.kind == "large":
            received = self.buffer.tell()
            self.capacity = max(self.capacity, received)
            with self.buffer.getbuffer() as view:
                content = bytes(view[:received])
        else:
            content = self.body[0] if len(self.body) == 1 else self.body.copy()
        self.forget()
        return content

    def forget(self) -> None:
        """Drop what has come: a spare handle would hold on to it, half a megabyte of a listing each."""
        self.head.clear()
        self.body.clear()
        if self.is_given_away:
            self.buffer = BytesIO()
        if self.is_given_away or self.is_overheard:
            self._gather()
        self.is_overheard = False
        self.buffer.seek(0)

    def _gather(self) -> None:
        self.curl.setopt(pycurl.WRITEFUNCTION, self.buffer.write if self.kind == "large" else self.body.append)


def kind_of(request: Request) -> Kind:
    if request.method != "GET":
        return "sent"
    return "large" if _LARGE_BYTES <= request.max_bytes < _OPEN_BYTES else "small"


def _unwritten(size: int) -> bytes:
    """Return bytes that hold whatever was there: only those that an answer is written over are handed out.

    Zeros would be a twentieth of the time that a large answer takes.
    """
    made: bytes = _new_bytes(None, size)
    return made
