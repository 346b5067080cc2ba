"""Translate between the pages of a listing and the bytes of a checkpoint file."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from dataflux_core._plan.listing import KeyRange
from dataflux_core._wire.page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._wire.listing import Scope

# As PNG's: a first byte that no text begins with, then line ends that a careless copy would change.
MAGIC = b"\x89dataflux listing\r\n\x1a\n"
FORMAT_VERSION = 1
_VERSION = struct.Struct("<H")
_FRAME = struct.Struct("<II")  # bytes of the payload, its CRC-32
_MAX_PAYLOAD_BYTES = 1 << 28  # many times a page: a torn length must not take memory
_BEGINNING = MAGIC + _VERSION.pack(FORMAT_VERSION)


class Source(Protocol):
    """What bytes are read from."""

    def read(self, count: int, /) -> bytes: ...


class NotACheckpoint(Exception):
    """The bytes are no checkpoint that this version can read; its message says what they are instead."""


class Asked(msgspec.Struct, frozen=True):
    """What a listing asked for, as far as another answer would come of another question."""

    endpoint: str
    scope: dict[str, Any]

    @classmethod
    def of(cls, endpoint: str, scope: Scope) -> Asked:
        """Take what matters: neither who pays, nor an order that has no meaning."""
        values = msgspec.to_builtins(scope)
        del values["user_project"]
        for unordered in ("fields", "storage_classes"):
            if values[unordered] is not None:
                values[unordered] = sorted(values[unordered])
        return cls(endpoint, values)

    def differences(self, other: Asked) -> str:
        """Say what `self` has that `other` has not, "" where they ask for the same."""
        mine, theirs = (_flat({"endpoint": asked.endpoint, **asked.scope}) for asked in (self, other))
        keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
        return ", ".join(f"{key}={mine.get(key)!r}" for key in keys)


class Covered(msgspec.Struct, frozen=True, array_like=True):
    """The first part of a record: the key range that a page finishes."""

    start: str
    end: str | None
    left_out: int  # objects that were received but not kept

    @property
    def key_range(self) -> KeyRange:
        return KeyRange(self.start, self.end)


class _Record(msgspec.Struct, frozen=True, array_like=True):
    covered: Covered
    page: Page


class _RecordHead(msgspec.Struct, frozen=True, array_like=True):
    covered: Covered
    page: msgspec.Raw


_RECORDS = msgspec.msgpack.Decoder(_Record)
_HEADS = msgspec.msgpack.Decoder(_RecordHead)
_HEADERS = msgspec.msgpack.Decoder(Asked)
_ENCODER = msgspec.msgpack.Encoder()


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Put what a value within the values holds beside them, so that a difference is short."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat.update(value if isinstance(value, dict) else {key: value})
    return flat


def write_header(asked: Asked) -> bytes:
    """Return what a checkpoint file begins with."""
    return _BEGINNING + _frame(_ENCODER.encode(asked))


def write_record(covered: Covered, page: Page) -> bytes:
    return _frame(_ENCODER.encode(_Record(covered, page)))


def write_restart(name: str) -> bytes:
    """Say that `name` is listed anew: its rows in the records up to here do not count."""
    return write_record(Covered(name, name, 0), Page(0, b"", b""))


def is_restart(covered: Covered, payload: bytes) -> bool:
    """Tell whether a record was written by `write_restart`: one of a page that finishes nothing has rows."""
    return covered.start == covered.end and not read_page(payload).count


def read_header(source: Source) -> Asked | None:
    """Return what was asked; None where the file ends within the header. Raises NotACheckpoint."""
    beginning = source.read(len(_BEGINNING))
    if not beginning.startswith(MAGIC[: len(beginning)]):
        raise NotACheckpoint("it is not the checkpoint of a listing")
    if len(beginning) < len(_BEGINNING):
        return None
    (version,) = _VERSION.unpack_from(beginning, len(MAGIC))
    if version != FORMAT_VERSION:
        raise NotACheckpoint(f"it is of format {version}, this version of dataflux_core reads {FORMAT_VERSION}")
    payload = next(read_frames(source), None)
    try:
        return None if payload is None else _HEADERS.decode(payload)
    except msgspec.DecodeError as error:
        raise NotACheckpoint(f"its header cannot be understood ({error})") from error


def read_frames(source: Source) -> Iterator[bytes]:
    """Yield the payloads up to the first frame that is torn: all behind it was never promised to be there."""
    while True:
        head = source.read(_FRAME.size)
        if len(head) < _FRAME.size:
            return
        length, checksum = _FRAME.unpack(head)
        payload = source.read(length) if length <= _MAX_PAYLOAD_BYTES else b""
        # No length at all: after a power loss a file may end in zeros, whose checksum would be right.
        if not length or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield payload


def frame_bytes(payload: bytes) -> int:
    """Return how many bytes of a file `payload` takes with its frame."""
    return _FRAME.size + len(payload)


def read_covered(payload: bytes) -> Covered:
    """Decode a record without unpacking its page; raises NotACheckpoint."""
    try:
        return _HEADS.decode(payload).covered
    except msgspec.DecodeError as error:
        raise NotACheckpoint(f"a record cannot be understood ({error})") from error


def read_page(payload: bytes) -> Page:
    """Decode the page of a record whose covered range was read already."""
    return _RECORDS.decode(payload).page


def _frame(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
