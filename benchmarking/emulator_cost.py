"""How much CPU does the emulator itself take for a listed page or a small read?

It shares the machine with the client that is measured, so what it takes is missing there.
"""

from __future__ import annotations

import argparse
import json
import platform
import socket
import subprocess
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from dataflux_core.emulator import Emulator, Memory, ShapeName, Synthetic

NARROW = "items(name,size,storageClass),nextPageToken"
OBJECT_BYTES = 10_000
SHAPES: tuple[ShapeName, ...] = ("sequential", "uuids", "imagenet", "unicode", "unpadded")


@dataclass(frozen=True, slots=True)
class Cost:
    """Server CPU of one request."""

    cpu_us: float
    bytes: int  # of the last answer's body


class Connection:
    """The cheapest client there is: it knows the length from the header alone."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(4 << 20)

    def get(self, request: bytes) -> int:
        """Send one request; give the length of the body after it has arrived."""
        self._socket.sendall(request)
        view = memoryview(self._buffer)
        got = self._socket.recv_into(self._buffer)
        while (end := self._buffer.find(b"\r\n\r\n", 0, got)) < 0:
            got += self._socket.recv_into(view[got:])
        head = bytes(self._buffer[:end])
        if b" 200 " not in head[:20]:
            raise RuntimeError(head.decode())
        length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        while got < end + 4 + length:
            got += self._socket.recv_into(view[got:])
        return length

    def close(self) -> None:
        self._socket.close()


def measure(gcs: Emulator, paths: list[str]) -> Cost:
    """Ask for each path once; the CPU is the server's own count."""
    host = urlsplit(gcs.endpoint).netloc
    requests = [f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode() for path in paths]
    connection = Connection(gcs.endpoint)
    connection.get(requests[0])
    gcs.reset_requests()
    for request in requests:
        length = connection.get(request)
    cpu_s = gcs.requests().cpu_s
    connection.close()
    return Cost(round(cpu_s / len(requests) * 1e6, 1), length)


def page_paths(synthetic: Synthetic, pages: int) -> list[str]:
    """Ask for pages all over the namespace, as a parallel lister does."""
    starts = [synthetic.name_at(at * (len(synthetic) // pages)) for at in range(pages)]
    base = f"/storage/v1/b/demo/o?prettyPrint=false&projection=noAcl&maxResults=5000&fields={quote(NARROW)}"
    return [f"{base}&startOffset={quote(start, safe='')}" for start in starts]


def read_paths(names: list[str]) -> list[str]:
    """Read each object whole."""
    return [f"/storage/v1/b/demo/o/{quote(name, safe='')}?alt=media" for name in names]


def main() -> None:
    """Measure, then print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few requests: shows that it works, measures nothing")
    smoke: bool = parser.parse_args().smoke
    pages, reads = (5, 100) if smoke else (200, 20_000)
    result: dict[str, object] = {"question": "server CPU for a page of 5000 narrow items or a 10 kB read"}
    for shape in SHAPES[:1] if smoke else SHAPES:
        synthetic = Synthetic(shape, 1_000_000, object_bytes=OBJECT_BYTES)
        with Emulator(buckets={"demo": synthetic}) as gcs:
            cost = measure(gcs, page_paths(synthetic, pages))
            result[f"page_{shape}_us"] = cost.cpu_us
            names = synthetic.names(500_000, 500_000 + reads)
            result[f"read_first_{shape}_us"] = measure(gcs, read_paths(names)).cpu_us
            again = names[: max(reads // 20, 1)] * 20
            result[f"read_again_{shape}_us"] = measure(gcs, read_paths(again)).cpu_us
    held = {f"object-{number:06d}": b"x" * OBJECT_BYTES for number in range(100 if smoke else 5000)}
    with Emulator(buckets={"demo": Memory(held)}) as gcs:
        path = f"/storage/v1/b/demo/o?maxResults=5000&fields={quote(NARROW)}"
        result["page_memory_us"] = measure(gcs, [path] * pages).cpu_us
        result["read_memory_us"] = measure(gcs, read_paths(list(held) * 4)).cpu_us
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    result |= {"pages": pages, "reads": reads, "host": platform.system(), "commit": commit.stdout.strip()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
