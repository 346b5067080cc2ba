"""Remember what a listing did, for a trace of it."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflux_core._plan.lanes import Stay, lanes_of
from dataflux_core._run.listing.observer import DeathEvent, FailedEvent, PageEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dataflux_core._run.listing.observer import Event

_NS = 1_000_000_000


@dataclass(slots=True)
class TraceRecord:
    """The events of one listing: one small value a page."""

    url: str
    ceiling: int
    began_s: float = field(default_factory=time.perf_counter)
    outcome: str = "whole"  # or the name of what ended it early
    pages: list[PageEvent] = field(default_factory=list)
    failures: list[FailedEvent] = field(default_factory=list)
    deaths: list[DeathEvent] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        """Remember one event."""
        if isinstance(event, PageEvent):
            self.pages.append(event)
        elif isinstance(event, FailedEvent):
            self.failures.append(event)
        else:
            self.deaths.append(event)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request in its lane: the page that it brought, or how it failed; nanoseconds since the listing began."""

    event: PageEvent | FailedEvent
    lane: int
    began_ns: int
    ended_ns: int

    @property
    def page(self) -> PageEvent | None:
        return self.event if isinstance(self.event, PageEvent) else None


@dataclass(frozen=True, slots=True)
class Steal:
    """A thief's first page, with the page of its victim that told where to cut."""

    victim: Ask
    thief: Ask


def asks_of(record: TraceRecord) -> list[Ask]:
    """Return all requests in the order in which they were sent, each in a lane of its lister."""
    events: list[PageEvent | FailedEvent] = [*record.pages, *record.failures]
    stays = [
        Stay(event.lister, event.range_id, _ns(record, event.asked_s), _ns(record, _ended_s(event))) for event in events
    ]
    asks = [
        Ask(event, lane, stay.began, stay.ended)
        for event, stay, lane in zip(events, stays, lanes_of(stays), strict=True)
    ]
    return sorted(asks, key=lambda ask: (ask.began_ns, ask.ended_ns))


def lanes_in_use(asks: Sequence[Ask]) -> dict[tuple[int, int], int]:
    """Number the lanes of all listers through, those of the calling process first."""
    return {key: row for row, key in enumerate(sorted({(ask.event.lister, ask.lane) for ask in asks}))}


def steals_of(asks: Sequence[Ask]) -> Iterator[Steal]:
    """Yield what is known at both ends: the thief got its page, its victim one before."""
    pages: dict[int, list[Ask]] = {}
    for ask in sorted(asks, key=lambda ask: ask.ended_ns):
        if ask.page is not None:
            pages.setdefault(ask.event.range_id, []).append(ask)
    for ask in asks:
        if ask.page is None or ask.page.victim_id is None:
            continue
        before = pages.get(ask.page.victim_id, [])
        latest = bisect_right([page.ended_ns for page in before], ask.began_ns) - 1
        if latest >= 0:
            yield Steal(before[latest], ask)


def in_flight_at(asks: Sequence[Ask], times_ns: Sequence[int]) -> list[int]:
    """Return how many requests were in flight at each time."""
    began, ended = sorted(ask.began_ns for ask in asks), sorted(ask.ended_ns for ask in asks)
    return [bisect_right(began, time_ns) - bisect_right(ended, time_ns) for time_ns in times_ns]


def objects_by(asks: Sequence[Ask], times_ns: Sequence[int]) -> list[int]:
    """Return how many objects had come by each time."""
    pages = sorted((ask.ended_ns, ask.page.count) for ask in asks if ask.page is not None)
    ended, total = [page[0] for page in pages], [0]
    for _, count in pages:
        total.append(total[-1] + count)
    return [total[bisect_right(ended, time_ns)] for time_ns in times_ns]


def _ended_s(event: PageEvent | FailedEvent) -> float:
    return event.received_s if isinstance(event, PageEvent) else event.failed_s


def _ns(record: TraceRecord, time_s: float) -> int:
    return max(0, round((time_s - record.began_s) * _NS))
