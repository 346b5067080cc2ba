"""Turn what a bucket is said to hold into the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.emulator._bucket import Base, Bucket
from dataflux_core.emulator._config import Contents, Directory, Memory, ServerPlan
from dataflux_core.emulator._directory import Files
from dataflux_core.emulator._made_up import MadeUpObjects
from dataflux_core.emulator._objects import BytesContent
from dataflux_core.emulator._store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_store(plan: ServerPlan) -> Store:
    """Make all buckets of a plan."""
    store = Store(plan.max_page)
    for name, contents in plan.buckets.items():
        store.buckets[name] = make_bucket(store, name, contents)
    return store


def make_bucket(store: Store, name: str, contents: Contents) -> Bucket:
    """Make a bucket."""
    base: Base | None = None
    objects: Mapping[str, bytes] = {}
    if isinstance(contents, Memory):
        objects = contents.objects
    elif isinstance(contents, Directory):
        base = Files(str(contents.path))
    else:
        base = MadeUpObjects(contents)
    bucket = Bucket(name, base, permissions=contents.permissions, resource=contents.resource)
    for object_name, content in objects.items():
        store.write(bucket, object_name, BytesContent(content), len(content), {})
    return bucket
