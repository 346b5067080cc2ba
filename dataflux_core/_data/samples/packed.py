"""Hold chunks that many samples lie in."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from dataflux_core.errors import DatafluxError  # noqa: TC001 - as of Encoded


class HeldChunk:
    """A chunk, or a part of one, that is there for as long as a row needs it."""

    __slots__ = ("__weakref__", "content", "lock", "opened", "size")

    def __init__(self, size: int) -> None:
        self.size = size  # bytes: expected, then as they are
        self.content: bytes | DatafluxError | None = None  # None: on its way
        self.opened: Any = None  # what a decoder keeps from one record to the next
        self.lock = threading.RLock()  # of those who open it: rows may be asked for in several threads

    def fill(self, content: bytes | DatafluxError) -> None:
        """Let those who wait have it; no other thread writes to it."""
        self.size = len(content) if isinstance(content, bytes) else 0
        self.content = content


class Packed(NamedTuple):
    """One column of one sample: a record of a chunk that has come, or all of them."""

    held: HeldChunk
    chunk: int  # its number in the stream
    record: int | None  # None: all there are
    records: int  # that there should be; -1: not known
    url: str

    @property
    def content(self) -> bytes:
        """The bytes of the chunk; raises the error about it."""
        content = self.held.content
        if isinstance(content, bytes):
            return content
        raise content if content is not None else RuntimeError(f"{self.url}: it has not come yet")
