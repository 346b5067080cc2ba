from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from dataflux_core.emulator import Directory, Emulator, Fault, Latency, Memory, Synthetic
from dataflux_core.emulator._app import App
from dataflux_core.emulator._build import make_store
from dataflux_core.emulator._config import Contents, ServerPlan, Settings
from dataflux_core.emulator._connection import Connection, Front
from tests.emulator.asking import API, UPLOAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

WAIT_S = 20.0
LARGE_BYTES = 9 << 20  # more than the buffers of a connection on loopback hold
READ = f"GET {API}/a?alt=media HTTP/1.1\r\nHost: x\r\n\r\n".encode()
LIST = f"GET {API}?fields=items/name HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with Emulator() as gcs:
        yield gcs


@pytest.fixture
def gcs(shared: Emulator) -> Emulator:
    """A running emulator as if it were fresh."""
    shared.create_bucket("box", Memory({"a": b"0123456789"}))
    shared.configure(latency=Latency(), faults=[], max_in_flight=None, token=None)
    shared.reset_requests()
    return shared


@contextmanager
def talk(gcs: Emulator) -> Iterator[tuple[socket.socket, BufferedReader]]:
    """Connect; give the socket to send with, the file to read from."""
    parts = urlsplit(gcs.endpoint)
    with socket.create_connection((parts.hostname or "", parts.port or 0), WAIT_S) as raw, raw.makefile("rb") as file:
        yield raw, file


def answer(file: BufferedReader) -> tuple[int, dict[str, str], bytes]:
    """Read one answer: status, headers, body."""
    status = int(file.readline().split()[1])
    headers: dict[str, str] = {}
    while line := file.readline().strip().decode():
        key, value = line.split(": ", 1)
        headers[key] = value
    return status, headers, file.read(int(headers.get("content-length", "0")))


def test_requests_sent_ahead_are_answered_one_by_one_in_their_order(gcs: Emulator) -> None:
    gcs.configure(latency=Latency(list_s=0.05))
    with talk(gcs) as (raw, file):
        raw.sendall((LIST + READ) * 3)
        bodies = [answer(file)[2] for _ in range(6)]
    assert bodies == [b'{"items":[{"name":"a"}]}', b"0123456789"] * 3
    assert gcs.requests().peak == 1


def test_thousands_of_requests_sent_ahead_are_answered(gcs: Emulator) -> None:
    gcs.configure(latency=Latency(list_s=0.01))
    with talk(gcs) as (raw, file):
        raw.sendall(LIST + READ * 3000)
        assert [answer(file)[0] for _ in range(3001)] == [200] * 3001


@pytest.mark.parametrize("kind", ["memory", "synthetic", "directory"])
def test_a_client_that_does_not_read_is_not_written_for(gcs: Emulator, tmp_path: Path, kind: str) -> None:
    content = os.urandom(LARGE_BYTES)
    (tmp_path / "a").write_bytes(content)
    synthetic = Synthetic("sequential", 1, object_bytes=LARGE_BYTES)
    buckets: dict[str, Contents] = {
        "memory": Memory({"a": content}),
        "synthetic": synthetic,
        "directory": Directory(tmp_path),
    }
    gcs.create_bucket("box", buckets[kind])
    name = "a"
    if kind == "synthetic":
        name, content = synthetic.name_at(0), synthetic.content(synthetic.name_at(0))
    with talk(gcs) as (raw, file):
        raw.sendall(READ.replace(b"/a?", f"/{name}?".encode()) * 10)
        assert file.peek(1)
        assert gcs.requests()["read"] <= 2  # the second waits for the first one to be taken
        assert [answer(file)[2] == content for _ in range(10)] == [True] * 10


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        pytest.param(None, LARGE_BYTES, id="one that does not read"),
        pytest.param("stall", 10, id="one whose answer has stalled"),
    ],
)
def test_a_client_that_leaves_is_in_flight_no_more(gcs: Emulator, tmp_path: Path, kind: str | None, size: int) -> None:
    (tmp_path / "a").write_bytes(bytes(size))
    gcs.create_bucket("box", Directory(tmp_path))
    gcs.configure(max_in_flight=1, faults=[Fault("read", kind)] if kind else [])  # type: ignore[arg-type]
    with talk(gcs) as (raw, file):
        raw.sendall(READ)
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
    with talk(gcs) as (raw, file):
        raw.sendall(LIST)
        while answer(file)[0] == 429:
            raw.sendall(LIST)  # until the server has noticed


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param(READ.replace(b"Host: x", b"Connection: close"), id="asked for"),
        pytest.param(READ.replace(b"1.1", b"1.0"), id="HTTP/1.0"),
    ],
)
def test_the_last_answer_of_a_connection_says_so(gcs: Emulator, request_line: bytes) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(request_line + READ)
        _, headers, body = answer(file)
        assert (headers["connection"], body, file.read()) == ("close", b"0123456789", b"")


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"


