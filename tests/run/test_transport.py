"""Many requests at once against a real server, connections that never cross a process."""

from __future__ import annotations

import os
import re
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from dataflux_core._run.connections import lease
from dataflux_core._run.transport import Endpoint, Transport
from dataflux_core._wire.message import Answer, Request
from dataflux_core.emulator import Emulator, Fault, Latency, Memory
from tests.certificates import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OBJECTS = {f"{number}": bytes([number]) * 1000 for number in range(100)}


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    with Emulator(buckets={"b": Memory(OBJECTS)}) as running:
        yield running


def media(name: str) -> Request:
    return Request("GET", f"/storage/v1/b/b/o/{name}?alt=media")


def fetch(transport: Transport, names: list[str]) -> dict[str, Answer]:
    for name in names:
        transport.start(media(name), name)
    answers: dict[str, Answer] = {}
    while len(answers) < len(names):
        answers.update(transport.wait().answers)
    return answers


def test_every_answer_comes_with_its_own_tag(gcs: Emulator) -> None:
    with lease(Endpoint(gcs.endpoint)) as transport:
        answers = fetch(transport, list(OBJECTS))
    assert {name: answer.body for name, answer in answers.items()} == OBJECTS


def test_headers_are_read_by_name(gcs: Emulator) -> None:
    with lease(Endpoint(gcs.endpoint)) as transport:
        answer = fetch(transport, ["7"])["7"]
    assert answer.header(b"content-length") == "1000"
    assert answer.header(b"x-goog-generation").isdigit()
    assert answer.header(b"absent") == ""


def test_requests_run_at_the_same_time() -> None:
    with (
        Emulator(buckets={"b": Memory(OBJECTS)}, latency=Latency(read_s=2.0)) as gcs,
        lease(Endpoint(gcs.endpoint)) as transport,
    ):
        fetch(transport, list(OBJECTS))
        assert gcs.requests().peak == 100


def test_a_wait_ends_when_its_time_is_over(gcs: Emulator) -> None:
    with lease(Endpoint(gcs.endpoint)) as transport:
        happened = transport.wait(0.01)
    assert (happened.answers, happened.readable) == ([], [])


def test_a_watched_descriptor_wakes_the_wait(gcs: Emulator) -> None:
    ours, theirs = os.pipe()
    with lease(Endpoint(gcs.endpoint)) as transport:
        transport.watch(ours)
        os.write(theirs, b"x")
        assert transport.wait().readable == [ours]
        transport.unwatch(ours)
        transport.unwatch(ours)
        assert transport.wait(0.01).readable == []
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        pytest.param("truncate", "end of response|closed|missing", id="a body that is cut off"),
        pytest.param("reset", "reset|Recv failure|[Ee]mpty reply", id="a connection that is reset"),
    ],
)
def test_a_broken_answer_is_no_answer(kind: str, said: str) -> None:
    faults = [Fault("read", kind)]  # type: ignore[arg-type]
    with (
        Emulator(buckets={"b": Memory(OBJECTS)}, faults=faults) as gcs,
        lease(Endpoint(gcs.endpoint)) as transport,
    ):
        answer = fetch(transport, ["1"])["1"]
    assert not answer.ok
    assert (answer.status, answer.body) == (0, b"")
    assert re.search(said, answer.failure), answer.failure
    assert not answer.refused


def test_nobody_listening_is_told_from_a_broken_answer() -> None:
    with lease(Endpoint("http://127.0.0.1:1")) as transport:
        answer = fetch(transport, ["1"])["1"]
    assert answer.refused


@pytest.mark.parametrize("address", ["http://127.0.0.1:notaport", "http://a b", "ftp://127.0.0.1:1"])
def test_an_address_that_means_nothing_is_not_retried_as_a_broken_answer(address: str) -> None:
    with lease(Endpoint(address)) as transport:
        answer = fetch(transport, ["a"])["a"]
    assert answer.refused


def test_an_interrupted_wait_raises_and_loses_nothing(gcs: Emulator) -> None:
    with lease(Endpoint(gcs.endpoint)) as transport:
        main = threading.main_thread().ident
        assert main is not None
        presser = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))

        def interrupted() -> None:  # one that comes before it is expected would end all tests
            presser.start()
            transport.wait()

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        presser.join()
        assert fetch(transport, ["3"])["3"].body == OBJECTS["3"]


