"""Hold the objects of one bucket over a base that is only read."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._names import SortedNames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflux_core.emulator._fields import Json
    from dataflux_core.emulator._objects import StoredObject


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

    def put(self, stored: StoredObject) -> None:
        """Write an object, in place of one of the same name."""
        if stored.name not in self._written:
            self._written_names.add(stored.name)
            if self._base is not None and self._base.get(stored.name) is not None:
                self._hidden.add(stored.name)
        self._written[stored.name] = stored

    def remove(self, name: str) -> None:
        """Delete an object that is there."""
        if self._written.pop(name, None) is None:
            self._hidden.add(name)
        else:
            self._written_names.remove(name)

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

    def take_folders(self, start: str, end: str | None, limit: int) -> Slice:
        """Give the first folders in [start, end) that were made as such, at most `limit`."""
        return Slice(_part(self.folders.settled(), start, end, limit), None)

    def demand(self, *permissions: str) -> None:
        """Refuse what the caller may not do here."""
        if self.permissions is None:
            return
        for permission in permissions:
            if permission not in self.permissions:
                message = f"Caller does not have {permission} access to the Google Cloud Storage bucket {self.name}."
                raise ApiError(403, message)

    def is_empty(self) -> bool:
        """Say whether nothing is listed here."""
        return not self.take("", None, 1).names

    def _take_written(self, start: str, end: str | None, limit: int) -> list[str]:
        return _part(self._written_names.settled(), start, end, limit)

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


def _part(names: list[str], start: str, end: str | None, limit: int) -> list[str]:
    first = bisect_left(names, start)
    last = first + limit
    if end is not None:
        last = min(last, bisect_left(names, end))
    return names[first:last]
