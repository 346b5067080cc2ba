"""Tell an onlooker what a listing does while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dataflux_core._plan.lister_time import IdleTime
from dataflux_core._plan.stats_text import explained, summary


@dataclass(frozen=True, slots=True)
class PageEvent:
    """One page received: who fetched it, when, for which range."""

    range_id: int
    lister: int  # 0 is the calling process
    asked_s: float  # time.perf_counter, of the attempt that brought it
    received_s: float
    count: int
    first: str
    last: str
    in_flight: int  # pages still asked for
    start: str = ""  # asked for: names from here on
    end: str | None = None  # below this one; None: to the end of the scope
    victim_id: int | None = None  # the range that this one was cut from, on its first page only
    attempts: int = 1
    received_bytes: int = 0
    folders: int = 0  # names of folders that came, in a hierarchical namespace

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing lies where the page was asked for."""
        return not self.count and not self.folders


@dataclass(frozen=True, slots=True)
class FailedEvent:
    """One page asked for in vain: refused, broken off, lost with its process, or still open at the end."""

    range_id: int
    lister: int
    asked_s: float
    failed_s: float
    cause: str  # a status such as "503", "connection", "process died", "unanswered"
    attempt: int
    start: str


@dataclass(frozen=True, slots=True)
class DeathEvent:
    """A lister process that is gone."""

    lister: int
    died_s: float  # as noticed
    pages: int  # that it owed


@dataclass(slots=True)
class ListingStats:
    """What a listing took."""

    objects: int = 0
    resumed_objects: int = 0  # of these, how many an earlier run had listed
    left_out: int = 0  # of another storage class, temporaries, names that end in "/"
    calls: int = 0  # page requests sent, retries included
    pages: int = 0  # of these, how many brought objects or folders
    empty_pages: int = 0  # how many brought neither
    splits: int = 0  # parts of ranges taken over by idle listers
    empty_halves: int = 0  # of these, how many held nothing
    slivers: int = 0  # how many held less than a tenth of the fullest page
    folders: int = 0  # listed one by one, in a hierarchical namespace
    longest_chain: int = 0  # most pages that one range needed one after the other
    retries: int = 0
    retries_by_cause: dict[str, int] = field(default_factory=dict)
    received_bytes: int = 0
    processes: int = 1
    ceiling: int = 0  # requests that were allowed in flight
    peak_in_flight: int = 0
    window: int = 0  # how many requests the service was last thought to bear at once, at most max_parallelism
    ramp_half_s: float | None = None  # until half of the ceiling were in flight; None: never
    ramp_full_s: float | None = None
    pages_s: float = 0.0  # lister-seconds that pages took which were not empty
    empty_s: float = 0.0  # that empty pages took
    failed_s: float = 0.0  # that requests took which brought none
    idle: IdleTime = field(default_factory=IdleTime)  # lister-seconds without a request, by the reason
    cpu_s: float = 0.0  # that the calling thread computed
    caller_s: float = 0.0  # that the caller took between one page and asking for the next
    elapsed_s: float = 0.0

    @property
    def idle_s(self) -> float:
        """Lister-seconds in which nothing was asked for."""
        return self.idle.total_s

    @property
    def mean_page_s(self) -> float:
        return self.pages_s / self.pages if self.pages else 0.0

    @property
    def bound_s(self) -> float:
        """The least wall time that these pages can take, each as slow as it was, with so many in flight."""
        work_s = self.pages_s / max(1, self.ceiling)
        return max(work_s, self.mean_page_s * min(2, self.pages), self.cpu_s)

    def explain(self) -> str:
        """Return a few lines for a person: what was done, the least it could take, where the rest went."""
        return explained(self)

    def __str__(self) -> str:
        return summary(self)


Observer = Callable[[PageEvent], None]
Event = PageEvent | FailedEvent | DeathEvent
Onlooker = Callable[[Event], None]


def all_told(observer: Observer | None, *onlookers: Onlooker | None) -> Onlooker | None:
    """Return an onlooker who tells all of them, the observer of pages alone; None where there is nobody."""
    told = [onlooker for onlooker in onlookers if onlooker is not None]
    if observer is not None:
        told.append(_pages_only(observer))
    if len(told) < 2:  # noqa: PLR2004 - nobody to share with
        return told[0] if told else None

    def tell(event: Event) -> None:
        for onlooker in told:
            onlooker(event)

    return tell


def _pages_only(observer: Observer) -> Onlooker:
    def tell(event: Event) -> None:
        if isinstance(event, PageEvent):
            observer(event)

    return tell
