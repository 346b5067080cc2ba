"""Translate reads, composes, deletes to HTTP messages with their answers back to values."""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import a2b_base64
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from dataflux_core._wire.message import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dataflux_core._wire.message import Answer

# An error's text has room in it, and most requests have the same limit.
_LEAST_LIMIT_BYTES = 512 * 1024 - 1
MAX_BATCH_CALLS = 100  # https://cloud.google.com/storage/docs/batch
# Says that gzip is welcome: an object stored compressed is then sent as stored, where it would be decompressed on
# the way otherwise. libcurl itself is not told, so it decompresses nothing either.
_STORED_BYTES = ("Accept-Encoding: gzip",)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~/-]*")
_JSON = ("Content-Type: application/json",)
_STORED_FIELDS = "fields=generation,size,crc32c"
_BOUNDARY = "dataflux-batch"
_BATCH = (f"Content-Type: multipart/mixed; boundary={_BOUNDARY}",)
_PART_ID = re.compile(rb"content-id:\s*<?response-[^\r\n>]*?(\d+)>?\s*$", re.IGNORECASE | re.MULTILINE)
_PART_STATUS = re.compile(rb"^HTTP/[\d.]+ (\d{3})", re.MULTILINE)


class Stored(msgspec.Struct, frozen=True, gc=False):
    """What the service says of one stored object; a default for what is missing would unpin a read."""

    generation: int
    size: int  # bytes
    crc32c: str = ""  # base64 of the big-endian checksum, as the service writes it


class _Permissions(msgspec.Struct):
    permissions: list[str] = []


_stored_decoder = msgspec.json.Decoder(Stored, strict=False)  # numbers arrive as JSON strings
_permissions_decoder = msgspec.json.Decoder(_Permissions)


@lru_cache(maxsize=64)
def _objects_path(bucket: str) -> str:
    return f"/storage/v1/b/{quote(bucket, safe='')}/o/"


def _quoted(name: str) -> str:
    """Percent-encode a name; most names need no more than their slashes, for which `quote` takes ten times as long."""
    return name.replace("/", "%2F") if _PLAIN_NAME.fullmatch(name) else quote(name, safe="")


def media_request(bucket: str, name: str, generation: int = 0, *, size: int = -1) -> Request:
    """Ask for an object's stored bytes, at its generation where that is known; `size`: how many are listed."""
    limit_bytes = max(size, _LEAST_LIMIT_BYTES) if size >= 0 else 0
    return Request("GET", _media_target(bucket, name, generation), headers=_STORED_BYTES, max_bytes=limit_bytes)


def range_request(bucket: str, name: str, generation: int, start: int, stop: int) -> Request:
    """Ask for the stored bytes [start, stop) of a generation of an object."""
    target = _media_target(bucket, name, generation)
    headers = (*_STORED_BYTES, f"Range: bytes={start}-{stop - 1}")
    return Request("GET", target, headers=headers, max_bytes=max(stop - start, _LEAST_LIMIT_BYTES))


def _media_target(bucket: str, name: str, generation: int) -> str:
    return f"/download{_objects_path(bucket)}{_quoted(name)}?alt=media{_pinned(generation)}"


def _pinned(generation: int) -> str:
    return f"&generation={generation}" if generation else ""


def stored_request(bucket: str, name: str, generation: int = 0) -> Request:
    """Ask what an object is now, or what a generation of it is."""
    return Request("GET", f"{_objects_path(bucket)}{_quoted(name)}?{_STORED_FIELDS}{_pinned(generation)}")


