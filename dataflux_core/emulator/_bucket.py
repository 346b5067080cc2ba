"""Hold the objects of one bucket over a base that is only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec.structs import replace

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._generations import Generations
from dataflux_core.emulator._names import SortedNames, part
from dataflux_core.emulator._objects import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._objects import StoredObject

HOLD_KINDS = {"temporaryHold": "Temporary", "eventBasedHold": "Event-Based"}


class Columns(Protocol):
    """Objects that differ only in what follows from their names, to be written column by column."""

    def sample(self, name: str) -> StoredObject:
        """Give one object, whose other attributes all of them share."""

    def column(self, attribute: str, names: list[str]) -> list[str] | None:
        """Give the values of an attribute, JSON-escaped; None if it is the same for every name."""


class Slice(NamedTuple):
    """Neighbouring names in order; `columns` writes them if no object among them was put by a user."""

    names: list[str]
    columns: Columns | None


class Base(Protocol):
    """Objects that were there before the emulator."""

    def get(self, name: str) -> StoredObject | None:
        """Find an object."""

    def listed(self, name: str) -> StoredObject | None:
        """Find an object for a listing, which may show it as it was."""

    def take(self, start: str, end: str | None, limit: int) -> list[str]:
        """Give the first names in [start, end), at most `limit`."""

    @property
    def columns(self) -> Columns | None:
        """How to write many of them at once, if that is possible."""


class Bucket:
    """The objects of one bucket: a base, less what was deleted, plus what was written."""

    def __init__(
        self,
        name: str,
        base: Base | None = None,
        *,
        permissions: frozenset[str] | None = None,
        resource: Mapping[str, Json] | None = None,
    ) -> None:
        self.name = name
        self.permissions = permissions
        self.resource: dict[str, Json] = dict(resource or {})
        self.folders = SortedNames()  # made by calls on folders; others follow from the names of objects
        self._base = base
        self._written: dict[str, StoredObject] = {}
        self._written_names = SortedNames()
        self._hidden: set[str] = set()
        self._noncurrent = Generations()
        self._soft_deleted = Generations()

    def get(self, name: str) -> StoredObject | None:
        """Find an object."""
        found = self._written.get(name)
        if found is None and self._base is not None and name not in self._hidden:
            return self._base.get(name)
        return found

    def listed(self, name: str) -> StoredObject | None:
        """Find an object that is on a page."""
        found = self._written.get(name)
        return self._base.listed(name) if found is None and self._base is not None else found

    def generation(self, name: str, generation: int | None) -> StoredObject | None:
        """Find a generation of an object, live or not; None gives the live one."""
        live = self.get(name)
        if generation is None or (live is not None and live.generation == generation):
            return live
        return self._noncurrent.get(name, generation)

    def generations(self, name: str, *, soft: bool) -> list[StoredObject]:
        """Give every generation of a name, the oldest first; with `soft` those that could be restored instead."""
        if soft:
            return self._soft_deleted.of(name)
        live = self.get(name)
        return self._noncurrent.of(name) if live is None else [*self._noncurrent.of(name), live]

    def put(self, stored: StoredObject) -> None:
        """Write an object, in place of one of the same name."""
        replaced = self.get(stored.name)
        if replaced is not None and replaced.generation != stored.generation:
            self._demand_end(replaced, stored.created_us)
            self._retire(replaced, stored.created_us, keeps_version=self._keeps_versions)
        if stored.name not in self._written:
            self._written_names.add(stored.name)
            if replaced is not None:
                self._hidden.add(stored.name)
        self._written[stored.name] = stored

    def remove(self, stored: StoredObject, now_us: int, *, for_good: bool = False) -> None:
        """Delete a generation that is there; `for_good` where a bucket with versions is not to keep it as one."""
        self._demand_end(stored, now_us)
        name = stored.name
        if stored.deleted_us:
            self._noncurrent.remove(stored)
        elif self._written.pop(name, None) is None:
            self._hidden.add(name)
        else:
            self._written_names.remove(name)
        self._retire(stored, now_us, keeps_version=self._keeps_versions and not for_good)

    def take(self, start: str, end: str | None, limit: int) -> Slice:
        """Give the first names in [start, end), at most `limit`."""
        written = self._take_written(start, end, limit)
        if self._base is None:
            return Slice(written, None)
        names = self._take_base(self._base, start, end, limit)
        if written:
            return Slice(sorted(names + written)[:limit], None)
        return Slice(names, self._base.columns)

    @property
    def is_hierarchical(self) -> bool:
        """Say whether folders are more than parts of names."""
        namespace = self.resource.get("hierarchicalNamespace")
        return isinstance(namespace, dict) and namespace.get("enabled") is True

    @property
    def bills_callers(self) -> bool:
        """Say whether a listing must name a project that pays."""
        billing = self.resource.get("billing")
        return isinstance(billing, dict) and billing.get("requesterPays") is True

    def take_generations(self, start: str, end: str | None, limit: int, *, soft: bool) -> list[str]:
        """Give the first names in [start, end) of which `generations` has any, at most `limit`."""
        if soft:
            return self._soft_deleted.take(start, end, limit)
        live = self.take(start, end, limit).names
        return sorted({*live, *self._noncurrent.take(start, end, limit)})[:limit]

    def take_folders(self, start: str, end: str | None, limit: int) -> Slice:
        """Give the first folders in [start, end) that were made as such, at most `limit`."""
        return Slice(part(self.folders.settled(), start, end, limit), None)

    def demand(self, *permissions: str) -> None:
        """Refuse what the caller may not do here."""
        if self.permissions is None:
            return
        for permission in permissions:
            if permission not in self.permissions:
                message = f"Caller does not have {permission} access to the Google Cloud Storage bucket {self.name}."
                raise ApiError(403, message)

    def demand_composable(self) -> None:
        """Refuse to compose where the service does not: in a Rapid bucket, which lies in one zone."""
        if self.resource.get("locationType") == "zone" or self.resource.get("storageClass") == "RAPID":
            raise ApiError(400, f"Compose is not supported in the zonal bucket {self.name}.")

    def _demand_end(self, stored: StoredObject, now_us: int) -> None:
        """Refuse to delete or replace an object that is held, or younger than the bucket keeps every object."""
        subject = f"Object '{self.name}/{stored.name}'"
        for hold, kind in HOLD_KINDS.items():
            if hold in stored.settings:
                message = f"{subject} is under active {kind} hold and cannot be deleted or overwritten."
                raise ApiError(403, message, "objectUnderActiveHold")
        ends_us = stored.created_us + self._kept_s * 1_000_000
        if now_us < ends_us:
            message = f"{subject} is subject to bucket's retention policy until {timestamp(ends_us)}."
            raise ApiError(403, message, "retentionPolicyNotMet")

    def is_empty(self) -> bool:
        """Say whether nothing is listed here."""
        return not self.take("", None, 1).names

    @property
    def _keeps_versions(self) -> bool:
        versioning = self.resource.get("versioning")
        return isinstance(versioning, dict) and versioning.get("enabled") is True

    @property
    def _soft_delete_s(self) -> int:
        return self._seconds("softDeletePolicy", "retentionDurationSeconds")

    @property
    def _kept_s(self) -> int:
        return self._seconds("retentionPolicy", "retentionPeriod")

    def _seconds(self, policy: str, key: str) -> int:
        found = self.resource.get(policy)
        return int(str(found.get(key) or 0)) if isinstance(found, dict) else 0

    def _retire(self, stored: StoredObject, now_us: int, *, keeps_version: bool) -> None:
        """Keep what is live no more as long as the bucket says."""
        if keeps_version:
            self._noncurrent.add(replace(stored, deleted_us=now_us, cache={}))
        elif self._soft_delete_s:
            ends_us = now_us + self._soft_delete_s * 1_000_000
            self._soft_deleted.add(replace(stored, soft_deleted_us=now_us, hard_deleted_us=ends_us, cache={}))

    def _take_written(self, start: str, end: str | None, limit: int) -> list[str]:
        return part(self._written_names.settled(), start, end, limit)

    def _take_base(self, base: Base, start: str, end: str | None, limit: int) -> list[str]:
        names = base.take(start, end, limit)
        if not self._hidden:
            return names
        found: list[str] = []
        while True:
            found += [name for name in names if name not in self._hidden]
            if len(found) >= limit or len(names) < limit:
                return found[:limit]
            names = base.take(names[-1] + "\0", end, limit)
