"""Speak as much of the XML API as clients read, list, write with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from dataflux_core.emulator import _json_objects, _xml_multipart
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import XML_TYPE, Reply, decode_text
from dataflux_core.emulator._json_list import read_token, write_token
from dataflux_core.emulator._listing import Query, page
from dataflux_core.emulator._media import send
from dataflux_core.emulator._objects import StoredObject, media_headers, resource, timestamp
from dataflux_core.emulator._preconditions import NOT_MODIFIED, conditions, existing
from dataflux_core.emulator._uploads import finish

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._http import Request
    from dataflux_core.emulator._store import Store, Target

MAX_KEYS = 1000
NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"
# XML 1.0 has no way to write most control characters; the service refuses to list such names too.
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
CODES = {
    400: "InvalidArgument",
    401: "AuthenticationRequired",
    403: "AccessDenied",
    404: "NoSuchKey",
    409: "Conflict",
    412: "PreconditionFailed",
    416: "InvalidRange",
    429: "TooManyRequests",
}


def act(request: Request, name: str) -> tuple[str, Callable[[Store, Request, Target], Reply]]:
    """Choose what answers: the operation, then the function."""
    if not name:
        return "list", _guarded(_list)
    multipart = _xml_multipart.act(request)
    if multipart is not None:
        return "insert", _guarded(multipart)
    copied = b"x-goog-copy-source" in request.headers or b"x-amz-copy-source" in request.headers
    chosen = {
        "GET": ("read", _read),
        "HEAD": ("get", _read),
        "PUT": ("rewrite", _copy) if copied else ("insert", _put),
        "DELETE": ("delete", _json_objects.delete),
    }.get(request.method)
    if chosen is None:
        raise ApiError(405, f"{request.method} is not imitated here.", "methodNotAllowed")
    return chosen[0], _guarded(chosen[1])


def _guarded(function: Callable[[Store, Request, Target], Reply]) -> Callable[[Store, Request, Target], Reply]:
    """Give errors the shape of the XML API."""

    def guarded(store: Store, request: Request, target: Target) -> Reply:
        try:
            return function(store, request, target)
        except ApiError as error:
            return error_xml(error)

    return guarded


def error_xml(error: ApiError) -> Reply:
    """Answer with an error as XML."""
    if error.status == NOT_MODIFIED:
        return Reply(NOT_MODIFIED)
    code = "NoSuchBucket" if "bucket does not exist" in error.message else CODES.get(error.status, "InternalError")
    message = UNWRITABLE.sub("?", escape(error.message))
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Reply(error.status, XML_TYPE, body.encode())


def _list(store: Store, request: Request, target: Target) -> Reply:
    """Answer GET /BUCKET, version 2 of the listing."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.list")
    asked = request.query
    after = asked.get("start-after") or asked.get("marker") or ""
    start = after + "\0" if after else ""
    if asked.get("continuation-token"):
        start = read_token(asked["continuation-token"])
    limit = request.number("max-keys")
    limit = MAX_KEYS if limit is None else max(0, min(limit, MAX_KEYS, store.max_page))
    if request.fault == "empty_page":
        limit = 0
    query = Query(limit, asked.get("prefix", ""), start, delimiter=asked.get("delimiter", ""))
    found = page(bucket.take, query)
    entries = [_entry(stored) for stored in map(bucket.listed, found.names) if stored is not None]
    entries += [f"<CommonPrefixes><Prefix>{_text(name)}</Prefix></CommonPrefixes>" for name in found.prefixes]
    more = found.resume is not None
    token = "" if found.resume is None else write_token(found.resume).decode()
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='{NAMESPACE}'>"
        f"<Name>{_text(bucket.name)}</Name><Prefix>{_text(query.prefix)}</Prefix>"
        f"<KeyCount>{len(entries)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
        + (f"<NextContinuationToken>{token}</NextContinuationToken>" if more else "")
        + "".join(entries)
        + "</ListBucketResult>"
    )
    return Reply(200, XML_TYPE, body.encode(), objects=len(found.names))


def _entry(stored: StoredObject) -> str:
    return (
        f"<Contents><Key>{_text(stored.name)}</Key><Generation>{stored.generation}</Generation>"
        f"<MetaGeneration>{stored.metageneration}</MetaGeneration>"
        f"<LastModified>{timestamp(stored.updated_us)}</LastModified>"
        f"<ETag>{_text(stored.etag)}</ETag><Size>{stored.size}</Size></Contents>"
    )


def _text(text: str) -> str:
    if UNWRITABLE.search(text):
        raise ApiError(400, f"XML cannot hold the control characters of {text!r}.")
    return escape(text)


def _read(store: Store, request: Request, target: Target) -> Reply:
    """Answer GET or HEAD of /BUCKET/OBJECT; the server leaves the body of the latter out."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.get")
    return send(existing(bucket, target.name, request), request)


def _put(store: Store, request: Request, target: Target) -> Reply:
    """Answer PUT /BUCKET/OBJECT."""
    settings: dict[str, Json] = {}
    known = {b"content-type": "contentType", b"content-encoding": "contentEncoding", b"cache-control": "cacheControl"}
    for header, key in known.items():
        if header in request.headers:
            settings[key] = request.headers[header].decode("latin-1")
    wanted = (settings, conditions(request))
    return _written(finish(store, target.bucket, target.name, request.body, wanted))


def _copy(store: Store, request: Request, target: Target) -> Reply:
    """Answer PUT /BUCKET/OBJECT with a source to copy."""
    headers = request.headers
    path = headers.get(b"x-goog-copy-source") or headers.get(b"x-amz-copy-source", b"")
    bucket, _, name = decode_text(path.decode("ascii", "replace")).lstrip("/").partition("/")
    source = target._replace(bucket=bucket, name=name, to_bucket=target.bucket, to_name=target.name)
    stored = _json_objects.copy(store, request, source)
    reply = _written(stored)
    described = resource(target.bucket, stored, frozenset({"etag", "updated"}))
    body = "".join(f"<{tag}>{described[key]}</{tag}>" for tag, key in (("ETag", "etag"), ("LastModified", "updated")))
    reply.body = f"<?xml version='1.0' encoding='UTF-8'?><CopyObjectResult>{body}</CopyObjectResult>".encode()
    return reply


def _written(stored: StoredObject) -> Reply:
    _, _, headers = media_headers(stored).partition(b"\r\n")  # the first one is the type of the content
    return Reply(200, XML_TYPE + headers)
