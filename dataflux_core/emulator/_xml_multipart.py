"""Take in an object in parts, as the XML API lets clients do."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import XML_TYPE, Reply
from dataflux_core.emulator._store import Store, Target, Upload
from dataflux_core.emulator._uploads import finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._http import Request

PART_NUMBER = re.compile(rb"<PartNumber>\s*(\d+)\s*</PartNumber>")


def act(request: Request) -> Callable[[Store, Request, Target], Reply] | None:
    """Choose what answers; None for a request that has nothing to do with parts."""
    if "uploads" in request.query and request.method == "POST":
        return _begin
    if "uploadId" not in request.query:
        return None
    return {"PUT": _part, "POST": _complete, "DELETE": _abort}.get(request.method)


def _begin(store: Store, request: Request, target: Target) -> Reply:
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.create")
    kind = request.headers.get(b"content-type")
    settings: dict[str, Json] = {} if kind is None else {"contentType": kind.decode("latin-1")}
    identifier = secrets.token_urlsafe(24)
    store.uploads[identifier] = Upload(target.bucket, target.name, settings, {})
    return _answer(
        "InitiateMultipartUploadResult",
        {"Bucket": target.bucket, "Key": target.name, "UploadId": identifier},
    )


def _part(store: Store, request: Request, target: Target) -> Reply:
    upload = _upload(store, request, target)
    number = request.number("partNumber")
    if number is None:
        raise ApiError(400, "A part needs its number.")
    upload.parts[number] = request.body
    digest = hashlib.md5(request.body, usedforsecurity=False).hexdigest()
    return Reply(200, f'etag: "{digest}"\r\n'.encode())


def _complete(store: Store, request: Request, target: Target) -> Reply:
    upload = _upload(store, request, target)
    numbers = [int(number) for number in PART_NUMBER.findall(request.body)]
    if not numbers or any(number not in upload.parts for number in numbers):
        raise ApiError(400, "The parts named are not those that have arrived.")
    content = b"".join([upload.parts[number] for number in numbers])
    stored = finish(store, target.bucket, target.name, content, (upload.settings, upload.conditions))
    del store.uploads[request.query["uploadId"]]
    return _answer(
        "CompleteMultipartUploadResult",
        {"Bucket": target.bucket, "Key": target.name, "ETag": f'"{stored.etag}"'},
        b"x-goog-generation: %d\r\n" % stored.generation,
    )


def _abort(store: Store, request: Request, target: Target) -> Reply:
    _upload(store, request, target)
    del store.uploads[request.query["uploadId"]]
    return Reply(204)


def _upload(store: Store, request: Request, target: Target) -> Upload:
    upload = store.uploads.get(request.query["uploadId"])
    if upload is None or (upload.bucket, upload.name) != (target.bucket, target.name):
        raise ApiError(404, "No such upload.")
    return upload


def _answer(tag: str, values: dict[str, str], headers: bytes = b"") -> Reply:
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in values.items())
    body = f"<?xml version='1.0' encoding='UTF-8'?><{tag}>{inner}</{tag}>"
    return Reply(200, XML_TYPE + headers, body.encode())
