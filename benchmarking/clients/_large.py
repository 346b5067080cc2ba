"""Take large objects without keeping them.

What came is compared by the length and both ends of every object: hashing gigabytes would be what is measured then.
"""

from __future__ import annotations

import hashlib
import os
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from benchmarking.clients._timing import tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarking.clients._timing import Task, Timed

T = TypeVar("T")

EDGE_BYTES = 4096


class Span(NamedTuple):
    """What one request asks for: bytes [start, stop) of an object."""

    name: str
    start: int
    stop: int
    is_whole: bool

    @property
    def range_header(self) -> str:
        return f"bytes={self.start}-{self.stop - 1}"


class Edges(NamedTuple):
    """What is kept of the bytes that came."""

    length: int
    head: bytes
    tail: bytes


def spans_of(task: Task) -> list[Span]:
    """Divide what is asked for into requests."""
    spans = []
    for name, size in task["objects"]:
        part_bytes = task["part_bytes"] or size
        spans += [Span(name, at, min(at + part_bytes, size), part_bytes >= size) for at in range(0, size, part_bytes)]
    return spans


def edges_of(content: bytes | memoryview) -> Edges:
    """Keep both ends."""
    return Edges(len(content), bytes(content[:EDGE_BYTES]), bytes(content[-EDGE_BYTES:]))


def write_part(folder: str, span: Span, content: bytes | memoryview) -> None:
    """Write what came to where it belongs in its file."""
    descriptor = os.open(os.path.join(folder, span.name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)  # noqa: PTH118 - quick
    try:
        written = 0
        while written < len(content):
            written += os.pwrite(descriptor, content[written:], span.start + written)
    finally:
        os.close(descriptor)


def joined(spans: Sequence[Span], came: Iterable[Edges]) -> list[Edges]:
    """Return the ends of whole objects: those of their first and of their last part."""
    objects = []
    for _, pairs in groupby(zip(spans, came, strict=True), key=lambda pair: pair[0].name):
        parts = [edges for _, edges in pairs]
        objects.append(Edges(sum(part.length for part in parts), parts[0].head, parts[-1].tail))
    return objects


def edges_of_files(task: Task, folder: str) -> list[Edges]:
    """Look at the files that a client left."""
    found = []
    for name, _ in task["objects"]:
        with Path(folder, name).open("rb") as file:
            head = file.read(EDGE_BYTES)
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - EDGE_BYTES))
            found.append(Edges(length, head, file.read()))
    return found


def digest_of(objects: Iterable[Edges]) -> str:
    """Hash the ends of all objects, in order."""
    digest = hashlib.sha256()
    for edges in objects:
        digest.update(edges.length.to_bytes(8, "big"))
        digest.update(edges.head)
        digest.update(edges.tail)
    return digest.hexdigest()


def tell_edges(timed: Timed[T], objects: Sequence[Edges]) -> None:
    """Answer with what came."""
    tell(timed, len(objects), sum(edges.length for edges in objects), digest_of(objects))
