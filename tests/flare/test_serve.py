"""`dataflux playlist serve` is a plain web server: ranges, entity tags, nothing outside its directory."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.flare.serving import served, write_files
from tests.processes import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = bytes(range(256)) * 4096  # mapped, not copied
FILES = {"a.txt": b"0123456789", "large.bin": LARGE, "sub/é b.jpg": b"picture", "empty": b"", "p.yaml": b"{}\n"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = write_files(tmp_path_factory.mktemp("served"), {"secret": b"secret"})
    root = write_files(parent / "root", {**FILES, ".hidden": b"secret", ".d/x": b"secret"})
    (root / "link").symlink_to(parent / "secret")
    (root / "inner").symlink_to(root / "a.txt")
    (root / "up").symlink_to(parent)
    os.mkfifo(root / "pipe")
    return root


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with served(root) as url:
        yield url


def asked(url: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/a.txt", FILES["a.txt"]),
        ("/a.txt?x=1", FILES["a.txt"]),
        ("/large.bin", LARGE),
        ("/sub/%C3%A9%20b.jpg", b"picture"),
        ("/%61.txt", FILES["a.txt"]),
        ("/empty", b""),
    ],
)
def test_a_file_comes_whole(url: str, path: str, content: bytes) -> None:
    status, headers, body = asked(url, path)
    assert (status, headers["content-length"], headers["accept-ranges"]) == (200, str(len(content)), "bytes")
    assert body == content


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="the directory itself"),
        pytest.param("/sub", id="a directory"),
        pytest.param("/sub/", id="a directory with its slash"),
        pytest.param("/none", id="no such file"),
        pytest.param("/a.txt/", id="a file as a directory"),
        pytest.param("/../secret", id="a way up"),
        pytest.param("/sub/../../secret", id="a way up behind a directory"),
        pytest.param("/%2e%2e/secret", id="a way up, escaped"),
        pytest.param("/..%2fsecret", id="a way up, its slash escaped"),
        pytest.param("//a.txt", id="two slashes"),
        pytest.param("/./a.txt", id="a dot"),
        pytest.param("/.hidden", id="a hidden file"),
        pytest.param("/.d/x", id="a hidden directory"),
        pytest.param("/link", id="a link that leads out"),
        pytest.param("/inner", id="a link within"),
        pytest.param("/up/secret", id="a directory that is a link"),
        pytest.param("/up/root/a.txt", id="a link that leads back in"),
        pytest.param("/a.txt%00", id="a NUL"),
        pytest.param("/pipe", id="a pipe that nobody writes to"),
        pytest.param("/" + "x" * 5000, id="a name that no file system has"),
        pytest.param("/a/" * 2000, id="a path that is too long"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_no_file_of_it_is_not_there(url: str, path: str, method: str) -> None:
    status, _, body = asked(url, path, method)
    assert status == 404
    assert b"secret" not in body


@pytest.mark.parametrize(
    ("wanted", "said", "content"),
    [
        ("bytes=0-3", "bytes 0-3/10", b"0123"),
        ("bytes=7-", "bytes 7-9/10", b"789"),
        ("bytes=-2", "bytes 8-9/10", b"89"),
        ("bytes=-99", "bytes 0-9/10", b"0123456789"),
        ("bytes=9-9999999999999999999999", "bytes 9-9/10", b"9"),
    ],
)
def test_a_range_is_that_range(url: str, wanted: str, said: str, content: bytes) -> None:
    status, headers, body = asked(url, "/a.txt", range=wanted)
    assert (status, headers["content-range"], body) == (206, said, content)


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_behind_the_end_names_the_size(url: str, wanted: str) -> None:
    status, headers, _ = asked(url, "/a.txt", range=wanted)
    assert (status, headers["content-range"]) == (416, "bytes */10")


@pytest.mark.parametrize("wanted", ["bytes=3-1", "lines=0-1", "bytes=a-b", "bytes=0-1,3-4", ""])
def test_a_range_that_means_nothing_here_is_left_aside(url: str, wanted: str) -> None:
    status, _, body = asked(url, "/a.txt", range=wanted)
    assert (status, body) == (200, FILES["a.txt"])


def test_a_range_of_a_large_file_may_begin_anywhere(url: str) -> None:
    status, _, body = asked(url, "/large.bin", range="bytes=5001-900000")
    assert (status, body) == (206, LARGE[5001:900001])


def test_head_tells_what_get_would(url: str) -> None:
    status, headers, body = asked(url, "/a.txt", "HEAD", range="bytes=0-3")
    assert (status, headers["content-length"], body) == (200, "10", b"")
    assert headers["etag"] == asked(url, "/a.txt")[1]["etag"]


def test_conditions_hold_for_the_entity_tag(url: str, root: Path) -> None:
    tag = asked(url, "/a.txt")[1]["etag"]
    assert asked(url, "/a.txt", if_none_match=tag)[0] == 304
    assert asked(url, "/a.txt", if_none_match=f'"x", W/{tag}')[0] == 304
    assert asked(url, "/a.txt", if_match='"x"')[0] == 412
    assert asked(url, "/a.txt", if_match=tag)[0] == 200
    assert asked(url, "/a.txt", range="bytes=0-1", if_range=tag)[0] == 206
    assert asked(url, "/a.txt", range="bytes=0-1", if_range='"x"')[0] == 200
    date = asked(url, "/a.txt")[1]["last-modified"]
    assert asked(url, "/a.txt", range="bytes=0-1", if_range=date)[0] == 200
    write_files(root, {"changing": b"one"})
    before = asked(url, "/changing")[1]["etag"]
    os.utime(root / "changing", ns=(1, 1))
    assert asked(url, "/changing")[1]["etag"] != before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_written(url: str, root: Path, method: str) -> None:
    status, headers, _ = asked(url, "/a.txt", method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert (root / "a.txt").read_bytes() == FILES["a.txt"]


def test_what_is_no_request_is_refused(url: str) -> None:
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall(b"\x16\x03\x01 no http\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_a_client_reads(root: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "dataflux_core.cli", "playlist", "serve", "--port", "0", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            first = line_of(process)
            url = first.rpartition(" at ")[2].strip()
            assert line_of(process) == f"{url}p.yaml\n"
            place = urlsplit(url)
            with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
                connection.sendall(b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(10)
                process.send_signal(number)
                assert process.wait(30) == 0
        finally:
            process.kill()
        assert process.stderr is not None
        assert process.stderr.read() == "stopped\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "256.256.256.256", "192.0.2.1"])
def test_an_address_that_cannot_be_had_is_one_line(url: str, root: Path, host: str) -> None:
    port = str(urlsplit(url).port)
    command = [
        sys.executable,
        "-m",
        "dataflux_core.cli",
        "playlist",
        "serve",
        "--host",
        host,
        "--port",
        port,
        str(root),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (1, "")
    (line,) = ran.stderr.splitlines()  # nor is it said who may read, before anybody can
    assert line.startswith(f"dataflux: {host}:{port}: ")


def test_what_a_client_sends_at_once_is_answered_in_order(url: str) -> None:
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        one = b"GET /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=%d-%d\r\n\r\n"
        last = b"GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(b"".join(one % (at, at) for at in range(10)) + last)
        answered = b"".join(iter(lambda: connection.recv(65536), b""))
    bodies = [part.partition(b"\r\n\r\n")[2] for part in answered.split(b"HTTP/1.1 ")[1:]]
    assert bodies == [b"%d" % at for at in range(10)] + [FILES["a.txt"]]


def test_a_file_that_shrinks_while_it_is_sent_ends_that_connection_alone(url: str, root: Path) -> None:
    with (root / "shrinking").open("wb") as file:
        file.truncate(64 * 1024**2)
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall(b"GET /shrinking HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.recv(1000)
        os.truncate(root / "shrinking", 10)
        received = 0
        with suppress(ConnectionError):
            while chunk := connection.recv(1024**2):
                received += len(chunk)
    assert received < 64 * 1024**2
    assert asked(url, "/a.txt")[0] == 200
