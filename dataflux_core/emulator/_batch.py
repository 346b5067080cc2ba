"""Take a batch of calls apart or put their answers together."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply, Request, request_to

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_CALLS = 100  # https://cloud.google.com/storage/docs/batch
REQUEST_LINE = re.compile(rb"(GET|POST|PUT|PATCH|DELETE|HEAD) (\S+)(?: HTTP/1\.[01])?")
ABSOLUTE = re.compile(rb"https?://[^/]+")


def split_batch(request: Request) -> list[tuple[bytes, Request]]:
    """Give the calls of a batch, each with its Content-ID."""
    match = re.search(rb'boundary="?([^";]+)"?', request.headers.get(b"content-type", b""))
    if match is None:
        raise ApiError(400, "A batch needs a boundary.")
    parts = request.body.replace(b"\r\n", b"\n").split(b"--" + match[1])[1:-1]
    if not 1 <= len(parts) <= MAX_CALLS:
        raise ApiError(400, f"A batch has 1 to {MAX_CALLS} calls, this one {len(parts)}.")
    return [_call(part, request) for part in parts]


def _call(part: bytes, batch: Request) -> tuple[bytes, Request]:
    outer, _, inner = part.lstrip(b"\n").partition(b"\n\n")
    head, _, body = inner.partition(b"\n\n")
    line, _, lines = head.lstrip(b"\n").partition(b"\n")
    match = REQUEST_LINE.fullmatch(line.strip())
    if match is None:
        raise ApiError(400, "A part of the batch is no request.")
    url = ABSOLUTE.sub(b"", match[2], count=1).decode("ascii", "replace")
    headers = _headers(lines)
    if b"authorization" in batch.headers:
        headers.setdefault(b"authorization", batch.headers[b"authorization"])
    call = request_to(match[1].decode(), url, headers, body.strip(b"\n"))
    call.scheme = batch.scheme
    if call.query.get("alt") == "media" or url.startswith(("/upload", "/download")):
        raise ApiError(400, "A batch neither uploads nor downloads.")
    return _headers(outer).get(b"content-id", b""), call


def _headers(lines: bytes) -> dict[bytes, bytes]:
    pairs = [line.partition(b":") for line in lines.split(b"\n") if line.strip()]
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def join_batch(answers: Sequence[tuple[bytes, Reply]]) -> Reply:
    """Put answers together in the order of the calls."""
    boundary = b"batch_of_the_emulator"
    parts: list[bytes] = []
    for identifier, reply in answers:
        parts.append(b"--%b\r\nContent-Type: application/http\r\n" % boundary)
        if identifier:
            parts.append(b"Content-ID: <response-%b>\r\n" % identifier.strip(b"<>"))
        body = reply.body if isinstance(reply.body, bytes) else b""
        phrase = HTTPStatus(reply.status).phrase.encode()
        headers = b"%bContent-Length: %d\r\n" % (reply.headers, len(body))
        parts.append(b"\r\nHTTP/1.1 %d %b\r\n%b\r\n%b\r\n" % (reply.status, phrase, headers, body))
    parts.append(b"--%b--\r\n" % boundary)
    return Reply(200, b"content-type: multipart/mixed; boundary=%b\r\n" % boundary, b"".join(parts))
