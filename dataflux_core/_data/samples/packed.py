"""Hold chunks that many samples lie in."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflux_core.errors import DatafluxError  # noqa: TC001 - as of Encoded

if TYPE_CHECKING:
    from collections.abc import Callable
    from weakref import WeakMethod

_WORTH_TELLING = 8  # th parts of a size: what is opened grows a little with each record


class HeldChunk:
    """A chunk, or a part of one, that is there for as long as a row needs it."""

    __slots__ = ("__weakref__", "content", "lock", "opened", "shelf", "size", "stored")

    def __init__(self, size: int) -> None:
        self.size = size  # bytes: expected, then as they are, then what is made of them
        self.stored = size
        self.shelf: WeakMethod[Callable[[], None]] | None = None  # to be told when it takes more or less
        self.content: bytes | DatafluxError | None = None  # None: on its way
        self.opened: Any = None  # what a decoder keeps from one record to the next
        self.lock = threading.RLock()  # of those who open it: rows may be asked for in several threads

    def fill(self, content: bytes | DatafluxError) -> None:
        """Let those who wait have it; no other thread writes to it."""
        self.size = self.stored = len(content) if isinstance(content, bytes) else 0
        self.content = content

    def resize(self, size: int) -> None:
        """Say what it takes in memory since it has been opened."""
        if abs(size - self.size) * _WORTH_TELLING <= self.size:
            return
        self.size = size
        settle = self.shelf and self.shelf()
        if settle is not None:
            settle()


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
