"""How much CPU does the emulator itself take for a page, a small read, a composite, a large body?

It shares the machine with the client that is measured, so what it takes is missing there. Beside it stands what a
thread takes that sends the same bytes without looking at the request.
"""

from __future__ import annotations

import argparse
import json
import platform
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, urlsplit

from dataflux_core.emulator import Directory, Emulator, Memory, ShapeName, Synthetic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflux_core.emulator._config import Contents

Result: TypeAlias = "dict[str, object]"
Call: TypeAlias = "tuple[str, str, bytes]"  # method, path, body

NARROW = "items(name,size,storageClass),nextPageToken"
OBJECT_BYTES = 10_000
GROUP = 32  # sources of a composite
WHOLE_BYTES, RANGE_BYTES = 4 << 20, 8 << 20
RANGE = f"Range: bytes={RANGE_BYTES}-{2 * RANGE_BYTES - 1}\r\n"
ONLY = Synthetic("sequential", 1).name_at(0)  # the name that the only object of a bucket has
SHAPES: tuple[ShapeName, ...] = ("sequential", "uuids", "imagenet", "unicode", "unpadded")
API = "/storage/v1/b/demo/o"


class Connection:
    """The cheapest client there is: it knows the length from the header alone."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(16 << 20)

    def ask(self, request: bytes) -> None:
        """Send one request; return when the answer has arrived."""
        self._socket.sendall(request)
        view = memoryview(self._buffer)
        got = self._socket.recv_into(self._buffer)
        while (end := self._buffer.find(b"\r\n\r\n", 0, got)) < 0:
            got += self._socket.recv_into(view[got:])
        head = bytes(self._buffer[:end])
        if head[9:10] != b"2":
            raise RuntimeError(head.decode())
        _, _, length = head.partition(b"content-length: ")
        whole = end + 4 + int(length.split(b"\r\n", 1)[0] or 0)
        while got < whole:
            got += self._socket.recv_into(view[got:])

    def close(self) -> None:
        self._socket.close()


def measure(gcs: Emulator, calls: Iterable[Call], header: str = "") -> float:
    """Make each call once; give the microseconds of CPU of one by the server's own count."""
    parts = urlsplit(gcs.endpoint)
    requests = [
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n{header}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for method, path, body in calls
    ]
    connection = Connection((parts.hostname or "", parts.port or 80))
    gcs.reset_requests()
    for request in requests:
        connection.ask(request)
    cpu_s = gcs.requests().cpu_s
    connection.close()
    return round(cpu_s / len(requests) * 1e6, 1)


