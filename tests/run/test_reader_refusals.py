"""What the service refuses to composites is no error: objects are read directly, leftovers are told of once."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import pytest

from dataflux_core._plan.columns import ObjectColumns
from dataflux_core._plan.groups import Group
from dataflux_core._plan.strategy import Tempo
from dataflux_core._run.reading.composed import ComposedReads, Ledger
from dataflux_core._run.reading.deletions import Deletions
from dataflux_core._run.reading.direct import DirectReads, GroupBytes, Part, Source
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._wire.message import Answer, Request
from dataflux_core.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Callable


class ScriptedService:
    """Answers at once, by a function of the request."""

    def __init__(self, respond: Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        self._respond = respond
        self._queue: deque[tuple[Request, Any]] = deque()

    def submit(self, request: Request, tag: Any, *, patience_s: float = math.inf) -> None:
        del patience_s
        self.requests.append(request)
        self._queue.append((request, tag))

    def run(self) -> None:
        while self._queue:
            request, (handle, subject) = self._queue.popleft()
            handle(subject, self._respond(request))

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]


class Notebook:
    """Temporaries without a guardian."""

    bucket = "b"

    def __init__(self) -> None:
        self.names: list[str] = []
        self.told: list[tuple[str, str]] = []

    def plan(self) -> str:
        self.names.append(f"temporary-{len(self.names)}")
        return self.names[-1]

    def made(self, name: str, generation: int) -> None:
        assert generation
        self.told.append(("made", name))

    def gone(self, name: str) -> None:
        self.told.append(("gone", name))

    def kept(self, name: str) -> None:
        self.told.append(("kept", name))


class Reads:
    """The parts of a reader around a scripted service."""

    def __init__(self, respond: Callable[[Request], Answer]) -> None:
        self.service = cast("Any", ScriptedService(respond))
        self.notebook = cast("Any", Notebook())
        self.finished: list[GroupBytes] = []
        self.stats = DownloadStats()
        self.deletions = Deletions(self.service, self.notebook, self.stats)
        source = Source("http://x", "b", ObjectColumns(["a", "b"], [1, 1]), 4)
        direct = DirectReads(self.service, source, self.finished.append, self.stats)
        ledger = Ledger(self.notebook, self.deletions, self.stats, Tempo())
        self.composed = ComposedReads(self.service, source, ledger, direct, self.finished.append)

    def read(self) -> list[list[Part]]:
        self.composed.start(Group(0, 2, 2))
        self.service.run()
        self.deletions.flush()
        self.service.run()
        return [parts for _, parts in self.finished]


def refusing(method: str, status: int) -> Callable[[Request], Answer]:
    """Answer everything but requests by `method`."""

    def respond(request: Request) -> Answer:
        if request.method == method:
            return Answer(status, (), b"refused")
        if "compose?" in request.target:
            return Answer(200, (), b'{"generation":"5","size":"2"}')
        if "temporary" in request.target:
            return Answer(200, (), b"12")
        return Answer(200, (), b"1" if "/o/a?" in request.target else b"2")

    return respond


@pytest.mark.parametrize(("status", "stays"), [(400, True), (404, True), (403, False), (405, False)])
def test_a_refused_compose_is_replaced_by_direct_reads(status: int, stays: bool) -> None:
    reads = Reads(refusing("POST", status))
    assert reads.read() == [[b"1", b"2"]]
    assert (reads.composed.refusal == "") is stays


def test_an_answer_to_a_compose_that_says_nothing_is_replaced_by_direct_reads() -> None:
    reads = Reads(lambda request: Answer(200, (), b"1" if "/o/a?" in request.target else b"<html>"))
    reads.composed.start(Group(0, 1, 1))
    reads.service.run()
    assert [parts for _, parts in reads.finished] == [[b"1"]]


@pytest.mark.parametrize("status", [0, 429, 500])
def test_a_compose_for_which_retries_were_used_up_is_replaced_by_direct_reads(status: int) -> None:
    reads = Reads(refusing("POST", status))
    assert reads.read() == [[b"1", b"2"]]
    assert reads.composed.refusal


@pytest.mark.parametrize("status", [0, 408, 429, 503])
def test_who_has_not_the_patience_for_retries_composes_on_after_one_refusal_not_after_many(status: int) -> None:
    reads = Reads(refusing("POST", status))
    reads.composed.patience_s = 1.0
    refused = []
    for _ in range(4):
        reads.read()
        refused.append(bool(reads.composed.refusal))
    assert refused == [False, False, False, True]


def test_a_compose_without_a_valid_token_is_an_error() -> None:
    with pytest.raises(AccessDenied):
        Reads(refusing("POST", 401)).read()


def test_a_refused_delete_is_told_of_once_and_ends_composing(caplog: pytest.LogCaptureFixture) -> None:
    reads = Reads(refusing("DELETE", 403))
    assert reads.read() + reads.read() == [[b"1", b"2"]] * 3
    assert reads.deletions.is_refused
    assert reads.stats.temporaries_kept == 2
    assert [record.getMessage().split()[0] for record in caplog.records] == ["temporaries.kept"]
    assert [told for told in reads.notebook.told if told[0] == "kept"] == [
        ("kept", "temporary-0"),
        ("kept", "temporary-1"),
    ]


def test_a_delete_that_the_service_failed_at_stays_written_down() -> None:
    reads = Reads(refusing("DELETE", 503))
    reads.read()
    assert reads.notebook.told == [("made", "temporary-0")]


def test_a_server_without_batches_gets_single_deletes() -> None:
    reads = Reads(refusing("POST", 404))
    for number in range(5):
        reads.deletions.add(f"n{number}", 7)
    reads.deletions.flush()
    reads.service.run()
    assert reads.service.methods() == ["DELETE", "POST", *["DELETE"] * 4]  # the first goes at once
    assert reads.deletions.outstanding == 0
    reads.deletions.add("n5", 7)
    reads.deletions.flush()
    assert reads.service.methods()[-1] == "DELETE"


def test_one_lost_object_among_a_batch_is_asked_for_alone() -> None:
    boundary = (b"Content-Type: multipart/mixed; boundary=B\r\n",)
    parts = b"".join(
        b"--B\r\nContent-ID: <response-%d>\r\n\r\nHTTP/1.1 %d X\r\n\r\n\r\n" % pair
        for pair in [(0, 204), (1, 503), (2, 404)]
    )

    def respond(request: Request) -> Answer:
        return Answer(200, boundary, parts + b"--B--") if request.method == "POST" else Answer(204, (), b"")

    reads = Reads(respond)
    for name in ("w", "x", "y", "z"):
        reads.deletions.add(name, 7)
    reads.deletions.flush()
    reads.service.run()
    assert reads.service.methods() == ["DELETE", "POST", "DELETE"]  # the first goes at once
    assert reads.notebook.told == [("gone", "w"), ("gone", "x"), ("gone", "z"), ("gone", "y")]
