"""Reserve room for the objects that a cache is to take in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflux_core._data.cache.eviction import make_room, now_us
from dataflux_core._data.cache.sweeping import forget
from dataflux_core._plan.retention import Entry, Wanted, admitted, room_wanted, sort_window

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dataflux_core._data.cache.ledger import Ledger
    from dataflux_core._data.cache.options import CacheOptions
    from dataflux_core._data.cache.session import Session

_UNTOUCHED = 8  # so many times in its idle time an entry that is kept is noted as used at most


@dataclass(slots=True)
class Admission:
    """What a claim may do with each position of its window."""

    claim: int = 0  # its number; 0: it is not in the ledger
    held: dict[int, Entry] = field(default_factory=dict)
    ours: dict[int, Entry] = field(default_factory=dict)
    theirs: list[int] = field(default_factory=list)
    past: list[int] = field(default_factory=list)
    evicted: int = 0
    bells: set[str] = field(default_factory=set)


class _Pinned:
    """The ids that are pinned, read when the first is asked for: most windows ask for none."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._ids: set[int] | None = None

    def __contains__(self, entry: object) -> bool:
        if self._ids is None:
            self._ids = self._ledger.pinned()
        return entry in self._ids


def admit(session: Session, window: Sequence[Wanted]) -> Admission:
    """Sort a window into what is held, ours to fetch, others', past; all of it in one transaction."""
    admission = Admission()
    with session.transaction() as ledger:
        session.pay_debts()
        ids = list({wanted.id for wanted in window})
        entries = ledger.entries(ids)
        found = sort_window(window, entries, _Pinned(ledger))
        if found.theirs and session.sweep():  # a dead process may have been at it
            entries = ledger.entries(ids)
            found = sort_window(window, entries, _Pinned(ledger))
        admission.claim = ledger.next_claim()
        admission.held = {position: entries[window[position].id] for position in found.held}
        admission.theirs, admission.past = found.theirs, found.past
        if found.missing:
            admission.bells |= forget(ledger, session.files, found.outdated)
            _take_in(session, admission, {position: window[position] for position in found.missing}, ids)
        _place_repetitions(admission, window, found.again)
        _touch(ledger, session.options, admission.held.values())
        positions = [*admission.held, *admission.ours, *admission.theirs]
        if positions:
            ledger.add_claim(admission.claim, session.member, {window[position].id for position in positions})
        else:
            admission.claim = 0
    return admission


def adopt(session: Session, claim: int, wanted: Wanted) -> Admission:
    """Within a transaction, reserve room for an object that a claim had pinned, whose entry is gone or outdated."""
    admission = Admission(claim)
    entry = session.ledger.entries([wanted.id]).get(wanted.id)
    if entry is not None:
        pinned_once = sum(wanted.id in pinned for _, pinned in session.ledger.claims().values()) == 1
        if entry.stored and entry.mark == wanted.mark and pinned_once:
            admission.bells |= forget(session.ledger, session.files, [entry])
    _take_in(session, admission, {0: wanted}, [wanted.id])
    return admission


def _take_in(session: Session, admission: Admission, missing: Mapping[int, Wanted], spared: Collection[int]) -> None:
    """Add entries for what finds room, in the order of the window; the rest is past."""
    ledger = session.ledger
    there = ledger.entries([wanted.id for wanted in missing.values()])  # what could not be removed
    admission.past += [position for position, wanted in missing.items() if wanted.id in there]
    missing = {position: wanted for position, wanted in missing.items() if wanted.id not in there}
    rooms = _rooms(ledger, missing.values())
    limit = ledger.limit()
    if limit is not None:
        needed = min(sum(room for room in rooms if room <= limit), limit)
        if limit - ledger.total().bytes < needed:
            session.sweep()
            evicted, bells = make_room(ledger, session.files, session.options, needed, spared)
            admission.evicted += evicted
            admission.bells |= bells
    answers = admitted(rooms, None if limit is None else limit - ledger.total().bytes)
    now = now_us()
    for (position, wanted), room, fits in zip(missing.items(), rooms, answers, strict=True):
        if fits:
            admission.ours[position] = Entry(*wanted, room, now, admission.claim, 0)
        else:
            admission.past.append(position)
    ledger.add(list(admission.ours.values()))


def _rooms(ledger: Ledger, window: Collection[Wanted]) -> list[int]:
    total, limit = ledger.total(), ledger.limit()
    return [room_wanted(wanted, held=total.bytes, entries=total.entries, limit=limit) for wanted in window]


def _place_repetitions(admission: Admission, window: Sequence[Wanted], again: Sequence[int]) -> None:
    """Let an object that the window names twice be fetched once, where it is let in."""
    ours = {entry.id for entry in admission.ours.values()} if again else set()
    for position in again:
        (admission.theirs if window[position].id in ours else admission.past).append(position)


def _touch(ledger: Ledger, options: CacheOptions, held: Collection[Entry]) -> None:
    """Note when entries were used: under `keep` only so often that none seems idle which is not."""
    now = now_us()
    before = now if options.retention == "lru" else now - int(options.idle_s * 1e6 / _UNTOUCHED)
    ledger.touch({entry.id for entry in held if entry.used < before}, now)