def compose_request(bucket: str, destination: str, sources: Iterable[tuple[str, int]]) -> Request:
    """Join `sources`, (name, generation) with 0 for any generation, into an object that must not exist yet.

    The condition makes it safe to send again. `deleteSourceObjects` would delete the user's data: never set here.
    A source is pinned by `generation`, not by a precondition: in a versioned bucket the listed bytes can still be
    joined, and a 412 can only mean that the destination exists.
    Source: https://cloud.google.com/storage/docs/json_api/v1/objects/compose
    """
    parts = [{"name": name, "generation": str(pin)} if pin else {"name": name} for name, pin in sources]
    body = {"sourceObjects": parts, "destination": {"contentType": "application/octet-stream"}}
    target = f"{_objects_path(bucket)}{_quoted(destination)}/compose?ifGenerationMatch=0&{_STORED_FIELDS}"
    return Request("POST", target, msgspec.json.encode(body), _JSON)


def delete_request(bucket: str, name: str, generation: int = 0) -> Request:
    """Delete one generation for good; in a versioned bucket nothing noncurrent is left then."""
    return Request("DELETE", _delete_target(bucket, name, generation))


def batch_delete_request(bucket: str, objects: Sequence[tuple[str, int]]) -> Request:
    """Delete up to MAX_BATCH_CALLS (name, generation) in one request."""
    parts = [
        f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <{position}>\r\n\r\n"
        f"DELETE {_delete_target(bucket, name, generation)} HTTP/1.1\r\n\r\n\r\n"
        for position, (name, generation) in enumerate(objects)
    ]
    return Request("POST", "/batch/storage/v1", "".join([*parts, f"--{_BOUNDARY}--\r\n"]).encode(), _BATCH)


def _delete_target(bucket: str, name: str, generation: int) -> str:
    pin = f"?generation={generation}" if generation else ""
    return f"{_objects_path(bucket)}{_quoted(name)}{pin}"


def permissions_request(bucket: str, permissions: Iterable[str]) -> Request:
    """Ask which of `permissions` the caller has."""
    query = "&".join(f"permissions={permission}" for permission in permissions)
    return Request("GET", f"/storage/v1/b/{quote(bucket, safe='')}/iam/testPermissions?{query}")


def read_stored(answer: Answer) -> Stored:
    """Decode the answer to a compose or a stored_request; raises msgspec.DecodeError where it is no such thing."""
    try:
        stored = _stored_decoder.decode(answer.body)
    except UnicodeDecodeError as error:  # of a damaged byte within a string
        raise msgspec.DecodeError(str(error)) from error
    if stored.generation <= 0 or stored.size < 0:
        raise msgspec.DecodeError(f"generation {stored.generation}, size {stored.size}")
    return stored


def read_permissions(answer: Answer) -> frozenset[str]:
    """Decode the answer to a permissions_request; raises msgspec.DecodeError where it is no such thing."""
    return frozenset(_permissions_decoder.decode(answer.body).permissions)


def read_batch(answer: Answer, count: int) -> list[int] | None:
    """Return the status of each of `count` calls in the order asked, 0 where none came; None: this is no batch.

    The service may answer the parts in any order; their ids say which is which.
    """
    statuses = [0] * count
    found = False
    position = 0
    boundary = re.search(r'boundary="?([^";]+)', answer.header(b"content-type"))
    if boundary is None:
        return None
    for part in answer.body.split(b"--" + boundary.group(1).strip().encode()):
        status = _PART_STATUS.search(part)
        if status is None:
            continue
        found = True
        part_id = _PART_ID.search(part, 0, status.start())
        place = int(part_id.group(1)) if part_id else position
        if place < count:
            statuses[place] = int(status.group(1))
        position += 1
    return statuses if found else None


def crc32c_header(answer: Answer) -> str:
    """Return the checksum of the stored bytes that a read's answer carries, "" where it has none.

    The service sends crc32c and md5 as two headers of the same name, or as one.
    """
    for line in answer.head:
        if b"crc32c=" in line and line[:11].lower() == b"x-goog-hash":
            at = line.index(b"crc32c=") + 7
            return line[at : at + 8].decode("latin-1")
    return ""


def crc32c_number(text: str) -> int:
    return int.from_bytes(a2b_base64(text), "big")


def crc32c_text(number: int) -> str:
    return b64encode(number.to_bytes(4, "big")).decode()
