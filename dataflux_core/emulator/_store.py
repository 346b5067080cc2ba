"""Keep the buckets together with the clock that numbers their generations."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core.emulator._errors import ApiError, no_bucket
from dataflux_core.emulator._names import name_fault
from dataflux_core.emulator._objects import HOLDS, SETTABLE, StoredObject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._bucket import Bucket
    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._objects import Content


class Target(NamedTuple):
    """What a path names: a bucket, an object in it, where it is to be copied."""

    bucket: str = ""
    name: str = ""
    to_bucket: str = ""
    to_name: str = ""


@dataclass(slots=True)
class Upload:
    """An upload in several requests, under way."""

    bucket: str
    name: str
    settings: dict[str, Json]
    conditions: dict[str, int]
    received: bytearray = field(default_factory=bytearray)
    finished: StoredObject | None = None
    parts: dict[int, bytes] = field(default_factory=dict)  # of an upload through the XML API


class Store:
    """All buckets of one emulator."""

    def __init__(self, max_page: int) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.uploads: dict[str, Upload] = {}
        self.max_page = max_page
        self._last_us = 0

    def bucket(self, name: str) -> Bucket:
        """Find a bucket."""
        found = self.buckets.get(name)
        if found is None:
            raise no_bucket(name)
        return found

    def now_us(self) -> int:
        """Tell the time in microseconds, never the same twice: it numbers the generations."""
        self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
        return self._last_us

    def write(  # noqa: PLR0913, PLR0917 - what makes up an object; a value for it would exist for this call alone
        self,
        bucket: Bucket,
        name: str,
        content: Content,
        size: int,
        settings: Mapping[str, Json],
        components: int = 0,
    ) -> StoredObject:
        """Make a new generation of an object."""
        fault = name_fault(name)
        if fault is not None:
            raise ApiError(400, fault)
        now = self.now_us()
        chosen, metadata = read_settings(settings)
        if "storageClass" not in chosen and isinstance(default := bucket.resource.get("storageClass"), str):
            chosen["storageClass"] = default
        if bucket.resource.get("defaultEventBasedHold") is True:
            chosen["eventBasedHold"] = "true"
        stored = StoredObject(
            name=name,
            size=size,
            generation=now,
            content=content,
            created_us=now,
            updated_us=now,
            settings=chosen,
            metadata=metadata,
            component_count=components,
        )
        bucket.put(stored)
        return stored


def settings_of(resource: Mapping[str, Json]) -> dict[str, str]:
    """Pick what an uploader may set, apart from custom metadata."""
    settings = {key: value for key in SETTABLE if isinstance(value := resource.get(key), str)}
    return settings | {hold: "true" for hold in HOLDS if resource.get(hold) is True}


def read_settings(resource: Mapping[str, Json]) -> tuple[dict[str, str], dict[str, str] | None]:
    """Pick what an uploader may set from a resource: the settings, then the custom metadata."""
    settings = settings_of(resource)
    metadata = resource.get("metadata")
    if not isinstance(metadata, dict):
        return settings, None
    return settings, {key: str(value) for key, value in metadata.items() if value is not None}
