"""Describe one stored object."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime, timezone
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import google_crc32c
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._http import FileSpan, Pieces

# The part of a resource that an uploader may set as plain text.
SETTABLE = (
    "contentType",
    "contentEncoding",
    "contentDisposition",
    "contentLanguage",
    "cacheControl",
    "storageClass",
    "customTime",
    "kmsKeyName",
)
# An uploader may set any text; in a header, a line feed would end the line.
UNSENDABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
HOLDS = ("temporaryHold", "eventBasedHold")


class Content(Protocol):
    """Where the bytes of an object are."""

    def span(self, start: int, stop: int) -> Pieces | FileSpan:
        """Give a part of the bytes, or say where in a file they are."""

    def pieces(self) -> Pieces:
        """Give all bytes, such as outlive what they come from."""

    def read(self) -> bytes:
        """Give all bytes in one piece."""

    def crc32c(self) -> int:
        """Compute the checksum, or remember it."""

    def md5(self) -> bytes | None:
        """Compute the digest, or None where the service has none."""


class ComposedContent:
    """Bytes that were joined by the service, which then keeps no MD5; the pieces stay apart, since joining costs."""

    __slots__ = ("_crc32c", "_pieces")

    def __init__(self, *pieces: bytes | memoryview) -> None:
        self._pieces = pieces
        self._crc32c: int | None = None

    def span(self, start: int, stop: int) -> Pieces:
        return cut(self._pieces, start, stop)

    def pieces(self) -> Pieces:
        return self._pieces

    def read(self) -> bytes:
        return b"".join(self._pieces)

    def crc32c(self) -> int:
        if self._crc32c is None:
            self._crc32c = checksum(self._pieces)
        return self._crc32c

    def md5(self) -> bytes | None:
        return None


class BytesContent(ComposedContent):
    """Bytes held in memory as they were uploaded."""

    __slots__ = ("_md5",)

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._md5: bytes | None = None

    def md5(self) -> bytes | None:
        if self._md5 is None:
            self._md5 = hashlib.md5(self.read(), usedforsecurity=False).digest()
        return self._md5


def checksum(pieces: Pieces) -> int:
    """Compute the CRC32C of bytes in pieces."""
    found = 0
    for piece in pieces:
        # The C function takes no memoryview; a copy that lies in the cache costs less than the checksum.
        found = google_crc32c.extend(found, bytes(piece))
    return found


def cut(pieces: Pieces, start: int, stop: int) -> Pieces:
    """Give [start, stop) of bytes in pieces without copying them."""
    found: list[bytes | memoryview] = []
    for piece in pieces:
        size = len(piece)
        if start <= 0 and size <= stop:
            found.append(piece)
        elif start < size and stop > 0:
            found.append(memoryview(piece)[max(start, 0) : stop])
        start -= size
        stop -= size
    return tuple(found)


class StoredObject(msgspec.Struct, frozen=True, eq=False):
    """One generation of one object; a change makes another.

    Made for every object that is read or composed, which a dataclass would take five times as long for.
    """

    name: str
    size: int  # bytes
    generation: int
    content: Content
    metageneration: int = 1
    created_us: int = 0  # microseconds since 1970
    updated_us: int = 0
    settings: dict[str, str] = {}  # of SETTABLE, besides HOLDS that are on
    metadata: dict[str, str] | None = None
    component_count: int = 0
    deleted_us: int = 0  # when it became noncurrent; 0 for a live one, as below
    soft_deleted_us: int = 0
    hard_deleted_us: int = 0
    # Headers and listed lines are asked for again far more often than they change.
    cache: dict[str, object] = {}

    @property
    def encoding(self) -> str:
        """The content encoding, empty for none."""
        return self.settings.get("contentEncoding", "")

    @property
    def storage_class(self) -> str:
        """The storage class, as listed."""
        return self.settings.get("storageClass", "STANDARD")

    @property
    def etag(self) -> str:
        """The entity tag: it changes with every change of the object."""
        return base64.b64encode(b"%x/%x" % (self.generation, self.metageneration)).decode()

    def crc32c(self) -> str:
        """The checksum as the service writes it."""
        return base64.b64encode(self.content.crc32c().to_bytes(4, "big")).decode()

    def md5(self) -> str | None:
        """The digest as the service writes it; None for a composed object."""
        digest = self.content.md5()
        return None if digest is None else base64.b64encode(digest).decode()

    def revised(self, *, settings: dict[str, str], metadata: dict[str, str] | None, now_us: int) -> StoredObject:
        """Make the next metageneration."""
        return msgspec.structs.replace(
            self,
            settings=settings,
            metadata=metadata,
            metageneration=self.metageneration + 1,
            updated_us=now_us,
            cache={},
        )


@lru_cache(maxsize=1024)
def timestamp(us: int) -> str:
    """Write microseconds since 1970 as RFC 3339."""
    moment = datetime.fromtimestamp(us / 1e6, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{us % 1_000_000 // 1000:03d}Z"


@lru_cache(maxsize=1024)
def http_date(second: int) -> str:
    """Write seconds since 1970 as a header's date."""
    return formatdate(second, usegmt=True)


