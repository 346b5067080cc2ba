"""Decide which folder of a hierarchical namespace is listed next."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import InitVar, dataclass, field, replace
from typing import TYPE_CHECKING

from dataflux_core._plan.coverage import remaining
from dataflux_core._plan.listing import Kept, KeyRange, ListingPlan, NoProgress, PageFacts, PlanCounts, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_MANY_FOLDERS = 100_000  # known but not asked for, some 100 bytes each: from here on they come before their parents
_SAMPLED_FOLDERS = 24  # of a page, as of its objects
_GLIMPSE_OBJECTS = 100  # at most so many folders are walked for it, whatever that takes
_FIRST_ID = 1 << 32  # above the numbers of the ranges that were listed flat before


@dataclass(frozen=True, slots=True)
class FolderPart:
    """The entries of one folder that lie in a range: objects directly in it, its folders as one entry each."""

    folder: str
    entries: KeyRange


@dataclass(slots=True)
class _Open:
    """A folder under way."""

    name: str
    plan: ListingPlan  # of its entries
    id: int
    is_glimpse: bool = False  # all that lies below it is asked for at once, the plan's names are objects
    ids: dict[int, int] = field(default_factory=dict)  # of the ranges of its plan, as others know them
    in_flight: int = 0

    @property
    def idle_ranges(self) -> int:
        return self.plan.live_ranges - self.in_flight

    @property
    def depth(self) -> int:
        return self.name.count("/")


@dataclass(slots=True)
class _Habits:
    """What the folders of one depth were found to hold."""

    leaves: int = 0  # no folders
    parents: int = 0
    small: int = 0  # glimpses that showed all there was
    large: int = 0  # that did not

    @property
    def suggest_glimpse(self) -> bool:
        """Tell whether a folder here is likely to have folders with few objects: one call may then do for all."""
        return self.parents > self.leaves and self.small >= self.large


@dataclass(slots=True)
class FolderPlan:
    """The folders of one listing, each a plan of its own over its entries; as many pages at once as are free.

    It takes over from a plan that lists flat: what that one has in flight still arrives, what is idle there is listed
    by folder. The folders found last come first, so that few wait at any time. While folders wait there is enough to
    do; only then is a folder split. Where folders mostly hold folders with few objects, all that lies below is tried
    first, in a glimpse: a short page without delimiter.
    """

    parallelism: int
    flat: InitVar[ListingPlan]
    prefix: str = ""  # of all names: the folder to begin with, whatever it ends in
    counts: PlanCounts = field(init=False)
    _flat: ListingPlan = field(init=False)
    _parts: list[FolderPart] = field(default_factory=list)
    _folders: list[str] = field(default_factory=list)  # to be listed whole
    _open: dict[int, _Open] = field(default_factory=dict)
    _asked: dict[int, tuple[_Open, Span]] = field(default_factory=dict)
    _habits: defaultdict[int, _Habits] = field(default_factory=lambda: defaultdict(_Habits))  # by depth
    _next_id: int = _FIRST_ID

    def __post_init__(self, flat: ListingPlan) -> None:
        self._flat, self.counts = flat, flat.counts
        self._take_over()

    @property
    def done(self) -> bool:
        return self._flat.done and not (self._open or self._folders or self._parts)

    @property
    def live_ranges(self) -> int:
        under_way = sum(opened.plan.live_ranges for opened in self._open.values())
        return self._flat.live_ranges + under_way + len(self._folders) + len(self._parts)

    def next_spans(self, free: int) -> list[Span]:
        """Return up to `free` pages to ask for now: folders go on, then others begin, then large ones are split."""
        steps = [self._go_on, self._begin, self._split]
        if len(self._folders) > _MANY_FOLDERS:
            steps[:2] = reversed(steps[:2])
        spans: list[Span] = []
        for step in steps:
            if free > len(spans):
                spans += step(free - len(spans))
        return spans

    def give_back(self, span: Span) -> None:
        """Take back a page that nobody will bring: it is asked for again."""
        if span.range_id not in self._asked:
            self._flat.give_back(span)
            self._take_over()
            return
        opened, asked = self._asked.pop(span.range_id)
        opened.in_flight -= 1
        opened.plan.give_back(asked)

    def receive(self, span: Span, facts: PageFacts) -> Kept:
        """Learn from the answer to `span`; return which of its names to keep. Raises NoProgress."""
        if span.range_id not in self._asked:
            kept = self._flat.receive(span, facts)
            self._take_over()
            return kept
        opened, asked = self._asked.pop(span.range_id)
        opened.in_flight -= 1
        kept = self._glimpsed(opened, asked, facts) if opened.is_glimpse else self._entered(opened, asked, facts)
        if opened.plan.done:
            del self._open[opened.id]
        return kept

    def _glimpsed(self, opened: _Open, asked: Span, facts: PageFacts) -> Kept:
        """Learn all of a folder, or some of it: the rest is listed by folder."""
        kept = opened.plan.receive(asked, facts)
        habits = self._habits[opened.depth]
        habits.small += opened.plan.done
        habits.large += not opened.plan.done
        for key_range in opened.plan.hand_over():
            self._parts.extend(parts_of(opened.name, key_range))
        return kept

    def _entered(self, opened: _Open, asked: Span, facts: PageFacts) -> Kept:
        """Learn entries of a folder."""
        strange = [name for name in facts.prefixes if subfolder(opened.name, name) != name]
        if strange:
            raise NoProgress(f"{strange[0]!r} is no folder in {opened.name!r}")
        kept = opened.plan.receive(asked, _entries(facts))
        habits = self._habits[opened.depth]
        habits.parents += bool(facts.prefixes)
        habits.leaves += not facts.prefixes
        folders = tuple(name for name in facts.prefixes if _is_kept(name, kept))
        self._folders.extend(reversed(folders))
        return replace(kept, covered=_entry_range(opened.name, kept.covered), folders=folders)

    def _take_over(self) -> None:
        for key_range in self._flat.hand_over():
            self._parts.extend(parts_of(self.prefix, key_range))

    def _go_on(self, free: int) -> list[Span]:
        spans: list[Span] = []
        for opened in self._open.values():
            count = min(opened.idle_ranges, free - len(spans))
            if count > 0:
                spans += self._ask(opened, count)
        return spans

    def _begin(self, free: int) -> list[Span]:
        spans: list[Span] = []
        while free > len(spans) and (self._parts or self._folders):
            is_whole = not self._parts
            part = _whole(self._folders.pop()) if is_whole else self._parts.pop()
            plan = ListingPlan(self.parallelism, [part.entries], counts=self.counts)
            self.counts.folders += 1
            opened = self._open[self._next_id] = _Open(part.folder, plan, self._next_id)
            opened.is_glimpse = is_whole and self._habits[opened.depth].suggest_glimpse
            spans += self._ask(opened, 1)
        return spans

    def _split(self, free: int) -> list[Span]:
        spans: list[Span] = []
        for opened in list(self._open.values()):
            if free > len(spans):
                spans += self._ask(opened, free - len(spans))
        return spans

    def _ask(self, opened: _Open, count: int) -> list[Span]:
        """Ask a folder's plan for pages; return them as the pages of this one."""
        spans = []
        for asked in opened.plan.next_spans(count):
            if asked.range_id not in opened.ids:
                opened.ids[asked.range_id] = self._next_id
                self._next_id += 1
            span = replace(
                asked,
                range_id=opened.ids[asked.range_id],
                victim_id=None if asked.victim_id is None else opened.ids[asked.victim_id],
            )
            span = replace(span, most_objects=_GLIMPSE_OBJECTS) if opened.is_glimpse else _in_folder(span, opened.name)
            self._asked[span.range_id] = opened, asked
            opened.in_flight += 1
            spans.append(span)
        return spans


