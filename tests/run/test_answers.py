"""What is kept of an answer: its own head, the bytes that came, whatever was said or done before it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._plan.columns import UNKNOWN_SIZE
from dataflux_core._run.connections import lease
from dataflux_core._run.transport import Endpoint, Transport
from dataflux_core._wire.message import Answer, Request
from tests.certificates import certificate
from tests.fetching.hostile import Hostile, gives
from tests.fetching.tunnel import tunnel_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fetching.hostile import Ask, Behaviour

LARGE = bytes(range(1, 256)) * 4000  # no zeros, and not what memory was before
MOST = 2_000_000


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as running:
        yield running


def sends(*heads: str, body: bytes = b"") -> Behaviour:
    """Send heads as they are, then a body, then hang up."""

    def behave(ask: Ask) -> None:
        for head in heads:
            ask.handler.wfile.write(head.replace("\n", "\r\n").encode() + b"\r\n")
        ask.handler.wfile.write(body)
        ask.hang_up()

    return behave


def asked(transport: Transport, name: str, **more: Any) -> Answer:
    transport.start(Request("GET", f"/{name}", **more), name)
    ((_, answer),) = transport.wait().answers
    return answer


HINTS = 'HTTP/1.1 103 Early Hints\nETag: "hint"\nContent-Length: x\n'
OK = "HTTP/1.1 200 OK\n"


@pytest.mark.parametrize("times", [1, 3])
def test_of_interim_answers_nothing_is_kept(times: int, server: Hostile) -> None:
    server.behaviours["/x"] = sends(*[HINTS] * times, f"{OK}Content-Length: 4\n", body=b"body")
    with lease(Endpoint(server.url)) as transport:
        answer = asked(transport, "x")
    assert answer.head == (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 4\r\n", b"\r\n")
    assert (answer.status, answer.body) == (200, b"body")


def test_who_listens_gets_the_head_of_the_answer_alone(server: Hostile) -> None:
    server.behaviours["/x"] = sends(HINTS, f"{OK}Content-Length: 4\n", body=b"body")
    heard: list[tuple[list[bytes], bytes]] = []
    with lease(Endpoint(server.url)) as transport:
        transport.start(Request("GET", "/x"), "x", listener=lambda head, piece: heard.append((head.copy(), piece)))
        assert transport.wait().answers
    assert [(head[0], piece) for head, piece in heard] == [(b"HTTP/1.1 200 OK\r\n", b"body")]


def test_of_a_tunnel_nothing_is_kept(tmp_path: Path) -> None:
    certfile, keyfile = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    with Hostile({"/x": gives(b"no", 503)}, context=context) as server, tunnel_to(server.port) as proxy:
        endpoint = Endpoint("https://localhost:1", proxy=proxy, ca_file=str(certfile))
        with lease(endpoint) as transport:
            answer = asked(transport, "x")
    assert (answer.status, answer.body) == (503, b"no")
    assert answer.head[0].startswith(b"HTTP/1.1 503")
    assert answer.header(b"etag") == ""


TOO_LARGE: dict[str, tuple[tuple[str, ...], int]] = {
    "a number of its own": ((f"{OK}Content-Length: 99999999999\n",), 99_999_999_999),
    "its own number, not that of early hints": ((HINTS, f"{OK}Content-Length: 99999999999\n"), 99_999_999_999),
    "more digits than Python reads": ((f"{OK}Content-Length: {'9' * 5000}\n",), 1),
    "more than 64 bits can hold": ((f"{OK}Content-Length: {'9' * 30}\n",), 1),
}


@pytest.mark.parametrize(("heads", "announced_bytes"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_is_too_large_is_said_to_be_so_by(heads: tuple[str, ...], announced_bytes: int, server: Hostile) -> None:
    server.behaviours |= {"/x": sends(*heads, body=b"abc"), "/y": gives(b"y")}
    with lease(Endpoint(server.url)) as transport:
        answer = asked(transport, "x", max_bytes=1000)
        assert (answer.status, answer.announced_bytes, answer.body) == (200, announced_bytes, b"")
        assert asked(transport, "y", max_bytes=1000).body == b"y"


def test_what_turns_out_to_be_too_large_after_hints_of_another_length_is_refused_all_the_same(server: Hostile) -> None:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE)
    server.behaviours["/x"] = sends(HINTS, f"{OK}Transfer-Encoding: chunked\n", body=body)
    with lease(Endpoint(server.url)) as transport:
        assert asked(transport, "x", max_bytes=1000).announced_bytes == 1


@pytest.mark.parametrize(
    ("said", "meant"),
    [("0", 0), ("12", 12), ("", UNKNOWN_SIZE), ("x", UNKNOWN_SIZE), ("1e3", UNKNOWN_SIZE), ("-1", UNKNOWN_SIZE),
     ("\u00b2", UNKNOWN_SIZE), ("9" * 18, 10**18 - 1), ("9" * 19, UNKNOWN_SIZE), ("9" * 5000, UNKNOWN_SIZE)],
)  # fmt: skip
def test_a_length_is_a_number_or_not_said(said: str, meant: int) -> None:
    assert Answer(200, (f"Content-Length: {said}\r\n".encode("latin-1"),), b"").said_bytes == meant


EXPECTED = len(LARGE)
SHORT = {"a few bytes": b"few", "none": b"", "half": LARGE[: EXPECTED // 2]}


@pytest.mark.parametrize("content", SHORT.values(), ids=SHORT)
def test_of_a_short_answer_into_a_large_room_only_what_came_is_handed_out(content: bytes, server: Hostile) -> None:
    server.behaviours |= {"/whole": gives(LARGE), "/short": gives(content)}
    with lease(Endpoint(server.url)) as transport:
        for _ in range(2):  # by one handle
            assert asked(transport, "whole", max_bytes=MOST, expected_bytes=EXPECTED).content == LARGE
            assert asked(transport, "short", max_bytes=MOST, expected_bytes=EXPECTED).content == content
            assert asked(transport, "short", max_bytes=MOST).content == content


@pytest.mark.parametrize("came", [0, 1, 300_000, EXPECTED - 1])
def test_of_an_answer_that_breaks_off_only_what_came_is_handed_out(came: int, server: Hostile) -> None:
    server.behaviours |= {
        "/broken": lambda ask: ask.reply(200, LARGE[:came], EXPECTED),
        "/short": gives(b"few"),
        "/whole": gives(LARGE),
    }
    with lease(Endpoint(server.url)) as transport:
        for _ in range(2):
            broken = asked(transport, "broken", max_bytes=MOST, expected_bytes=EXPECTED, keeps_beginning=True)
            assert broken.failure
            assert (broken.begun_status, broken.body) == (200, LARGE[:came])
            assert asked(transport, "broken", max_bytes=MOST, expected_bytes=EXPECTED).body == b""
            assert asked(transport, "short", max_bytes=MOST, expected_bytes=EXPECTED).body == b"few"
            assert asked(transport, "whole", max_bytes=MOST).body == LARGE


def test_of_what_was_refused_or_dropped_nothing_is_left_in_the_room_of_the_next(server: Hostile) -> None:
    server.behaviours |= {"/large": gives(LARGE), "/few": gives(b"few")}
    with lease(Endpoint(server.url)) as transport:
        assert asked(transport, "large", max_bytes=600_000, expected_bytes=600_000).announced_bytes == EXPECTED
        assert asked(transport, "few", max_bytes=600_000, expected_bytes=600_000).content == b"few"
        tag = object()
        transport.start(Request("GET", "/large", max_bytes=MOST, expected_bytes=EXPECTED), tag)
        transport.cancel(tag)
        assert asked(transport, "few", max_bytes=MOST, expected_bytes=EXPECTED).content == b"few"
