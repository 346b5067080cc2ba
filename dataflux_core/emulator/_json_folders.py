"""Answer the calls on the folders of a hierarchical namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply, json_reply
from dataflux_core.emulator._names import name_fault

if TYPE_CHECKING:
    from dataflux_core.emulator._bucket import Bucket
    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._http import Request
    from dataflux_core.emulator._store import Store, Target


def folder_resource(bucket: Bucket, name: str) -> dict[str, Json]:
    """Describe a folder as the JSON API does."""
    return {"kind": "storage#folder", "id": f"{bucket.name}/{name}", "bucket": bucket.name, "name": name}


def insert(store: Store, request: Request, target: Target) -> Reply:
    """Answer folders.insert."""
    bucket = _hierarchical(store, target, "storage.folders.create")
    name = request.json().get("name")
    if not isinstance(name, str) or name_fault(name) is not None:
        raise ApiError(400, f"No legal name of a folder: {name!r}.")
    name = _with_slash(name)
    if _exists(bucket, name):
        raise ApiError(409, f"The folder exists already: {name}.")
    parent = name[: name.rfind("/", 0, -1) + 1]
    if parent and not request.flag("recursive") and not _exists(bucket, parent):
        raise ApiError(409, f"The folder {name} has no parent; ask with recursive=true.")
    bucket.folders.add(name)
    return json_reply(folder_resource(bucket, name))


def get(store: Store, request: Request, target: Target) -> Reply:
    """Answer folders.get."""
    del request
    bucket, name = _existing(store, target, "storage.folders.get")
    return json_reply(folder_resource(bucket, name))


def delete(store: Store, request: Request, target: Target) -> Reply:
    """Answer folders.delete; only an empty folder goes."""
    del request
    bucket, name = _existing(store, target, "storage.folders.delete")
    below = bucket.take_folders(name, None, 2).names
    if _holds_objects(bucket, name) or any(other != name and other.startswith(name) for other in below):
        raise ApiError(409, f"The folder is not empty: {name}.")
    bucket.folders.remove(name)
    return Reply(204)


def _existing(store: Store, target: Target, permission: str) -> tuple[Bucket, str]:
    """Find a folder with its bucket; raises ApiError where there is none."""
    bucket = _hierarchical(store, target, permission)
    name = _with_slash(target.name)
    if not _exists(bucket, name):
        raise ApiError(404, f"No such folder: {bucket.name}/{name}")
    return bucket, name


def _hierarchical(store: Store, target: Target, permission: str) -> Bucket:
    bucket = store.bucket(target.bucket)
    bucket.demand(permission)
    if not bucket.is_hierarchical:
        raise ApiError(409, f"The bucket {bucket.name} has no hierarchical namespace.")
    return bucket


def _exists(bucket: Bucket, name: str) -> bool:
    below = bucket.take_folders(name, None, 1).names
    return (bool(below) and below[0].startswith(name)) or _holds_objects(bucket, name)


def _holds_objects(bucket: Bucket, name: str) -> bool:
    names = bucket.take(name, None, 1).names
    return bool(names) and names[0].startswith(name)


def _with_slash(name: str) -> str:
    return name if name.endswith("/") else name + "/"