def _in_folder(span: Span, folder: str) -> Span:
    entries = _entry_range(folder, KeyRange(span.start, span.end))
    return replace(span, start=entries.start, end=entries.end, folder=folder)


def _entry_range(folder: str, names: KeyRange) -> KeyRange:
    return KeyRange(entry_bound(folder, names.start), None if names.end is None else entry_bound(folder, names.end))


def subfolder(folder: str, name: str) -> str | None:
    """Return the folder in `folder` that `name` lies in or is; None where it lies in none."""
    cut = name.find("/", len(folder)) if name.startswith(folder) else -1
    return None if cut < 0 else name[: cut + 1]


def beyond(folder: str) -> str:
    """Return the first string above all that lies in a folder: "0" follows "/"."""
    return folder[:-1] + "0"


def entry_bound(folder: str, bound: str) -> str:
    """Move a bound that cuts through a folder in `folder` to the end of that: it is one entry, listed on one side.

    Whether a service folds names before or after it looks at the bounds then makes no difference.
    """
    inner = subfolder(folder, bound)
    return bound if inner is None or inner == bound else beyond(inner)


def parts_of(folder: str, key_range: KeyRange) -> Iterator[FolderPart]:
    """Yield the parts of `key_range`: one of `folder`, one of each folder below it that a bound cuts through."""
    waiting = [(folder, key_range)]
    while waiting:
        folder, key_range = waiting.pop()
        start, end = key_range.start, key_range.end
        inner = subfolder(folder, start)
        if inner is not None and end is not None and end <= beyond(inner):
            waiting.append((inner, key_range))
            continue
        low = _cut_through(folder, start)
        if low is not None:
            waiting.append((low, KeyRange(start, beyond(low) if end is None else min(end, beyond(low)))))
            start = beyond(low)
        high = None if end is None else _cut_through(folder, end)
        if high is not None and start <= high:
            waiting.append((high, KeyRange(high, end)))
            end = high
        if end is None or start < end:
            yield FolderPart(folder, KeyRange(start, end))


def covered_ranges(kept: Kept) -> list[KeyRange]:
    """Return what is finished with a page: what it covers, less the folders that have pages of their own."""
    return remaining([kept.covered], [KeyRange(folder, beyond(folder)) for folder in kept.folders])


def _cut_through(folder: str, bound: str) -> str | None:
    inner = subfolder(folder, bound)
    return None if inner == bound else inner


def _whole(folder: str) -> FolderPart:
    return FolderPart(folder, KeyRange(folder, beyond(folder)))


def _is_kept(name: str, kept: Kept) -> bool:
    return (kept.after is None or name > kept.after) and (kept.end is None or name < kept.end)


def _entries(facts: PageFacts) -> PageFacts:
    """Count the folders of a page among its names: they share its order, its bounds, its token."""
    folders = facts.prefixes
    if not folders:
        return facts
    names = [*facts.sample, *folders[:: max(1, len(folders) // _SAMPLED_FOLDERS)], folders[-1]]
    if facts.count:
        names += [facts.first, facts.last]
    names.sort()
    return PageFacts(facts.count + len(folders), names[0], names[-1], tuple(names), facts.next_token)
