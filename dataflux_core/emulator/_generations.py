"""Keep the generations of objects that are live no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.emulator._names import SortedNames, part

if TYPE_CHECKING:
    from dataflux_core.emulator._objects import StoredObject


class Generations:
    """Replaced or deleted generations, by name, then in the order in which they were written."""

    __slots__ = ("_by_name", "_names")

    def __init__(self) -> None:
        self._by_name: dict[str, list[StoredObject]] = {}
        self._names = SortedNames()

    def add(self, stored: StoredObject) -> None:
        """Keep a generation."""
        known = self._by_name.get(stored.name)
        if known is None:
            known = self._by_name[stored.name] = []
            self._names.add(stored.name)
        known.append(stored)
        known.sort(key=lambda each: each.generation)

    def get(self, name: str, generation: int | None) -> StoredObject | None:
        """Find one generation."""
        return next((each for each in self.of(name) if each.generation == generation), None)

    def of(self, name: str) -> list[StoredObject]:
        """Give what is kept of a name, the oldest first."""
        return self._by_name.get(name, [])

    def remove(self, stored: StoredObject) -> None:
        """Keep a generation no longer."""
        known = self._by_name[stored.name]
        known.remove(stored)
        if not known:
            del self._by_name[stored.name]
            self._names.remove(stored.name)

    def take(self, start: str, end: str | None, limit: int) -> list[str]:
        """Give the first names in [start, end) of which something is kept, at most `limit`."""
        return part(self._names.settled(), start, end, limit)
