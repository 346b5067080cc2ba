"""Take in the bytes of new objects."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply, Request, decode_object, decode_text
from dataflux_core.emulator._json_objects import demand_write, described
from dataflux_core.emulator._objects import BytesContent, StoredObject
from dataflux_core.emulator._preconditions import conditions
from dataflux_core.emulator._store import Store, Target, Upload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._fields import Json

CONTENT_RANGE = re.compile(rb"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")
CLOSED, RESUME = 499, 308


def insert(store: Store, request: Request, target: Target) -> Reply:
    """Answer objects.insert in whichever way the bytes come."""
    kind = request.query.get("uploadType")
    if kind == "resumable":
        return _begin(store, request, target)
    if kind == "multipart":
        settings, content = split_related(request)
    elif kind is None:
        # A resource alone makes an empty object.
        settings, content = request.json(), b""
    else:
        settings, content = {}, request.body
        if b"content-type" in request.headers:
            settings["contentType"] = request.headers[b"content-type"].decode("latin-1")
    _read_headers(request, settings)
    name = _name(request, settings)
    stored = finish(store, target.bucket, name, content, (settings, conditions(request)))
    return described(target.bucket, stored, request)


def finish(
    store: Store, bucket_name: str, name: str, content: bytes, wanted: tuple[Mapping[str, Json], dict[str, int]]
) -> StoredObject:
    """Store the bytes under the wanted settings if the conditions hold."""
    settings, held = wanted
    bucket = store.bucket(bucket_name)
    demand_write(bucket, name, held)
    stored = StoredObject(name=name, size=len(content), generation=0, content=BytesContent(content))
    for key, actual in (("crc32c", stored.crc32c), ("md5Hash", stored.md5)):
        claimed = settings.get(key)
        if claimed is not None and claimed != actual():
            message = f"Provided {key} {claimed} doesn't match calculated {actual()} of {name}."
            raise ApiError(400, message, "invalid")
    return store.write(bucket, name, stored.content, len(content), settings)


def resume(store: Store, request: Request, target: Target) -> Reply:
    """Take a chunk of a resumable upload or say how far it has come."""
    identifier = request.query.get("upload_id", "")
    upload = store.uploads.get(identifier)
    if upload is None or upload.bucket != target.bucket:
        raise ApiError(404, f"No such upload: {identifier}")
    if request.method == "DELETE":
        del store.uploads[identifier]
        return Reply(CLOSED)
    if upload.finished is None:
        done = _receive(upload, request)
        if not done:
            last = len(upload.received) - 1
            return Reply(RESUME, b"range: bytes=0-%d\r\n" % last if upload.received else b"")
        content = bytes(upload.received)
        upload.finished = finish(store, upload.bucket, upload.name, content, (upload.settings, upload.conditions))
        upload.received.clear()
    return described(upload.bucket, upload.finished, request)


def _begin(store: Store, request: Request, target: Target) -> Reply:
    settings = request.json()
    kind = request.headers.get(b"x-upload-content-type")
    if kind is not None:
        settings.setdefault("contentType", kind.decode("latin-1"))
    name = _name(request, settings)
    held = conditions(request)
    demand_write(store.bucket(target.bucket), name, held)
    identifier = secrets.token_urlsafe(24)
    store.uploads[identifier] = Upload(target.bucket, name, settings, held)
    path = request.raw_path.decode("ascii")
    location = f"{request.origin}{path}?uploadType=resumable&upload_id={identifier}"
    return Reply(200, f"location: {location}\r\nx-guploader-uploadid: {identifier}\r\n".encode())


def _receive(upload: Upload, request: Request) -> bool:
    """Add a chunk; say whether it was the last."""
    header = request.headers.get(b"content-range")
    if header is None:
        upload.received[:] = request.body
        return True
    match = CONTENT_RANGE.fullmatch(header)
    if match is None:
        raise ApiError(400, f"Invalid Content-Range: {header.decode('latin-1')}")
    first, _, total = match.groups()
    if first is not None:
        start = int(first)
        if start > len(upload.received):
            raise ApiError(400, f"The chunk starts at {start}, but {len(upload.received)} bytes have arrived.")
        # A chunk that is sent again, since its answer was lost, lies over what is here.
        upload.received[start:] = request.body
    if total == b"*":
        return False
    if len(upload.received) > int(total):
        raise ApiError(400, f"{len(upload.received)} bytes have arrived, more than the total of {int(total)}.")
    return len(upload.received) == int(total)


def split_related(request: Request) -> tuple[dict[str, Json], bytes]:
    """Split a multipart/related body into the resource, then the bytes."""
    kind = request.headers.get(b"content-type", b"")
    match = re.search(rb'boundary="?([^";]+)"?', kind)
    if match is None:
        raise ApiError(400, "A multipart upload needs a boundary.")
    boundary = b"--" + match[1]
    body = request.body
    first = body.find(boundary)
    second = body.find(b"\n" + boundary, first + 1)
    last = body.rfind(b"\n" + boundary)
    if first < 0 or second < 0 or last <= second:
        raise ApiError(400, "A multipart upload has two parts.")
    resource = _part(body[first + len(boundary) : second])[1]
    headers, content = _part(body[second + 1 + len(boundary) : last])
    settings = decode_object(resource)
    if b"content-type" in headers:
        settings.setdefault("contentType", headers[b"content-type"].decode("latin-1"))
    return settings, content


def _part(part: bytes) -> tuple[dict[bytes, bytes], bytes]:
    # What stands before the first line feed is the rest of the boundary's line.
    part = part[part.find(b"\n") + 1 :].removesuffix(b"\r")
    headers: dict[bytes, bytes] = {}
    while True:
        line, _, part = part.partition(b"\n")
        line = line.strip()
        if not line:
            return headers, part
        key, _, value = line.partition(b":")
        headers[key.strip().lower()] = value.strip()


def _name(request: Request, settings: Mapping[str, Json]) -> str:
    name = request.query.get("name") or settings.get("name")
    if not isinstance(name, str):
        raise ApiError(400, "An upload needs the name of the object.", "required")
    return name


def _read_headers(request: Request, settings: dict[str, Json]) -> None:
    encoding = request.query.get("contentEncoding")
    if encoding:
        settings["contentEncoding"] = encoding
    for claim in request.headers.get(b"x-goog-hash", b"").decode("latin-1").split(","):
        kind, _, value = claim.strip().partition("=")
        key = {"crc32c": "crc32c", "md5": "md5Hash"}.get(kind)
        if key is not None:
            settings.setdefault(key, decode_text(value))
