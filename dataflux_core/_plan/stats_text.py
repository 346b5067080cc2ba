"""Say in words what a listing took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dataflux_core._plan.text import counted, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dataflux_core._plan.lister_time import IdleTime

_WORTH_NAMING = 0.005  # of the wall time
_BUSY = 0.5  # of the wall time: a processor that is worth naming


class Stats(Protocol):
    """What the texts read of a listing's statistics."""

    objects: int
    resumed_objects: int
    calls: int
    pages: int
    empty_pages: int
    splits: int
    empty_halves: int
    slivers: int
    longest_chain: int
    retries: int
    retries_by_cause: dict[str, int]
    received_bytes: int
    processes: int
    ceiling: int
    peak_in_flight: int
    ramp_half_s: float | None
    ramp_full_s: float | None
    pages_s: float
    empty_s: float
    failed_s: float
    idle: IdleTime
    cpu_s: float
    caller_s: float
    elapsed_s: float

    @property
    def mean_page_s(self) -> float: ...
    @property
    def bound_s(self) -> float: ...


def summary(stats: Stats) -> str:
    """Return one line: what came, in how many calls, how many at once."""
    calls = counted(stats.pages, "page")
    if stats.empty_pages:
        calls += f" + {stats.empty_pages:,} empty"
    if stats.retries:
        calls += f" + {stats.retries:,} retried ({_causes(stats.retries_by_cause)})"
    parts = [calls, human_bytes(stats.received_bytes), f"{stats.peak_in_flight} of {stats.ceiling} in flight"]
    if stats.splits:
        parts.append(
            f"{counted(stats.splits, 'split')} ({stats.empty_halves} empty, {counted(stats.slivers, 'sliver')})"
        )
    if stats.processes > 1:
        parts.append(f"{stats.processes} processes")
    resumed = f", {stats.resumed_objects:,} of them by an earlier run," if stats.resumed_objects else ""
    return f"{counted(stats.objects, 'object')}{resumed} in {stats.elapsed_s:.2f} s: {', '.join(parts)}"


def explained(stats: Stats) -> str:
    """Return the summary, the least wall time with its reason, where the time of all listers went.

    Where an earlier run has listed all, nothing took any time.
    """
    if stats.resumed_objects and not stats.calls:
        return f"{counted(stats.objects, 'object')}, all of them listed by an earlier run: nothing was asked for"
    lines = [summary(stats), f"at least {stats.bound_s:.2f} s: {_bound_reason(stats)}"]
    lines.append(f"where the time of {counted(stats.ceiling, 'lister')} went:")
    lines.extend(
        f"  {seconds:8.2f} s {seconds / max(stats.elapsed_s, 1e-9):4.0%}  {what}" for seconds, what in _shares(stats)
    )
    lines.extend(_remarks(stats))
    return "\n".join(lines)


def _bound_reason(stats: Stats) -> str:
    """Name the largest of what no listing with this ceiling could beat."""
    if not stats.pages:
        return "no page brought objects"
    page = f"{stats.mean_page_s * 1000:.0f} ms"
    if stats.bound_s <= stats.cpu_s:
        return "so long did this process compute"
    if stats.bound_s <= stats.pages_s / max(1, stats.ceiling):
        return f"{counted(stats.pages, 'page')} of {page} each, {stats.ceiling} at once"
    if stats.pages == 1:
        return f"one page took {page}"
    return f"a page of {page} tells where to cut, another follows"


def _shares(stats: Stats) -> Iterator[tuple[float, str]]:
    """Yield the shares of the wall time that are worth naming; all of them add up to it."""
    shares = (
        (stats.pages_s, "pages with objects"),
        (stats.idle.ramp_s, "ramp: until half as many had a range as at the peak"),
        (stats.idle.narrow_s, "narrow: no range was worth another cut"),
        (stats.idle.tail_s, "tail: the last ranges, after half as many had one"),
        (stats.empty_s, f"empty: {counted(stats.empty_pages, 'page')} asked for where nothing lies"),
        (stats.failed_s, "failed: requests that brought no page"),
        (stats.idle.held_back_s, "held back: pauses, fewer requests, so as not to overload the service"),
    )
    for lister_s, what in shares:
        wall_s = lister_s / max(1, stats.ceiling)
        if wall_s > _WORTH_NAMING * stats.elapsed_s:
            yield wall_s, what


def _remarks(stats: Stats) -> Iterator[str]:
    reached = [
        f"{what} after {reached_s:.2f} s"
        for what, reached_s in (("half", stats.ramp_half_s), ("all", stats.ramp_full_s))
        if reached_s is not None
    ]
    if reached:
        yield f"in flight: {', '.join(reached)}, of {stats.ceiling}"
    if stats.longest_chain > 1:
        yield f"longest chain: {stats.longest_chain} pages of one range, one after the other"
    if stats.cpu_s > _BUSY * stats.elapsed_s:
        yield f"this process computed for {stats.cpu_s:.2f} s: its processor is what limits"
    if stats.caller_s > _WORTH_NAMING * stats.elapsed_s:
        yield f"the caller took {stats.caller_s:.2f} s with the pages it was given; answers waited meanwhile"


def _causes(by_cause: Mapping[str, int]) -> str:
    return ", ".join(f"{cause}: {count:,}" for cause, count in sorted(by_cause.items()))