def test_connections_are_kept_for_the_next_call_of_the_same_endpoint(gcs: Emulator) -> None:
    endpoint = Endpoint(gcs.endpoint, headers=("X-Own: 1",))
    with lease(endpoint) as first:
        fetch(first, ["1"])
    with lease(endpoint) as second:
        assert second is first
        with lease(endpoint) as nested:
            assert nested is not first


def test_a_transport_left_with_answers_to_come_is_not_lent_again(gcs: Emulator) -> None:
    endpoint = Endpoint(gcs.endpoint, headers=("X-Own: 2",))
    with lease(endpoint) as first:
        first.start(media("1"), "1")
    with lease(endpoint) as second:
        assert second is not first


def test_a_forked_child_never_uses_its_parents_connections(gcs: Emulator) -> None:
    endpoint = Endpoint(gcs.endpoint, headers=("X-Own: 3",))
    with lease(endpoint) as parents:
        fetch(parents, ["1"])
    child = os.fork()
    if not child:
        with lease(endpoint) as own:
            right = own is not parents and fetch(own, list(OBJECTS))["9"].body == OBJECTS["9"]
        os._exit(0 if right else 1)
    with lease(endpoint) as ours:
        assert ours is parents
        assert {name: answer.body for name, answer in fetch(ours, list(OBJECTS)).items()} == OBJECTS
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_server_certificate_is_verified(tmp_path: Path) -> None:
    certfile, keyfile = certificate(tmp_path)
    with Emulator(buckets={"b": Memory(OBJECTS)}, certfile=certfile, keyfile=keyfile) as gcs:
        endpoint = gcs.endpoint.replace("127.0.0.1", "localhost")
        with lease(Endpoint(endpoint, ca_file=str(certfile))) as trusting:
            assert fetch(trusting, ["5"])["5"].body == OBJECTS["5"]
        with lease(Endpoint(endpoint)) as doubting:
            answer = fetch(doubting, ["5"])["5"]
        assert not answer.ok
        assert "certificate" in answer.failure


@pytest.mark.parametrize("keeps", [True, False], ids=["kept where that is asked for", "dropped otherwise"])
def test_the_beginning_of_a_body_that_breaks_off_is(keeps: bool) -> None:
    content = bytes(range(256)) * 4096
    with (
        Emulator(buckets={"b": Memory({"7": content})}, faults=[Fault("read", "truncate")]) as gcs,
        lease(Endpoint(gcs.endpoint)) as transport,
    ):
        transport.start(Request("GET", media("7").target, keeps_beginning=keeps), "7")
        ((_, answer),) = transport.wait().answers
    assert answer.failure
    assert not answer.ok
    assert answer.begun_status == (200 if keeps else 0)
    assert content.startswith(answer.body)
    assert bool(answer.body) == keeps


def test_a_request_that_is_cancelled_brings_no_answer_and_leaves_the_others_alone(gcs: Emulator) -> None:
    with lease(Endpoint(gcs.endpoint)) as transport:
        tags = [object(), object()]
        for tag in tags:
            transport.start(media("7"), tag)
        transport.cancel(tags[0])
        transport.cancel(tags[0])
        assert transport.in_flight == 1
        ((tag, answer),) = transport.wait().answers
        assert tag is tags[1]
        assert answer.ok
        assert fetch(transport, ["8"])["8"].body == OBJECTS["8"]


@pytest.mark.parametrize("size", [600_000, 599_999, 1_000_000, 0], ids=["as large", "smaller", "larger", "empty"])
def test_what_is_expected_needs_not_come(size: int) -> None:
    content = bytes(range(256)) * 4000
    with (
        Emulator(buckets={"b": Memory({"7": content[:size], "8": content})}) as gcs,
        lease(Endpoint(gcs.endpoint)) as transport,
    ):
        for _ in range(2):  # by the same handle, between others
            for name, expected in (("7", content[:size]), ("8", content)):
                request = Request(
                    "GET", media(name).target, max_bytes=2_000_000, expected_bytes=600_000 * (name == "7")
                )
                transport.start(request, name)
                ((_, answer),) = transport.wait().answers
                assert answer.body == expected
