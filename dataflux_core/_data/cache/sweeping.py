"""Remove from a cache what no living process will finish."""

from __future__ import annotations

import logging
import os
import re
import stat
from typing import TYPE_CHECKING

from dataflux_core._data.cache import members
from dataflux_core._data.cache.bell import ring
from dataflux_core._data.cache.place import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._data.cache.files import ObjectFiles
    from dataflux_core._data.cache.ledger import Ledger
    from dataflux_core._plan.retention import Entry

log = logging.getLogger(__name__)

_OURS = re.compile(rf"{OBJECTS}/([0-9a-f])/([0-9a-f])/([0-9a-f]{{30}})-([0-9a-f]{{1,16}})")
_BATCH = 1000


def undo_claim(ledger: Ledger, files: ObjectFiles, claim: int, pinned: Sequence[int]) -> set[str]:
    """Within a transaction, give back what a claim has reserved and not stored; return whom to tell.

    A file goes before its row does: whatever happens between, no file is there that no row counts.
    """
    bells = forget(ledger, files, ledger.unfinished(claim, pinned))
    ledger.drop_claim(claim)
    return bells


def forget(ledger: Ledger, files: ObjectFiles, entries: Sequence[Entry]) -> set[str]:
    """Within a transaction, remove files, then their entries; return the bells of those who wait for them.

    A file that cannot be removed keeps its entry, which goes on being counted.
    """
    gone = [entry for entry in entries if is_removed(files, entry.file_name)]
    ledger.drop(gone)
    return ledger.bells(entry.id for entry in gone) if gone else set()


def is_removed(files: ObjectFiles, name: str) -> bool:
    """Remove a file; tell whether it is gone."""
    try:
        files.remove(name)
    except OSError as error:
        log.debug("cache.not_removed file=%s reason=%s", name, error)
        return False
    return True


def remove_dead(ledger: Ledger, files: ObjectFiles, root: int, spared: str) -> None:
    """Within a transaction, take members that are dead off the ledger, with all that they have left."""
    there = ledger.members()
    dead = [member for member in there if member.token != spared and not members.is_alive(root, member.token)]
    gone = {member.id for member in dead}
    living = {member.id for member in there} - gone
    bells: set[str] = set()
    for claim, (owner, pinned) in ledger.claims().items():
        if owner not in living:
            bells |= undo_claim(ledger, files, claim, pinned)
    for member in dead:
        ledger.drop_member(member.id)
        log.info("cache.dead_process pid=%d", member.pid)
    for token in members.tokens(root) - {member.token for member in there if member.id in living}:
        if not members.is_alive(root, token):
            members.remove_traces(root, token)
    for bell in bells:
        ring(root, bell)


def remove_orphans(ledger: Ledger, files: ObjectFiles, root: int) -> list[str]:
    """Remove files of ours that the ledger does not know; return their names."""
    unknown = unknown_files(ledger, files, root)
    return [name for name in unknown if is_removed(files, name)]


def unknown_files(ledger: Ledger, files: ObjectFiles, root: int) -> list[str]:
    """Return the names of files of ours that the ledger does not know.

    A row is there before its file is, goes after it does: a file that is seen before its row is missed has none.
    """
    unknown: list[str] = []
    for found in _batches(root):
        with ledger.snapshot():
            entries = ledger.entries([number for number, _ in found])
        known = {entry.file_name for entry in entries.values()}
        unknown += [name for _, name in found if name not in known and files.is_there(name)]
    return unknown


def _batches(root: int) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    for name in names_of_ours(root):
        found = _OURS.fullmatch(name)
        if found is not None:
            number = int((found[1] + found[2] + found[3])[:16], 16)
            batch.append((number - (1 << 64) if number >> 63 else number, name))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def names_of_ours(root: int) -> Iterator[str]:
    """Yield regular files below the objects' directory that have a name as we give it; no link is followed."""
    for directory, _, names, descriptor in os.fwalk(OBJECTS, dir_fd=root, follow_symlinks=False):
        for name in names:
            path = f"{directory}/{name}"
            if _OURS.fullmatch(path) and stat.S_ISREG(os.lstat(name, dir_fd=descriptor).st_mode):
                yield path
