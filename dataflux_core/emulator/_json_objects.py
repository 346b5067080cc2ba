"""Answer the calls on single objects."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from dataflux_core.emulator._errors import ApiError, no_object
from dataflux_core.emulator._fields import parse_fields, select
from dataflux_core.emulator._http import Reply, json_reply
from dataflux_core.emulator._objects import BytesContent, ComposedContent, StoredObject, resource
from dataflux_core.emulator._preconditions import NOT_MODIFIED, conditions, existing, hold, whole
from dataflux_core.emulator._store import Store, Target, read_settings, settings_of

if TYPE_CHECKING:
    from dataflux_core.emulator._bucket import Bucket
    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._http import Request

MAX_SOURCES = 32  # https://cloud.google.com/storage/docs/composite-objects


def described(bucket: str, stored: StoredObject, request: Request) -> Reply:
    """Answer with the resource of an object, as far as `fields` wants it."""
    selector = parse_fields(request.query.get("fields", ""))
    keys = None if selector is None or "*" in selector else frozenset(selector)
    return json_reply(select(resource(bucket, stored, keys, origin=request.origin), selector))


def get(store: Store, request: Request, target: Target) -> Reply:
    """Answer objects.get."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.get")
    try:
        stored = existing(bucket, target.name, request)
    except ApiError as error:
        if error.status == NOT_MODIFIED:
            return Reply(NOT_MODIFIED)
        raise
    return described(bucket.name, stored, request)


def delete(store: Store, request: Request, target: Target) -> Reply:
    """Answer objects.delete."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.delete")
    stored = existing(bucket, target.name, request, reading=False)
    bucket.remove(stored, store.now_us(), for_good="generation" in request.query)
    return Reply(204)


def patch(store: Store, request: Request, target: Target) -> Reply:
    """Answer objects.patch, in which null removes a value."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.update")
    stored = existing(bucket, target.name, request, reading=False)
    changes = request.json()
    settings = {key: value for key, value in stored.settings.items() if key not in changes}
    settings |= settings_of(changes)
    metadata = stored.metadata
    if "metadata" in changes:
        changed = changes["metadata"]
        merged: dict[str, Json] = {**(metadata or {}), **changed} if isinstance(changed, dict) else {}
        metadata = {key: str(value) for key, value in merged.items() if value is not None} or None
    return _revise(bucket, stored.revised(settings=settings, metadata=metadata, now_us=store.now_us()), request)


def update(store: Store, request: Request, target: Target) -> Reply:
    """Answer objects.update, which replaces everything that may be set."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.update")
    stored = existing(bucket, target.name, request, reading=False)
    settings, metadata = read_settings(request.json())
    if stored.storage_class != "STANDARD":
        settings.setdefault("storageClass", stored.storage_class)
    return _revise(bucket, stored.revised(settings=settings, metadata=metadata, now_us=store.now_us()), request)


def _revise(bucket: Bucket, revised: StoredObject, request: Request) -> Reply:
    bucket.put(revised)
    return described(bucket.name, revised, request)


def demand_write(bucket: Bucket, name: str, wanted: dict[str, int]) -> None:
    """Refuse to write where the caller may not or a condition does not hold."""
    replaced = bucket.get(name)
    bucket.demand("storage.objects.create", *(["storage.objects.delete"] if replaced is not None else []))
    hold(replaced, wanted)


def compose(store: Store, request: Request, target: Target) -> Reply:
    """Answer objects.compose."""
    bucket = store.bucket(target.bucket)
    body = request.json()
    sources = body.get("sourceObjects")
    if not isinstance(sources, list) or not 1 <= len(sources) <= MAX_SOURCES:
        count = len(sources) if isinstance(sources, list) else 0
        message = f"The number of source components provided ({count}) must be between 1 and {MAX_SOURCES}."
        raise ApiError(400, message)
    bucket.demand_composable()
    deletes = body.get("deleteSourceObjects") is True
    bucket.demand("storage.objects.get", *(["storage.objects.delete"] if deletes else []))
    demand_write(bucket, target.name, conditions(request))
    parts = [_source(bucket, source) for source in sources]
    if len({part.storage_class for part in parts}) > 1:
        raise ApiError(400, "The source objects have different storage classes.")
    pieces = [*chain.from_iterable([part.content.pieces() for part in parts])]
    wanted = body.get("destination")
    settings = dict(wanted) if isinstance(wanted, dict) else {}
    settings.setdefault("storageClass", parts[0].storage_class)
    components = sum(part.component_count or 1 for part in parts)
    content, size = ComposedContent(*pieces), sum(map(len, pieces))
    stored = store.write(bucket, target.name, content, size, settings, components)
    if deletes:
        for part in {part.name: part for part in parts if part.name != target.name}.values():
            bucket.remove(part, store.now_us())
    return described(bucket.name, stored, request)


def _source(bucket: Bucket, source: Json) -> StoredObject:
    if not isinstance(source, dict) or not isinstance(name := source.get("name"), str):
        raise ApiError(400, "Every source object needs a name.", "required")
    generation = source.get("generation")
    stored = bucket.generation(name, None if generation is None else whole(str(generation)))
    if stored is None:
        raise no_object(bucket.name, name)
    wanted = source.get("objectPreconditions")
    if isinstance(wanted, dict) and (match := wanted.get("ifGenerationMatch")) is not None:
        hold(stored, {"ifGenerationMatch": whole(str(match))})
    return stored


def copy(store: Store, request: Request, target: Target) -> StoredObject:
    """Copy an object within the service."""
    bucket = store.bucket(target.bucket)
    bucket.demand("storage.objects.get")
    found = bucket.get(target.name)
    wanted = request.number("sourceGeneration")
    if found is None or (wanted is not None and found.generation != wanted):
        raise no_object(bucket.name, target.name)
    hold(found, conditions(request, "ifSource"))
    destination = store.bucket(target.to_bucket)
    demand_write(destination, target.to_name, conditions(request))
    settings: dict[str, Json] = {**found.settings, "metadata": dict(found.metadata or {}), **request.json()}
    # A copy of a file must outlive the file.
    content = found.content if isinstance(found.content, ComposedContent) else BytesContent(found.content.read())
    return store.write(destination, target.to_name, content, found.size, settings, found.component_count)


def copy_to(store: Store, request: Request, target: Target) -> Reply:
    """Answer objects.copy."""
    return described(target.to_bucket, copy(store, request, target), request)


def rewrite_to(store: Store, request: Request, target: Target) -> Reply:
    """Answer objects.rewrite, in one call whatever the size."""
    stored = copy(store, request, target)
    selector = parse_fields(request.query.get("fields", ""))
    size = str(stored.size)
    answer: dict[str, Json] = {
        "kind": "storage#rewriteResponse",
        "totalBytesRewritten": size,
        "objectSize": size,
        "done": True,
        "resource": resource(target.to_bucket, stored, origin=request.origin),
    }
    return json_reply(select(answer, selector))
