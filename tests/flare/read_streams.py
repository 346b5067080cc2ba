"""Playlists for tests, with what their chunks hold."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import google_crc32c

from dataflux_core._wire.objects import crc32c_text
from dataflux_core.flare import Playlist, StreamOptions, StreamSpec
from tests.fetching.hostile import Hostile, ranges

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dataflux_core.flare import Stream

QUICK = StreamOptions(patience_s=20.0, connect_timeout_s=5, stall_timeout_s=5)
IMPATIENT = StreamOptions(patience_s=0.3, connect_timeout_s=2, stall_timeout_s=2)


def contents_of(count: int, size: int = 20_000) -> list[bytes]:
    """Return different chunks."""
    block = bytes(range(256)) * (size // 256 + 1)
    return [number.to_bytes(4, "big") + block[: size - 4 + number] for number in range(count)]


def spec_of(urls: Sequence[str], contents: Sequence[bytes] = (), name: str = "x", **headers: Any) -> StreamSpec:
    """Return a stream; with `contents`, sizes and sums of its chunks besides."""
    if contents:
        headers |= {
            "sizes": [len(content) for content in contents],
            "sha256": [hashlib.sha256(content).hexdigest() for content in contents],
            "crc32c": [crc32c_text(google_crc32c.value(content)) for content in contents],
        }
    return StreamSpec.of(name, list(urls), headers)


def stream_of(
    urls: Sequence[str], contents: Sequence[bytes] = (), options: StreamOptions = QUICK, **headers: Any
) -> Stream:
    return Playlist([spec_of(urls, contents, **headers)]).stream("x", options)


def put(server: Hostile, contents: Sequence[bytes], folder: str = "d") -> list[str]:
    """Let a server serve chunks well; return their URLs."""
    for number, content in enumerate(contents):
        server.behaviours[f"/{folder}/{number}"] = ranges(content)
    return [f"{server.url}/{folder}/{number}" for number in range(len(contents))]


def write(folder: Path, contents: Sequence[bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents):
        (folder / str(number)).write_bytes(content)
