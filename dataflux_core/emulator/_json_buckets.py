"""Answer the calls on buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.emulator._bucket import Bucket
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._fields import parse_fields, select
from dataflux_core.emulator._http import Reply, json_reply
from dataflux_core.emulator._objects import timestamp

if TYPE_CHECKING:
    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._http import Request
    from dataflux_core.emulator._store import Store, Target

CREATED_US = 1_700_000_000_000_000


def bucket_resource(bucket: Bucket) -> dict[str, Json]:
    """Describe a bucket as the JSON API does."""
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": f"/storage/v1/b/{bucket.name}",
        "name": bucket.name,
        "projectNumber": "0",
        "generation": str(CREATED_US),
        "metageneration": "1",
        "location": "US-CENTRAL1",
        "locationType": "region",
        "storageClass": "STANDARD",
        "etag": "CAE=",
        "timeCreated": timestamp(CREATED_US),
        "updated": timestamp(CREATED_US),
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
        **bucket.resource,
    }


def get(store: Store, request: Request, target: Target) -> Reply:
    """Answer buckets.get."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.buckets.get")
    return json_reply(select(bucket_resource(bucket), parse_fields(request.query.get("fields", ""))))


def list_buckets(store: Store, request: Request, target: Target) -> Reply:
    """Answer buckets.list, on one page."""
    del target
    prefix = request.query.get("prefix", "")
    items: list[Json] = [
        bucket_resource(bucket) for name, bucket in sorted(store.buckets.items()) if name.startswith(prefix)
    ]
    answer: Json = {"kind": "storage#buckets", "items": items}
    return json_reply(select(answer, parse_fields(request.query.get("fields", ""))))


def insert(store: Store, request: Request, target: Target) -> Reply:
    """Answer buckets.insert."""
    del target
    wanted = request.json()
    name = wanted.pop("name", None)
    if not isinstance(name, str) or not name:
        raise ApiError(400, "A bucket needs a name.", "required")
    if name in store.buckets:
        raise ApiError(409, "Your previous request to create the named bucket succeeded and you already own it.")
    bucket = store.buckets[name] = Bucket(name, resource=wanted)
    return json_reply(bucket_resource(bucket))


def patch(store: Store, request: Request, target: Target) -> Reply:
    """Answer buckets.patch, in which null removes a value."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.buckets.update")
    for key, value in request.json().items():
        bucket.resource.pop(key, None)
        if value is not None:
            bucket.resource[key] = value
    return json_reply(bucket_resource(bucket))


def delete(store: Store, request: Request, target: Target) -> Reply:
    """Answer buckets.delete; only an empty bucket goes."""
    del request
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.buckets.delete")
    if not bucket.is_empty():
        raise ApiError(409, "The bucket you tried to delete is not empty.")
    del store.buckets[target.bucket]
    return Reply(204)


def test_permissions(store: Store, request: Request, target: Target) -> Reply:
    """Answer buckets.testIamPermissions with those of the asked that are granted."""
    bucket = store.bucket(target.bucket)
    asked = request.query.get("permissions", "").split(",")
    granted: list[Json] = [name for name in asked if bucket.permissions is None or name in bucket.permissions]
    answer: dict[str, Json] = {"kind": "storage#testIamPermissionsResponse"}
    if granted:
        answer["permissions"] = granted
    return json_reply(answer)