def measure_sendall(body_bytes: int, times: int) -> float:
    """Give the microseconds of CPU that a thread takes to receive a request, then send so many bytes."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % body_bytes + bytes(body_bytes)
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as executor:

        def serve() -> float:
            accepted, _ = listening.accept()
            with accepted:
                began_s = time.thread_time()
                while accepted.recv(65536):
                    accepted.sendall(answer)
                return time.thread_time() - began_s

        served = executor.submit(serve)
        connection = Connection(listening.getsockname())
        for _ in range(times):
            connection.ask(b"GET / HTTP/1.1\r\n\r\n")
        connection.close()
        return round(served.result() / times * 1e6, 1)


def pages(synthetic: Synthetic, count: int) -> list[Call]:
    """Ask for pages all over the namespace, as a parallel lister does."""
    starts = [synthetic.name_at(at * (len(synthetic) // count)) for at in range(count)]
    base = f"{API}?prettyPrint=false&projection=noAcl&maxResults=5000&fields={quote(NARROW)}"
    return [("GET", f"{base}&startOffset={quote(start, safe='')}", b"") for start in starts]


def reads(names: Iterable[str]) -> list[Call]:
    """Read each object whole."""
    return [("GET", f"{API}/{quote(name, safe='')}?alt=media", b"") for name in names]


def measure_shape(shape: ShapeName, page_count: int, read_count: int) -> Result:
    """List pages, read objects for the first time, then again."""
    synthetic = Synthetic(shape, 1_000_000, object_bytes=OBJECT_BYTES)
    with Emulator(buckets={"demo": synthetic}) as gcs:
        result: Result = {f"page_{shape}_us": measure(gcs, pages(synthetic, page_count))}
        names = synthetic.names(500_000, 500_000 + read_count)
        result[f"read_first_{shape}_us"] = measure(gcs, reads(names))
        again = names[: max(read_count // 20, 1)]
        measure(gcs, reads(again))
        result[f"read_again_{shape}_us"] = measure(gcs, reads(again * 20))
    return result


def measure_composites(groups: int) -> Result:
    """Compose objects that nobody has asked for, read what comes out, delete it."""
    synthetic = Synthetic("imagenet", 1_000_000, object_bytes=OBJECT_BYTES)
    paths = [f"{API}/composed%2F{group}" for group in range(groups)]
    bodies = [
        {"sourceObjects": [{"name": name} for name in synthetic.names(group * GROUP, (group + 1) * GROUP)]}
        for group in range(groups)
    ]
    composes = [
        ("POST", f"{path}/compose?ifGenerationMatch=0&fields=size,crc32c,generation", json.dumps(body).encode())
        for path, body in zip(paths, bodies, strict=True)
    ]
    with Emulator(buckets={"demo": synthetic}) as gcs:
        return {
            "compose_us": measure(gcs, composes),
            "read_composite_us": measure(gcs, [("GET", f"{path}?alt=media", b"") for path in paths]),
            "delete_us": measure(gcs, [("DELETE", path, b"") for path in paths]),
        }


def measure_large(times: int) -> Result:
    """Read an object of 4 MiB, then 8 MiB out of a larger one, from every kind of bucket."""
    with TemporaryDirectory() as directory:
        buckets = {
            f"{kind}-{size}": contents
            for size in (WHOLE_BYTES, 4 * RANGE_BYTES)
            for kind, contents in _one_object(size, Path(directory, str(size))).items()
        }
        result: Result = {
            "sendall_10kb_us": measure_sendall(OBJECT_BYTES, 10 * times),
            "sendall_4mib_us": measure_sendall(WHOLE_BYTES, times),
            "sendall_8mib_us": measure_sendall(RANGE_BYTES, times),
        }
        with Emulator(buckets=buckets) as gcs:
            for bucket in buckets:
                kind, _, size = bucket.partition("-")
                call = ("GET", f"/storage/v1/b/{bucket}/o/{ONLY}?alt=media", b"")
                what, wanted = ("4mib", "") if size == str(WHOLE_BYTES) else ("range_8mib", RANGE)
                measure(gcs, [call], wanted)  # computes the checksum
                result[f"read_{what}_{kind}_us"] = measure(gcs, [call] * times, wanted)
    return result


def _one_object(size: int, directory: Path) -> dict[str, Contents]:
    directory.mkdir()
    (directory / ONLY).write_bytes(bytes(size))
    return {
        "memory": Memory({ONLY: bytes(size)}),
        "directory": Directory(directory),
        "synthetic": Synthetic("sequential", 1, object_bytes=size),
    }


def main() -> None:
    """Measure, then print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few requests: shows that it works, measures nothing")
    smoke: bool = parser.parse_args().smoke
    page_count, read_count, group_count, large_count = (5, 100, 5, 5) if smoke else (200, 20_000, 347, 200)
    result: Result = {"question": "server CPU for a page of 5000 narrow items, a 10 kB read, a composite, a large body"}
    for shape in SHAPES[:1] if smoke else SHAPES:
        result |= measure_shape(shape, page_count, read_count)
    held = {f"object-{number:06d}": b"x" * OBJECT_BYTES for number in range(100 if smoke else 5000)}
    with Emulator(buckets={"demo": Memory(held)}) as gcs:
        page = ("GET", f"{API}?maxResults=5000&fields={quote(NARROW)}", b"")
        result["page_memory_us"] = measure(gcs, [page] * page_count)
        result["read_memory_us"] = measure(gcs, reads(list(held) * 4))
    result |= measure_composites(group_count)
    result |= measure_large(large_count)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    result |= {"pages": page_count, "reads": read_count, "groups": group_count, "large": large_count}
    result |= {"host": platform.system(), "commit": commit.stdout.strip()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
