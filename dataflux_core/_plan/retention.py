"""Decide which objects a cache holds, takes in, lets go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dataflux_core._plan.remote import UNKNOWN_BYTES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

UNKNOWN_CRC32C = -1
INVALID_CRC32C = -2  # what the index gives is none: whoever fetches the object says so of it
UNKNOWN_GENERATION = 0
_ASSUMED_BYTES = 64 * 1024  # of an object whose size nobody knows, while the cache holds none to go by
_LEAST_ASSUMED = 16  # so many objects of unknown size fit under the limit at once, or none would ever be let in
_HEX = (1 << 64) - 1


class Wanted(NamedTuple):
    """An object that is asked for: the two halves of its URL's hash, then what the index knows."""

    id: int
    mark: int
    size: int  # bytes; UNKNOWN_BYTES
    crc32c: int  # UNKNOWN_CRC32C
    generation: int  # UNKNOWN_GENERATION


class Entry(NamedTuple):
    """An object that a cache holds, or that somebody fetches for it: one row of the ledger."""

    id: int
    mark: int
    size: int  # bytes, as whoever fetches it knows; UNKNOWN_BYTES
    crc32c: int
    generation: int
    room: int  # bytes that are counted for it
    used: int  # when it was last asked for, in microseconds
    claim: int  # that fetches it or has fetched it
    stored: int  # 1 once its file is whole

    @property
    def file_name(self) -> str:
        """The file below the cache's directory. No two claims ever write the same one."""
        name = f"{self.id & _HEX:016x}{self.mark & _HEX:016x}"
        return f"objects/{name[0]}/{name[1]}/{name[2:]}-{self.claim:x}"


@dataclass(slots=True)
class Window:
    """What becomes of the objects asked for at once, as positions among them."""

    held: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    theirs: list[int] = field(default_factory=list)
    past: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)  # of an object that is among the missing already
    outdated: list[Entry] = field(default_factory=list)  # in the place of a missing one


def agrees(wanted: Wanted, entry: Entry) -> bool:
    """Tell whether an entry is the object wanted, as far as its index knows.

    The checksum is of the bytes themselves, so where it is known the generation adds nothing. An index that knows
    only the generation is not content with an entry of which nobody knows it. One that is being fetched has yet to
    show its facts: those that are not known speak against nothing.
    """
    if wanted.mark != entry.mark:
        return False
    if UNKNOWN_BYTES not in {wanted.size, entry.size} and wanted.size != entry.size:
        return False
    if wanted.crc32c != UNKNOWN_CRC32C and (entry.stored or entry.crc32c != UNKNOWN_CRC32C):
        return wanted.crc32c == entry.crc32c
    if wanted.generation in {UNKNOWN_GENERATION, entry.generation}:
        return True
    return not entry.stored and entry.generation == UNKNOWN_GENERATION


def sort_window(window: Sequence[Wanted], entries: Mapping[int, Entry], pinned: Container[int]) -> Window:
    """Sort positions by what the ledger says of their objects; an entry that is pinned takes no other's place."""
    sorted_out = Window()
    missing: set[int] = set()
    for position, wanted in enumerate(window):
        entry = entries.get(wanted.id)
        if wanted.crc32c == INVALID_CRC32C:
            sorted_out.past.append(position)
        elif wanted.id in missing:
            sorted_out.again.append(position)
        elif entry is None:
            missing.add(wanted.id)
            sorted_out.missing.append(position)
        elif agrees(wanted, entry):
            (sorted_out.held if entry.stored else sorted_out.theirs).append(position)
        elif entry.stored and entry.mark == wanted.mark and entry.id not in pinned:
            missing.add(wanted.id)
            sorted_out.missing.append(position)
            sorted_out.outdated.append(entry)
        else:
            sorted_out.past.append(position)
    return sorted_out


def room_wanted(wanted: Wanted, *, held: int, entries: int, limit: int | None) -> int:
    """Return how many bytes to set aside for an object: its size, or that of a middling one where it is not known."""
    if wanted.size != UNKNOWN_BYTES:
        return wanted.size
    assumed = held // entries if entries else _ASSUMED_BYTES
    return assumed if limit is None else min(assumed, limit // _LEAST_ASSUMED)


def admitted(rooms: Sequence[int], free: int | None) -> list[bool]:
    """Tell of each object whether it is let in, in their order, so that their bytes never exceed what is free."""
    if free is None:
        return [True] * len(rooms)
    answers = []
    for room in rooms:
        fits = room <= free
        answers.append(fits)
        free -= room if fits else 0
    return answers


def victims(oldest_first: Iterable[Entry], pinned: Container[int], wanted_bytes: int) -> list[Entry]:
    """Choose entries to let go of until as many bytes are free; one that anybody has pinned is none."""
    chosen: list[Entry] = []
    if wanted_bytes <= 0:
        return chosen
    for entry in oldest_first:
        if entry.id not in pinned:
            chosen.append(entry)
            wanted_bytes -= entry.room
            if wanted_bytes <= 0:
                break
    return chosen
