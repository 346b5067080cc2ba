"""Translate a listing to Chrome's trace-event format, which Perfetto opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dataflux_core._data.trace_record import asks_of, in_flight_at, lanes_in_use, objects_by, steals_of
from dataflux_core._run.listing.observer import PageEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dataflux_core._data.trace_record import Ask, Steal, TraceRecord

    Event = dict[str, Any]  # Any: JSON

_SAMPLES = 500  # of what is counted, over the whole listing
_NS_PER_US = 1000
_FIRST_PID = 1  # 0 is the kernel's


def write_json(record: TraceRecord, path: Path) -> None:
    path.write_bytes(msgspec.json.encode(trace_of(record)))


def trace_of(record: TraceRecord) -> dict[str, Any]:
    """Return the trace as JSON's values, its events in the order of time.

    A process is a lister process, a thread of it one of its lanes. Source:
    https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
    """
    asks = asks_of(record)
    threads = lanes_in_use(asks)
    events = [_slice(ask, _place(ask, threads)) for ask in asks]
    events += [_failure(ask, _place(ask, threads)) for ask in asks if ask.page is None]
    for number, steal in enumerate(steals_of(asks), 1):
        events += _arrow(number, steal, threads)
    events += [_death(record, death.lister, death.died_s, death.pages) for death in record.deaths]
    events += _counters(asks)
    events.sort(key=lambda event: event["ts"])  # stable: a slice stands before what happens within it
    return {
        "traceEvents": [*_names(threads), *events],
        "displayTimeUnit": "ms",
        "otherData": {"listing": record.url, "outcome": record.outcome, "max_parallelism": record.ceiling},
    }


def _place(ask: Ask, threads: dict[tuple[int, int], int]) -> Event:
    return {"pid": _FIRST_PID + ask.event.lister, "tid": 1 + threads[ask.event.lister, ask.lane]}


def _slice(ask: Ask, place: Event) -> Event:
    event, suffix = ask.event, ""
    if isinstance(event, PageEvent):
        category, suffix = "page", ": empty" if event.is_empty else ""
        args = {
            "range": event.range_id,
            "start": event.start,
            "end": event.end,
            "objects": event.count,
            "bytes": event.received_bytes,
            "first": event.first,
            "last": event.last,
            "attempts": event.attempts,
        }
        if event.folders:
            args["folders"] = event.folders
        if event.victim_id is not None:
            args["cut from range"] = event.victim_id
    else:
        category, suffix = "failed", f": {event.cause}"
        args = {"range": event.range_id, "start": event.start, "attempt": event.attempt, "cause": event.cause}
    times = {"ts": _us(ask.began_ns), "dur": _us(ask.ended_ns - ask.began_ns)}
    return {"name": f"range {event.range_id}{suffix}", "cat": category, "ph": "X", **times, **place, "args": args}


def _failure(ask: Ask, place: Event) -> Event:
    cause = "" if isinstance(ask.event, PageEvent) else ask.event.cause
    return {"name": cause, "cat": "failed", "ph": "i", "s": "t", "ts": _us(ask.ended_ns), **place}


def _arrow(number: int, steal: Steal, threads: dict[tuple[int, int], int]) -> list[Event]:
    """Lead from just before the end of the victim's page, since an arrow belongs to the slice that it begins in."""
    common = {"name": "steal", "cat": "steal", "id": number}
    leaves_ns = max(steal.victim.began_ns, steal.victim.ended_ns - _NS_PER_US)
    return [
        {**common, "ph": "s", "ts": _us(leaves_ns), **_place(steal.victim, threads)},
        {**common, "ph": "f", "bp": "e", "ts": _us(steal.thief.began_ns), **_place(steal.thief, threads)},
    ]


def _death(record: TraceRecord, lister: int, died_s: float, pages: int) -> Event:
    died_us = round((died_s - record.began_s) * 1e6, 3)
    place = {"pid": _FIRST_PID + lister, "tid": 0, "args": {"pages owed": pages}}
    return {"name": "process died", "cat": "failed", "ph": "i", "s": "p", "ts": max(0.0, died_us), **place}


def _counters(asks: Sequence[Ask]) -> Iterator[Event]:
    ends_ns = max((ask.ended_ns for ask in asks), default=0)
    step_ns = max(1, ends_ns // _SAMPLES)
    times_ns = list(range(0, ends_ns + step_ns, step_ns))
    flights, objects = in_flight_at(asks, times_ns), objects_by(asks, times_ns)
    before = 0
    for time_ns, in_flight, total in zip(times_ns, flights, objects, strict=True):
        common = {"ph": "C", "pid": _FIRST_PID, "ts": _us(time_ns)}
        yield {"name": "in flight", **common, "args": {"requests": in_flight}}
        yield {"name": "objects/s", **common, "args": {"objects/s": (total - before) * 1e9 / step_ns}}
        before = total


def _names(threads: dict[tuple[int, int], int]) -> Iterator[Event]:
    """Name the processes with their lanes, in the order in which they are to be shown."""
    for lister in sorted({lister for lister, _ in threads}):
        name = f"lister process {lister}" if lister else "calling process"
        common = {"ph": "M", "pid": _FIRST_PID + lister, "tid": 0}
        yield {"name": "process_name", **common, "args": {"name": name}}
        yield {"name": "process_sort_index", **common, "args": {"sort_index": lister}}
    for (lister, lane), row in threads.items():
        common = {"ph": "M", "pid": _FIRST_PID + lister, "tid": 1 + row}
        yield {"name": "thread_name", **common, "args": {"name": f"lister {lane + 1}"}}
        yield {"name": "thread_sort_index", **common, "args": {"sort_index": row}}


def _us(time_ns: int) -> float:
    return time_ns / _NS_PER_US
