"""Hold one HTTP request or answer as a value."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec

from dataflux_core._plan.columns import UNKNOWN_SIZE

_MOST_DIGITS = 18  # of a length: Python refuses thousands, no number of 64 bits holds twenty

Method = Literal["GET", "POST", "DELETE"]


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request below an endpoint; `target` is path and query, already percent-encoded."""

    method: Method
    target: str
    body: bytes = b""
    headers: tuple[str, ...] = ()  # "Name: value" lines beside the endpoint's own
    max_bytes: int = 0  # of the answer's body, 0: no limit; what announces more is not received
    expected_bytes: int = 0  # of the answer's body, 0: not known; room is made for them, and they need no copying
    keeps_beginning: bool = False  # of a body that breaks off, so that it can be gone on with
    least_bytes_per_s: int = 0  # less, for as long as a stall may last, is one; 0: as the endpoint says


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What came back: a status with its bytes, or, where `failure` is set, why nothing complete did."""

    status: int  # 0 when no complete answer arrived
    head: tuple[bytes, ...]  # header lines as received
    content: bytes | list[bytes]  # whole, or in the pieces in which it came
    failure: str = ""
    refused: bool = False  # no connection could be made: nothing was sent
    announced_bytes: int = 0  # where that was more than the request allowed: its body was not received
    begun_status: int = 0  # of a body that broke off, whose beginning was asked to be kept: that is `content` then
    connect_s: float = 0.0  # until the server took the connection, next to nothing where there was one

    @property
    def body(self) -> bytes:
        """The bytes as a whole; pieces are joined each time."""
        return self.content if isinstance(self.content, bytes) else b"".join(self.content)

    @property
    def ok(self) -> bool:
        return not self.failure and 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own classes

    @property
    def said_bytes(self) -> int:
        """How long its head says that the body is, UNKNOWN_SIZE where that is no number that could be meant."""
        said = self.header(b"content-length")
        return int(said) if said.isdecimal() and len(said) <= _MOST_DIGITS else UNKNOWN_SIZE

    def header(self, name: bytes) -> str:
        """Return the value of header `name` (lower case), "" where absent."""
        for line in self.head:
            key, colon, value = line.partition(b":")
            if colon and key.lower() == name:
                return value.strip().decode("latin-1")
        return ""


class _ErrorBody(msgspec.Struct):
    error: dict[str, Any] = {}


def error_message(answer: Answer) -> str:
    """Say in one line what an unsuccessful answer says: the service's own message where it gives one."""
    if answer.failure:
        return answer.failure
    try:
        message = msgspec.json.decode(answer.body, type=_ErrorBody).error.get("message")
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = None
    if isinstance(message, str) and message:
        return message
    return answer.body[:200].decode("utf-8", "replace").strip() or "no message"


def retry_after_s(answer: Answer) -> float:
    """Return the seconds that Retry-After asks for, 0 where it is absent or cannot be read.

    A date counts from the date that the answer itself carries: clocks differ. Source: RFC 9110, 10.2.3; GCS sends
    seconds.
    """
    value = answer.header(b"retry-after")
    if value.isascii() and value.isdecimal():
        return float(value)
    return _seconds_between(answer.header(b"date"), value) if value else 0.0


def _seconds_between(now: str, then: str) -> float:
    try:
        return max(0.0, (parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds())
    except (TypeError, ValueError, OverflowError):  # a year, or a zone, of more digits than there is room for
        return 0.0
