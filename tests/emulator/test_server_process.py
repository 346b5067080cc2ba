from __future__ import annotations

import json
import os
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
from http.client import HTTPConnection, HTTPSConnection, IncompleteRead, RemoteDisconnected
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from dataflux_core.emulator import Emulator, EmulatorError, Fault, Latency, Memory, Synthetic
from tests.certificates import certificate
from tests.emulator.asking import API, UPLOAD
from tests.processes import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.client import HTTPResponse
    from pathlib import Path

    from dataflux_core.emulator._config import Kind

WAIT_S = 10.0


@pytest.fixture(scope="module")
def shared() -> Iterator[Emulator]:
    with Emulator() as gcs:
        yield gcs


@pytest.fixture
def gcs(shared: Emulator) -> Emulator:
    """A running emulator as if it were fresh."""
    shared.create_bucket("box", Memory({"a": b"0123456789" * 100}))
    shared.configure(latency=Latency(), faults=[], max_in_flight=None, token=None)
    shared.reset_requests()
    return shared


def connect(gcs: Emulator) -> HTTPConnection:
    parts = urlsplit(gcs.endpoint)
    return HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT_S)


def ask(gcs: Emulator, method: str, url: str, body: bytes = b"", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = connect(gcs)
    try:
        connection.request(method, url, body, headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def gone(pid: int) -> bool:
    """Wait for a process that is not our child to end."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], WAIT_S)[0])
    finally:
        os.close(descriptor)


def test_a_server_lives_as_long_as_its_block() -> None:
    with Emulator() as gcs:
        pid = gcs.pid
        os.kill(pid, 0)
    assert gone(pid)
    with pytest.raises(EmulatorError, match="not running"):
        _ = gcs.endpoint


def test_an_emulator_starts_again_with_fresh_buckets() -> None:
    gcs = Emulator(buckets={"box": Memory({"a": b"1"})})
    with gcs:
        gcs.put("box", "b", b"2")
        first = gcs.pid
        with pytest.raises(EmulatorError, match="running already"):
            gcs.start()
    with gcs:
        assert gcs.pid != first
        page = json.loads(ask(gcs, "GET", API)[1])
        assert [item["name"] for item in page["items"]] == ["a"]
    gcs.stop()


CHILD = """
import os, signal, sys
from dataflux_core.emulator import Emulator
gcs = Emulator().start()
child = os.fork() if {forks} else None
if child == 0:
    signal.pause()
print(gcs.pid, child or 0, flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    "forks",
    [
        pytest.param(False, id="a killed parent leaves no server"),
        pytest.param(True, id="nor does one whose forked child holds the pipe"),
    ],
)
def test_no_orphans(forks: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD.format(forks=forks)], stdout=subprocess.PIPE, text=True
    ) as parent:
        server, child = map(int, line_of(parent).split())
        parent.kill()
        try:
            assert gone(server)
        finally:
            if child:
                os.kill(child, signal.SIGKILL)


def test_ctrl_c_in_the_terminal_reaches_the_caller_alone(gcs: Emulator) -> None:
    assert os.getpgid(gcs.pid) != os.getpgid(0)


def test_a_taken_port_is_named(gcs: Emulator) -> None:
    port = urlsplit(gcs.endpoint).port or 0
    with pytest.raises(EmulatorError, match=f"did not start on 127.0.0.1:{port}.*in use"):
        Emulator(port=port).start()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflux_core.emulator._emulator.NEEDED", ("httptools", "no_such_module"))
    with pytest.raises(EmulatorError, match=r"needs no_such_module: pip install 'dataflux_core\[emulator\]'"):
        Emulator().start()


def test_a_server_that_was_killed_says_so() -> None:
    with Emulator() as gcs:
        os.kill(gcs.pid, signal.SIGKILL)
        with pytest.raises(EmulatorError, match="ended with status -9"):
            gcs.wait()


def test_importing_is_light() -> None:
    heavy = "uvloop httptools numpy msgspec click google_crc32c ssl asyncio"
    code = f"import sys, dataflux_core.emulator; print([m for m in '{heavy}'.split() if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_environment_points_clients_here(gcs: Emulator) -> None:
    assert gcs.environ == {"STORAGE_EMULATOR_HOST": gcs.endpoint, "NO_GCE_CHECK": "true"}


def test_objects_are_put_past_everything(gcs: Emulator) -> None:
    gcs.configure(token=str(0), faults=[Fault("any", "503")])
    generation = gcs.put("box", "é/😀 &", b"hello", {"storageClass": "NEARLINE", "metadata": {"k": "v"}})
    gcs.configure(token=None, faults=[])
    described = json.loads(ask(gcs, "GET", f"{API}/%C3%A9%2F%F0%9F%98%80%20%26")[1])
    assert (described["generation"], described["storageClass"]) == (str(generation), "NEARLINE")
    with pytest.raises(EmulatorError, match="bucket does not exist: none"):
        gcs.put("none", "a", b"")


def test_counters(gcs: Emulator) -> None:
    gcs.create_bucket("many", Synthetic("sequential", 50))
    ask(gcs, "GET", "/storage/v1/b/many/o?maxResults=7")
    _, body = ask(gcs, "GET", f"{API}/a?alt=media")
    ask(gcs, "GET", f"{API}/none")
    requests = gcs.requests()
    assert requests.counts == {"list": 1, "read": 1, "get": 1}
    assert (requests.total, requests["list"], requests["delete"]) == (3, 1, 0)
    assert requests.errors == {"404": 1}
    assert requests.objects_listed == 7
    assert requests.bytes_sent > len(body)
    assert requests.cpu_s > 0
    gcs.reset_requests()
    assert gcs.requests().total == 0


def test_peaks_count_what_is_in_flight_at_once(gcs: Emulator) -> None:
    gcs.configure(latency=Latency(read_s=2, list_s=2))  # so that all are there before the first is answered
    connections = [connect(gcs) for _ in range(3)]
    for connection, url in zip(connections, [f"{API}/a?alt=media", f"{API}/a?alt=media", API], strict=True):
        connection.request("GET", url)
    for connection in connections:
        assert connection.getresponse().read()
        connection.close()
    requests = gcs.requests()
    assert (requests.peak, requests.peaks) == (3, {"read": 2, "list": 1})


def test_more_than_max_in_flight_are_429(gcs: Emulator) -> None:
    slow = connect(gcs)
    # A connection that is open already: its next request arrives before one that must connect first.
    slow.request("GET", f"{API}/a?alt=media")
    slow.getresponse().read()
    gcs.configure(max_in_flight=1, latency=Latency(read_s=2))  # so that it is in flight when the other comes
    slow.request("GET", f"{API}/a?alt=media")
    assert ask(gcs, "GET", API)[0].status == 429
    assert slow.getresponse().status == 200
    slow.close()
    assert ask(gcs, "GET", API)[0].status == 200
    assert gcs.requests().errors == {"429": 1}


def test_a_token_is_demanded_until_it_changes(gcs: Emulator) -> None:
    gcs.configure(token=str(1))
    refused, body = ask(gcs, "GET", API)
    assert refused.status == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert json.loads(body)["error"]["errors"][0]["reason"] == "authError"
    assert ask(gcs, "GET", API, Authorization="Bearer 1")[0].status == 200
    gcs.configure(token=str(2))
    assert ask(gcs, "GET", API, Authorization="Bearer 1")[0].status == 401
    assert ask(gcs, "GET", API, Authorization="Bearer 2")[0].status == 200


@pytest.mark.parametrize("status", [401, 408, 429, 500, 502, 503, 504])
def test_faults_with_a_status(gcs: Emulator, status: int) -> None:
    gcs.configure(faults=[Fault("read", str(status), times=1, retry_after_s=7)])  # type: ignore[arg-type]
    response, body = ask(gcs, "GET", f"{API}/a?alt=media")
    assert response.status == status
    assert json.loads(body)["error"]["code"] == status
    assert response.headers.get("retry-after") == ("7" if status == 429 else None)
    assert ask(gcs, "GET", f"{API}/a?alt=media")[0].status == 200
    assert gcs.requests().errors == {str(status): 1}


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        pytest.param("reset", False, id="a reset comes before anything is done"),
        pytest.param("lost", True, id="a lost answer comes after it is done"),
    ],
)
def test_a_connection_is_reset(gcs: Emulator, kind: str, done: bool) -> None:
    gcs.configure(faults=[Fault("insert", kind)])  # type: ignore[arg-type]
    with pytest.raises((ConnectionResetError, RemoteDisconnected)) as caught:
        ask(gcs, "POST", f"{UPLOAD}?uploadType=media&name=new", b"x")
    assert type(caught.value) is ConnectionResetError
    assert (ask(gcs, "GET", f"{API}/new")[0].status == 200) is done
    assert gcs.requests().errors[kind] == 1


