"""Find out what a path asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from dataflux_core.emulator import _json_buckets, _json_folders, _json_objects, _uploads, _xml
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply, Request, decode_text, error_reply
from dataflux_core.emulator._json_generations import list_generations
from dataflux_core.emulator._json_list import list_objects
from dataflux_core.emulator._media import read_media
from dataflux_core.emulator._store import Store, Target

Act: TypeAlias = Callable[[Store, Request, Target], Reply]


class Route(NamedTuple):
    """What a request is about, known before anything is done: the operation names it for counters or faults."""

    operation: str
    act: Act
    target: Target


def _list(store: Store, request: Request, target: Target) -> Reply:
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.list")
    if bucket.bills_callers and "userProject" not in request.query and USER_PROJECT not in request.headers:
        message = "Bucket is a requester pays bucket but no user project provided."
        raise ApiError(400, message, "required")
    if request.flag("versions") or request.flag("softDeleted"):
        return list_generations(bucket, request, store.max_page)
    return list_objects(bucket, request, store.max_page)


BUCKETS: dict[str, tuple[str, Act]] = {
    "GET": ("bucket", _json_buckets.list_buckets),
    "POST": ("bucket", _json_buckets.insert),
}
BUCKET: dict[str, tuple[str, Act]] = {
    "GET": ("bucket", _json_buckets.get),
    "PATCH": ("bucket", _json_buckets.patch),
    "DELETE": ("bucket", _json_buckets.delete),
}
OBJECTS: dict[str, tuple[str, Act]] = {
    "GET": ("list", _list),
    "POST": ("insert", _uploads.insert),
    "PUT": ("insert", _uploads.resume),
    "DELETE": ("insert", _uploads.resume),
}
OBJECT: dict[str, tuple[str, Act]] = {
    "GET": ("get", _json_objects.get),
    "DELETE": ("delete", _json_objects.delete),
    "PATCH": ("patch", _json_objects.patch),
    "PUT": ("patch", _json_objects.update),
}
FOLDERS: dict[str, tuple[str, Act]] = {"POST": ("folder", _json_folders.insert)}
FOLDER: dict[str, tuple[str, Act]] = {
    "GET": ("folder", _json_folders.get),
    "DELETE": ("folder", _json_folders.delete),
}
COPIES: dict[str, Act] = {"rewriteTo": _json_objects.rewrite_to, "copyTo": _json_objects.copy_to}
MEDIA: tuple[str, Act] = ("read", read_media)

API, UPLOAD = (b"storage", b"v1"), b"upload"
USER_PROJECT = b"x-goog-user-project"
OBJECT_PARTS = 4  # b, BUCKET, o, OBJECT


def answer(store: Store, request: Request) -> Reply:
    """Answer a request at once, as a server without latency or faults does."""
    try:
        route = resolve(request)
        return route.act(store, request, route.target)
    except ApiError as error:
        return error_reply(error)


def resolve(request: Request) -> Route:
    """Give the route of a request or refuse it."""
    if not request.raw_path.startswith(b"/"):  # such as OPTIONS *
        raise ApiError(404, "Not Found")
    parts = request.raw_path.split(b"/")
    # The hot path: /storage/v1/b/BUCKET/o/OBJECT?alt=media
    if parts[1] != b"storage":
        if parts[1] in {b"download", UPLOAD}:
            del parts[1]
        elif parts[1] == b"resumable" and len(parts) > OBJECT_PARTS and parts[2] == UPLOAD:
            del parts[1:3]
        else:
            return _xml_route(request)
    if len(parts) < OBJECT_PARTS or parts[2] != b"v1" or parts[3] != b"b":
        raise ApiError(404, "Not Found")
    rest = [part.decode("ascii", "replace") for part in parts[4:]]
    rest = [decode_text(part) if "%" in part else part for part in rest]
    return _json_route(request, rest)


def _json_route(request: Request, rest: list[str]) -> Route:
    if len(rest) > 1 and rest[1] == "o":
        return _object_route(request, rest[0], rest[2:])
    if len(rest) > 1 and rest[1] == "folders":
        return _folder_route(request, rest[0], rest[2:])
    if rest[1:] == ["iam", "testPermissions"]:
        return Route("iam", _json_buckets.test_permissions, Target(rest[0]))
    if len(rest) == 1 and rest[0]:
        return _by_method(BUCKET, request, Target(rest[0]))
    if not any(rest):
        return _by_method(BUCKETS, request, Target())
    raise ApiError(404, "Not Found")


def _object_route(request: Request, bucket: str, rest: list[str]) -> Route:
    match rest:
        case [name]:
            target = Target(bucket, name)
            if request.query.get("alt") == "media" and request.method in {"GET", "HEAD"}:
                return Route(*MEDIA, target)
            return _by_method(OBJECT, request, target)
        case []:
            if "upload_id" in request.query:
                return Route("insert", _uploads.resume, Target(bucket))
            return _by_method(OBJECTS, request, Target(bucket))
        case [name, "compose"]:
            return Route("compose", _json_objects.compose, Target(bucket, name))
        case [name, "rewriteTo" | "copyTo" as call, "b", to_bucket, "o", to_name]:
            return Route("rewrite", COPIES[call], Target(bucket, name, to_bucket, to_name))
    raise ApiError(404, "Not Found")


def _folder_route(request: Request, bucket: str, rest: list[str]) -> Route:
    match rest:
        case []:
            return _by_method(FOLDERS, request, Target(bucket))
        case [name]:
            return _by_method(FOLDER, request, Target(bucket, name))
    raise ApiError(404, "Not Found")


def _by_method(acts: dict[str, tuple[str, Act]], request: Request, target: Target) -> Route:
    found = acts.get("GET" if request.method == "HEAD" else request.method)
    if found is None:
        raise ApiError(405, f"{request.method} is not allowed here.", "methodNotAllowed")
    return Route(*found, target)


def _xml_route(request: Request) -> Route:
    path = decode_text(request.raw_path.decode("ascii", "replace"))
    bucket, _, name = path[1:].partition("/")
    if not bucket:
        raise ApiError(404, "Not Found")
    operation, act = _xml.act(request, name)
    return Route(operation, act, Target(bucket, name))