def upload(lines: bytes, body: bytes = b"") -> bytes:
    """Write an upload of the object b with some header lines."""
    return f"POST {UPLOAD}?uploadType=media&name=b HTTP/1.1\r\n".encode() + lines + b"\r\n" + body


def test_an_offer_of_another_protocol_is_passed_over(gcs: Emulator) -> None:
    offer = READ.replace(b"Host: x\r\n", OFFER)
    with talk(gcs) as (raw, file):
        raw.sendall(offer + READ)
        assert [answer(file)[2] for _ in range(2)] == [b"0123456789"] * 2
        raw.sendall(READ)
        assert answer(file)[2] == b"0123456789"


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        pytest.param(b"Content-Length: 6\r\n", b"abcdef", id="its length is said"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", b"6\r\nabcdef\r\n0\r\n\r\n", id="in chunks"),
    ],
)
@pytest.mark.parametrize("step", [pytest.param(1, id="byte by byte"), pytest.param(1 << 20, id="at once")])
def test_an_upload_that_offers_another_protocol_keeps_its_body(
    gcs: Emulator, lines: bytes, body: bytes, step: int
) -> None:
    sent = upload(OFFER + lines, body) + READ.replace(b"/a?", b"/b?")
    with talk(gcs) as (raw, file):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), step):
            raw.sendall(sent[at : at + step])
        assert json.loads(answer(file)[2])["size"] == "6"
        assert answer(file)[2] == b"abcdef"


def test_leave_to_send_a_body_is_given_beside_an_offer(gcs: Emulator) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(upload(OFFER + b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
        assert answer(file)[0] == 100
        raw.sendall(b"abc")
        assert json.loads(answer(file)[2])["size"] == "3"


def test_the_last_request_of_a_connection_may_make_an_offer(gcs: Emulator) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(upload(OFFER.replace(b"Upgrade,", b"close, Upgrade,") + b"Content-Length: 3\r\n", b"abc") + READ)
        status, headers, body = answer(file)
        assert (status, headers["connection"], json.loads(body)["size"], file.read()) == (200, "close", "3", b"")


def test_thousands_of_offers_sent_ahead_are_answered(gcs: Emulator) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(READ.replace(b"Host: x\r\n", OFFER) * 3000)
        assert [answer(file)[0] for _ in range(3000)] == [200] * 3000


@pytest.mark.parametrize("before", [pytest.param(b"", id="at once"), pytest.param(LIST, id="behind another request")])
def test_a_body_is_sent_when_leave_is_given(gcs: Emulator, before: bytes) -> None:
    gcs.configure(latency=Latency(list_s=0.05))
    line = f"POST {UPLOAD}?uploadType=media&name=b HTTP/1.1\r\n".encode()
    with talk(gcs) as (raw, file):
        raw.sendall(before + line + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        if before:
            assert answer(file)[0] == 200
        assert answer(file)[0] == 100
        raw.sendall(b"abc")
        assert json.loads(answer(file)[2])["size"] == "3"


def test_leave_is_not_given_to_who_cannot_understand_it(gcs: Emulator) -> None:
    line = upload(b"Expect: 100-continue\r\nContent-Length: 3\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")
    with talk(gcs) as (raw, file):
        raw.sendall(line + b"abc")
        status, _, body = answer(file)
        assert (status, json.loads(body)["size"]) == (200, "3")


def test_an_old_client_that_asks_to_go_on_is_told_that_it_may(gcs: Emulator) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(READ.replace(b"1.1", b"1.0").replace(b"Host: x", b"Connection: keep-alive") + READ)
        assert answer(file)[1]["connection"] == "keep-alive"
        assert "connection" not in answer(file)[1]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        pytest.param("OPTIONS * HTTP/1.1", 404, id="of the server itself"),
        pytest.param("GET http://anywhere HTTP/1.1", 404, id="without a path"),
        pytest.param("GET http:///a HTTP/1.1", 400, id="without a host"),
        pytest.param("CONNECT anywhere:443 HTTP/1.1", 400, id="a tunnel"),
        pytest.param("CONNECT anywhere:443 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c", 400, id="one of two"),
    ],
)
def test_what_asks_for_no_path_is_refused(gcs: Emulator, line: str, status: int) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(f"{line}\r\nHost: x\r\n\r\n".encode())
        found, headers, _ = answer(file)
        assert found == status
        if "connection" not in headers:
            raw.sendall(READ)
            assert answer(file)[2] == b"0123456789"


def test_the_bytes_of_an_answer_without_a_body_are_not_sent(gcs: Emulator) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(READ.replace(b"GET", b"HEAD"))
        while line := file.readline().strip():
            assert line != b"content-length: 0"
        assert gcs.requests().bytes_sent == 0
        raw.sendall(READ)
        assert answer(file)[2] == b"0123456789"
        assert gcs.requests().bytes_sent == 10


def test_what_is_no_http_is_refused(gcs: Emulator) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(READ + b"\x16\x03\x01\r\n\r\n")
        assert answer(file)[0] == 200
        status, headers, _ = answer(file)
        assert (status, headers["connection"], file.read()) == (400, "close", b"")


def test_a_request_may_come_byte_by_byte(gcs: Emulator) -> None:
    line = f"POST {UPLOAD}?uploadType=media&name=b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc".encode()
    with talk(gcs) as (raw, file):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(line)):
            raw.sendall(line[at : at + 1])
        assert json.loads(answer(file)[2])["name"] == "b"