@pytest.mark.parametrize("kind", ["reset", "lost"])
def test_a_connection_under_tls_is_reset_as_well(tmp_path: Path, kind: Kind) -> None:
    certfile, keyfile = certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(certfile))
    buckets, faults = {"box": Memory({"a": b"x"})}, [Fault("read", kind)]
    with Emulator(buckets=buckets, faults=faults, certfile=certfile, keyfile=keyfile) as gcs:
        parts = urlsplit(gcs.endpoint)
        with socket.create_connection((parts.hostname or "", parts.port or 0), WAIT_S) as raw:
            below = raw.dup()  # Python's ssl calls it an end of file, so look at what the system says
            with below, context.wrap_socket(raw, server_hostname=parts.hostname) as safe:
                safe.sendall(f"GET {API}/a?alt=media HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                with pytest.raises(ConnectionResetError):
                    list(iter(lambda: below.recv(1000), b""))  # session tickets come first
        assert gcs.requests().errors == {kind: 1}


def test_a_truncated_body_is_shorter_than_its_length(gcs: Emulator) -> None:
    gcs.configure(faults=[Fault("read", "truncate")])
    with pytest.raises(IncompleteRead) as caught:
        ask(gcs, "GET", f"{API}/a?alt=media")
    assert (len(caught.value.partial), caught.value.expected) == (500, 500)


def test_a_stalled_body_stops_in_the_middle_but_stays_open(gcs: Emulator) -> None:
    gcs.configure(faults=[Fault("read", "stall")])
    connection = connect(gcs)
    connection.request("GET", f"{API}/a?alt=media")
    response = connection.getresponse()
    assert response.length == 1000
    assert len(response.read(500)) == 500
    assert connection.sock is not None or response.fp is not None
    response.fp.raw._sock.settimeout(0.1)  # type: ignore[attr-defined]
    with pytest.raises(TimeoutError):
        response.read(1)
    response.close()
    connection.close()
    gcs.configure(faults=[])
    assert ask(gcs, "GET", f"{API}/a?alt=media")[0].status == 200


@pytest.mark.parametrize("kind", ["checksum", "hash_header"])
def test_bytes_disagree_with_their_hash(gcs: Emulator, kind: str) -> None:
    true, content = ask(gcs, "GET", f"{API}/a?alt=media")
    gcs.configure(faults=[Fault("read", kind)])  # type: ignore[arg-type]
    response, body = ask(gcs, "GET", f"{API}/a?alt=media")
    assert len(body) == len(content)
    assert (body == content) is (kind == "hash_header")
    assert (response.headers["x-goog-hash"] == true.headers["x-goog-hash"]) is (kind == "checksum")


def test_a_connection_serves_many_requests(gcs: Emulator) -> None:
    connection = connect(gcs)
    for _ in range(3):
        connection.request("GET", f"{API}/a?alt=media", headers={"Range": "bytes=0-3"})
        assert connection.getresponse().read() == b"0123"
    connection.request("HEAD", f"{API}/a?alt=media")
    head = connection.getresponse()
    assert (head.status, head.read(), head.headers["content-length"]) == (200, b"", "1000")
    connection.request("DELETE", f"{API}/a")
    assert connection.getresponse().read() == b""
    connection.close()


def test_requests_may_come_before_the_last_is_answered(gcs: Emulator) -> None:
    parts = urlsplit(gcs.endpoint)
    with socket.create_connection((parts.hostname, parts.port), WAIT_S) as raw:
        raw.sendall(f"GET {API}/a?alt=media HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n".encode() * 3)
        received = b""
        while received.count(b"HTTP/1.1 206") < 3 or not received.endswith(b"\r\n\r\n0"):
            chunk = raw.recv(65536)
            assert chunk
            received += chunk


def test_an_upload_larger_than_a_socket_buffer_arrives(gcs: Emulator) -> None:
    content = os.urandom(3 << 20)
    assert ask(gcs, "POST", f"{UPLOAD}?uploadType=media&name=big", content)[0].status == 200
    assert ask(gcs, "GET", f"{API}/big?alt=media")[1] == content


def leave(gcs: Emulator, request: bytes) -> None:
    """Begin a request, then be gone."""
    parts = urlsplit(gcs.endpoint)
    with socket.create_connection((parts.hostname, parts.port or 0), WAIT_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(request)


def test_an_upload_that_breaks_off_is_no_object(gcs: Emulator) -> None:
    leave(gcs, f"POST {UPLOAD}?uploadType=media&name=half HTTP/1.1\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    _, body = ask(gcs, "GET", API)
    assert [item["name"] for item in json.loads(body)["items"]] == ["a"]


def test_a_request_in_flight_at_the_end_is_dropped_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    with Emulator(buckets={"box": Memory({"a": b"x"})}, latency=Latency(read_s=WAIT_S)) as gcs:
        connection = connect(gcs)
        connection.request("GET", f"{API}/a?alt=media")
        while not gcs.requests().counts.get("read"):
            pass  # on its way
    with pytest.raises(ConnectionError):
        connection.getresponse()
    connection.close()
    assert not capfd.readouterr().err


@pytest.mark.parametrize("kind", ["reset", "lost", "truncate", "stall", "checksum"])
def test_a_client_that_is_gone_before_its_fault_is_no_error_of_ours(
    kind: Kind, capfd: pytest.CaptureFixture[str]
) -> None:
    with Emulator(
        buckets={"box": Memory({"a": b"x"})}, latency=Latency(read_s=0.1), faults=[Fault("read", kind)]
    ) as gcs:
        leave(gcs, f"GET {API}/a?alt=media HTTP/1.1\r\n\r\n".encode())
        gcs.configure(latency=Latency(list_s=0.3))
        assert ask(gcs, "GET", API)[0].status == 200  # answered when the other one's time is over
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("url", ["/storage/v1/b/box/o?prefix=%FF", "/storage/v1/b/box/o/%FF", "/box/%FF"])
def test_bytes_that_are_no_utf_8_are_refused(gcs: Emulator, url: str) -> None:
    assert ask(gcs, "GET", url)[0].status == 400


def test_tls(tmp_path: Path) -> None:
    certfile, keyfile = certificate(tmp_path)
    with Emulator(buckets={"box": Memory({"a": b"x"})}, certfile=certfile, keyfile=keyfile) as gcs:
        assert gcs.endpoint.startswith("https://")
        gcs.put("box", "b", b"y")
        parts = urlsplit(gcs.endpoint)
        context = ssl.create_default_context(cafile=str(certfile))
        connection = HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=WAIT_S)
        connection.request("GET", API)
        described = json.loads(connection.getresponse().read())
        connection.close()
    assert [item["name"] for item in described["items"]] == ["a", "b"]
    assert described["items"][0]["selfLink"].startswith("https://")
