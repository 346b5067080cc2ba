"""Send the bytes of an object or a range of them."""

from __future__ import annotations

import gzip
import re
import zlib
from typing import TYPE_CHECKING

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import TEXT_TYPE, Reply
from dataflux_core.emulator._objects import media_headers
from dataflux_core.emulator._preconditions import NOT_MODIFIED, existing

if TYPE_CHECKING:
    from dataflux_core.emulator._http import Request
    from dataflux_core.emulator._objects import StoredObject
    from dataflux_core.emulator._store import Store, Target

RANGE = re.compile(rb"bytes=(\d*)-(\d*)")
MOST_DIGITS = 18  # no object is that large, while Python refuses to read thousands of digits
OK, PARTIAL = 200, 206
GUNZIPPED = (
    b"warning: 214 UploadServer gunzipped\r\n"
    b"x-guploader-response-body-transformations: gunzipped\r\n"
    b"vary: Accept-Encoding\r\n"
)


def read_media(store: Store, request: Request, target: Target) -> Reply:
    """Answer a read; errors come as plain text, as the service gives them here."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.get")
    try:
        stored = existing(bucket, target.name, request)
        return send(stored, request)
    except ApiError as error:
        if error.status == NOT_MODIFIED:
            return Reply(NOT_MODIFIED)
        return Reply(error.status, TEXT_TYPE, error.message.encode())


def send(stored: StoredObject, request: Request) -> Reply:
    """Answer with the wanted bytes."""
    encoded = stored.encoding == "gzip"
    if encoded and b"gzip" not in request.headers.get(b"accept-encoding", b""):
        unpacked = _unpacked(stored)
        if unpacked is not None:
            return unpacked
    headers = media_headers(stored)
    if encoded:
        headers += b"content-encoding: gzip\r\n"
    wanted = request.headers.get(b"range")
    span = None if wanted is None else byte_range(wanted, stored.size)
    if span is None:
        body = stored.content.span(0, stored.size)
        return Reply(OK, headers + b"accept-ranges: bytes\r\n", body, payload=stored.size)
    start, stop = span
    headers += b"content-range: bytes %d-%d/%d\r\n" % (start, stop - 1, stored.size)
    return Reply(PARTIAL, headers, stored.content.span(start, stop), payload=stop - start)


def byte_range(header: bytes, size: int) -> tuple[int, int] | None:
    """Read a Range header as [start, stop); None where the service would send everything."""
    match = RANGE.fullmatch(header.replace(b" ", b""))
    if match is None or match[0] == b"bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, stop = max(size - _place(last), 0), size
    else:
        start, stop = _place(first), min(_place(last) + 1 if last else size, size)
        if last and _place(last) < start:
            return None
    if start >= stop:
        raise ApiError(416, f"The requested range cannot be satisfied: the object has {size} bytes.")
    return start, stop


def _place(digits: bytes) -> int:
    return int(digits.lstrip(b"0")[:MOST_DIGITS] or 0)


def _unpacked(stored: StoredObject) -> Reply | None:
    """Decompress on the way, which leaves ranges aside; None if the bytes are not what they are said to be."""
    try:
        body = gzip.decompress(stored.content.read())
    except (OSError, EOFError, zlib.error):
        return None
    return Reply(OK, media_headers(stored) + GUNZIPPED, body, payload=len(body))