def test_a_proxy_s_form_of_a_request_is_understood(gcs: Emulator) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(READ.replace(b"GET ", b"GET http://anywhere"))
        assert answer(file)[2] == b"0123456789"


def test_an_error_of_ours_is_a_500_that_says_so(gcs: Emulator) -> None:
    with talk(gcs) as (raw, file):
        raw.sendall(b"PUT /_emulator/bucket?bucket=b HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" + READ)
        status, _, body = answer(file)
        assert (status, "KeyError" in json.loads(body)["error"]["message"]) == (500, True)
        assert answer(file)[0] == 200


def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(
    gcs: Emulator, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_bytes(bytes(LARGE_BYTES))
    gcs.create_bucket("box", Directory(tmp_path))
    with talk(gcs) as (raw, file):
        raw.sendall(READ)
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        os.truncate(tmp_path / "a", 1000)
        assert len(file.read()) < LARGE_BYTES
    with talk(gcs) as (raw, file):
        raw.sendall(READ)
        assert answer(file)[2] == bytes(1000)
    assert not capfd.readouterr().err


def test_idle_connections_are_closed_busy_ones_are_not() -> None:
    async def run() -> None:
        store = make_store(ServerPlan({"box": Memory({"a": b"0123456789"})}))
        front = Front(App(store, Settings(latency=Latency(list_s=0.1))), "http")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(front), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        busy, busy_writer = await asyncio.open_connection("127.0.0.1", port)
        idle_writer.write(READ)
        busy_writer.write(READ + LIST)
        assert await idle.readuntil(b"0123456789")
        assert await busy.readuntil(b"0123456789")  # so the listing is begun
        front.second += 601
        front.close_idle(600)
        assert await idle.read() == b""
        assert await busy.readuntil(b'"a"}]}')
        front.close_idle(600)
        assert await busy.read() == b""
        for writer in (idle_writer, busy_writer):
            writer.close()
            await writer.wait_closed()
        server.close()

    asyncio.run(run())


def test_a_latency_counts_from_the_turn_of_the_loop_that_read_the_request() -> None:
    async def run() -> None:
        front = Front(App(make_store(ServerPlan({})), Settings()), "http")
        loop = asyncio.get_running_loop()
        first_s = front.turn_s(loop)
        assert front.turn_s(loop) == first_s
        await asyncio.sleep(0)
        assert front.turn_s(loop) > first_s

    asyncio.run(run())