def resource(
    bucket: str, stored: StoredObject, keys: frozenset[str] | None = None, *, origin: str = ""
) -> dict[str, Json]:
    """Describe an object as the JSON API does; None for `keys` gives all of them.

    The checksum is left out unless asked for, since it may mean reading a file.
    """
    path = f"/b/{bucket}/o/{quote(stored.name, safe='')}"
    found: dict[str, Json] = {
        "kind": "storage#object",
        "id": f"{bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"{origin}/storage/v1{path}",
        "mediaLink": f"{origin}/download/storage/v1{path}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": "application/octet-stream",
        "storageClass": stored.storage_class,
        "size": str(stored.size),
        "etag": stored.etag,
        "timeCreated": timestamp(stored.created_us),
        "updated": timestamp(stored.updated_us),
        "timeStorageClassUpdated": timestamp(stored.created_us),
        "timeFinalized": timestamp(stored.created_us),
        **stored.settings,
    }
    if stored.deleted_us or stored.soft_deleted_us:
        found |= _ends(stored)
    found |= {hold: True for hold in HOLDS if hold in stored.settings}
    if stored.metadata:
        found["metadata"] = dict(stored.metadata)
    if stored.component_count:
        found["componentCount"] = stored.component_count
    if keys is None or "crc32c" in keys:
        found["crc32c"] = stored.crc32c()
    digest = stored.md5() if keys is None or "md5Hash" in keys else None
    if digest is not None:
        found["md5Hash"] = digest
    return found if keys is None else {key: value for key, value in found.items() if key in keys}


def _ends(stored: StoredObject) -> dict[str, Json]:
    """Say since when an object is live no more."""
    times = {
        "timeDeleted": stored.deleted_us,
        "softDeleteTime": stored.soft_deleted_us,
        "hardDeleteTime": stored.hard_deleted_us,
    }
    return {key: timestamp(us) for key, us in times.items() if us}


def media_headers(stored: StoredObject) -> bytes:
    """Give the lines that every read of an object carries, whatever its range; the type of the content comes first."""
    known = stored.cache.get("media")
    if not isinstance(known, bytes):
        known = stored.cache["media"] = "".join([f"{key}: {value}\r\n" for key, value in _media_pairs(stored)]).encode()
    return known


def _media_pairs(stored: StoredObject) -> Iterator[tuple[str, object]]:
    digest = stored.md5()
    hashes = f"crc32c={stored.crc32c()}"
    yield "content-type", _sendable(stored.settings.get("contentType", "application/octet-stream"))
    yield "x-goog-generation", stored.generation
    yield "x-goog-metageneration", stored.metageneration
    yield "x-goog-stored-content-encoding", _sendable(stored.encoding or "identity")
    yield "x-goog-stored-content-length", stored.size
    yield "x-goog-hash", hashes if digest is None else f"{hashes},md5={digest}"
    yield "x-goog-storage-class", _sendable(stored.storage_class)
    yield "etag", stored.etag
    yield "last-modified", http_date(stored.updated_us // 1_000_000)
    if "cacheControl" in stored.settings:
        yield "cache-control", _sendable(stored.settings["cacheControl"])


def _sendable(text: str) -> str:
    return UNSENDABLE.sub("?", text)
