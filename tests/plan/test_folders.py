"""Folders listed one by one: exact whatever the tree, the moment of taking over, the order of answers."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._plan.folders import (
    FolderPart,
    FolderPlan,
    beyond,
    covered_ranges,
    entry_bound,
    parts_of,
    subfolder,
)
from dataflux_core._plan.listing import Kept, KeyRange, ListingPlan, NoProgress, PageFacts, Span

TREE_NAMES = st.one_of(
    st.sets(st.text(st.sampled_from("ab/"), min_size=1, max_size=8), max_size=120),
    st.sets(st.text(st.sampled_from("a0/. \0é😀"), min_size=1, max_size=8), max_size=200),
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 40)).map(lambda at: f"d{at[0]}/{at[1]:03d}"), max_size=120),
    st.sets(st.tuples(st.integers(0, 60), st.integers(0, 3)).map(lambda at: f"d{at[0]:02d}/{at[1]}"), max_size=200),
    st.integers(0, 60).map(lambda depth: {"/" * level + "x" for level in range(depth)}),
)
MANY = 400  # a hundred do not find every way to lose a name
BOUNDS = st.lists(st.text(st.sampled_from("ab/0."), min_size=1, max_size=6), unique=True, max_size=5)


@dataclass
class Service:
    """objects.list with and without delimiter; bounds are compared with folders where `folds_first`."""

    names: list[str]
    page_entries: int
    luck: random.Random
    folds_first: bool = False
    empty_page_probability: float = 0.0
    folders: frozenset[str] = frozenset()  # that hold nothing
    spans: list[Span] = field(default_factory=list)

    def answer(self, span: Span, prefix: str) -> tuple[list[str], PageFacts]:
        """Return the objects of a page with the facts of the page."""
        self.spans.append(span)
        entries = self.entries(span, prefix)
        start = int(span.token.partition(":")[0]) if span.token else 0
        empty = start < len(entries) and self.luck.random() < self.empty_page_probability
        stop = start if empty else min(len(entries), start + min(self.page_entries, span.most_objects or len(entries)))
        token = f"{stop}:{len(self.spans)}" if stop < len(entries) else ""
        page = entries[start:stop]
        objects = [name for name, is_folder in page if not is_folder]
        prefixes = tuple(name for name, is_folder in page if is_folder)
        first, last = (objects[0], objects[-1]) if objects else ("", "")
        return objects, PageFacts(len(objects), first, last, tuple(objects[::3]), token, prefixes)

    def entries(self, span: Span, prefix: str) -> list[tuple[str, bool]]:
        if span.folder is None:
            low = bisect_left(self.names, max(span.start, prefix))
            high = len(self.names) if span.end is None else max(low, bisect_left(self.names, span.end))
            return [(name, False) for name in self.names[low:high] if name.startswith(prefix)]
        below = [name for name in self.names if name.startswith(span.folder)]
        below += [name for name in self.folders if name.startswith(span.folder) and name != span.folder]
        found = set()
        for name in below:
            inner = subfolder(span.folder, name)
            entry = inner or name
            compared = entry if self.folds_first else name
            if compared >= span.start and (span.end is None or compared < span.end):
                found.add((entry, inner is not None))
        return sorted(found)


@dataclass
class Run:
    """A listing that begins flat, then goes on by folder after some pages."""

    service: Service
    parallelism: int
    prefix: str = ""
    flat_pages: int = 0
    ranges: list[KeyRange] = field(default_factory=lambda: [KeyRange.everything()])
    pages: list[list[str]] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    def list_all(self) -> list[str]:
        """Answer in any order; lose one page in ten on the way, as a dying lister does."""
        plan: ListingPlan | FolderPlan = ListingPlan(self.parallelism, self.ranges)
        asked: list[Span] = []
        luck = self.service.luck
        while not plan.done:
            if isinstance(plan, ListingPlan) and len(self.pages) >= self.flat_pages:
                plan = FolderPlan(self.parallelism, plan, self.prefix)
            asked += plan.next_spans(self.parallelism - len(asked))
            assert plan.done or 0 < len(asked) <= self.parallelism
            if not asked:
                continue
            span = asked.pop(luck.randrange(len(asked)))
            if luck.random() < 0.1:
                plan.give_back(span)
                continue
            names, facts = self.service.answer(span, self.prefix)
            kept = plan.receive(span, facts)
            self.kept.append(kept)
            self.pages.append([name for name in names if is_kept(name, kept)])
        return sorted(name for page in self.pages for name in page)


def is_kept(name: str, kept: Kept) -> bool:
    return (kept.after is None or name > kept.after) and (kept.end is None or name < kept.end)


def is_in(name: str, key_range: KeyRange) -> bool:
    return name >= key_range.start and (key_range.end is None or name < key_range.end)


@settings(max_examples=MANY)
@given(
    TREE_NAMES,
    st.integers(1, 20),
    st.integers(1, 30),
    st.integers(0, 8),
    st.sampled_from(["", "a", "a/", "d0/", "d", "/"]),
    st.booleans(),
    st.sampled_from([0.0, 0.3]),
    st.integers(0, 99),
)
def test_every_name_is_listed_exactly_once(  # noqa: PLR0913, PLR0917 - what makes up a case
    names: set[str],
    parallelism: int,
    page_entries: int,
    flat_pages: int,
    prefix: str,
    folds_first: bool,
    empty: float,
    seed: int,
) -> None:
    service = Service(sorted(names), page_entries, random.Random(seed), folds_first, empty)
    found = Run(service, parallelism, prefix, flat_pages).list_all()
    assert found == sorted(name for name in names if name.startswith(prefix))


@settings(max_examples=MANY)
@given(TREE_NAMES, BOUNDS, st.integers(1, 20), st.integers(1, 30), st.integers(0, 8), st.booleans(), st.integers(0, 99))
def test_what_pages_cover_is_what_was_to_be_listed(  # noqa: PLR0913, PLR0917 - as above
    names: set[str],
    bounds: list[str],
    parallelism: int,
    page_entries: int,
    flat_pages: int,
    folds_first: bool,
    seed: int,
) -> None:
    edges: list[str | None] = ["", *sorted(bounds), None]
    ranges = [KeyRange(str(start), end) for start, end in pairwise(edges)][::2]
    service = Service(sorted(names), page_entries, random.Random(seed), folds_first)
    run = Run(service, parallelism, flat_pages=flat_pages, ranges=ranges)
    assert run.list_all() == sorted(name for name in names if any(is_in(name, each) for each in ranges))
    covered = []
    for page, kept in zip(run.pages, run.kept, strict=True):
        mine = covered_ranges(kept)
        assert all(any(is_in(name, each) for each in mine) for name in page)
        covered += mine
    assert joined(covered) == joined(ranges)


def joined(ranges: list[KeyRange]) -> list[KeyRange]:
    """Join neighbours; fail where two overlap."""
    whole: list[KeyRange] = []
    for each in sorted(ranges, key=lambda each: each.start):
        if each.start == each.end:
            continue
        if whole and whole[-1].end == each.start:
            whole[-1] = KeyRange(whole[-1].start, each.end)
            continue
        assert not whole or (whole[-1].end is not None and whole[-1].end < each.start)
        whole.append(each)
    return whole


@given(TREE_NAMES, st.sets(st.text(st.sampled_from("ab/"), max_size=5).map(lambda name: name + "/"), max_size=10))
def test_empty_folders_bring_nothing_and_take_a_call_at_most(names: set[str], folders: set[str]) -> None:
    service = Service(sorted(names), 1000, random.Random(0), folders=frozenset(folders))
    assert Run(service, 4).list_all() == sorted(names)
    asked = [span.folder for span in service.spans if span.folder is not None]
    assert len(asked) == len(set(asked))


def test_a_folder_takes_one_call() -> None:
    names = sorted(f"d{folder}/s{sub}/{number}" for folder in range(5) for sub in range(7) for number in range(20))
    service = Service(names, 100, random.Random(0))
    drive(service, FolderPlan(8, ListingPlan(8)))
    assert len(service.spans) == 1 + 5 + 35


def drive(service: Service, plan: FolderPlan, *, most: int = 8) -> int:
    """List without mishaps, all answers of a round at once; return the number of rounds."""
    rounds = 0
    while not plan.done:
        for span in plan.next_spans(most):
            plan.receive(span, service.answer(span, "")[1])
        rounds += 1
    return rounds


def test_tiny_folders_are_listed_many_at_a_time() -> None:
    names = ["/".join(digits) for digits in product("abcd", repeat=6)]
    service = Service(names, 5000, random.Random(0))
    drive(service, FolderPlan(8, ListingPlan(8)))
    assert len(service.spans) < len({name[: name.rfind("/")] for name in names}) / 4


def test_folders_that_hold_much_are_glimpsed_at_now_and_then_only() -> None:
    names = sorted(f"{top}/{sub}/{number:03d}" for top in range(60) for sub in range(3) for number in range(50))
    service = Service(names, 5000, random.Random(0))
    drive(service, FolderPlan(4, ListingPlan(4)), most=4)
    glimpses = [span for span in service.spans if span.folder is None]
    assert 0 < len(glimpses) < 10
    assert len(service.spans) <= 1 + 60 + 180 + 2 * len(glimpses)


def test_a_folder_without_folders_is_never_glimpsed_at() -> None:
    names = [f"{top:03d}/{number}" for top in range(200) for number in range(9)]
    service = Service(names, 5000, random.Random(0))
    drive(service, FolderPlan(8, ListingPlan(8)))
    assert all(span.folder is not None for span in service.spans)


def test_a_large_folder_is_split_once_no_other_waits() -> None:
    names = sorted(
        [f"big/{number:06d}" for number in range(20_000)] + [f"small{number}/x" for number in range(4)],
    )
    service = Service(names, 500, random.Random(0))
    plan = FolderPlan(8, ListingPlan(8))
    rounds = drive(service, plan)
    assert plan.counts.splits > 0
    assert rounds < 40 / 8 * 2 + 6
    assert {span.folder for span in service.spans} == {"", "big/", *(f"small{number}/" for number in range(4))}


def test_a_folder_wholly_in_what_is_finished_is_never_asked_for() -> None:
    names = sorted(f"d{folder}/{number}" for folder in range(9) for number in range(9))
    service = Service(names, 1000, random.Random(0))
    plan = FolderPlan(4, ListingPlan(4, [KeyRange("d4/5", "d6/3")]))
    drive(service, plan)
    assert {span.folder for span in service.spans} == {"", "d4/", "d5/", "d6/"}


def test_pages_in_flight_when_folders_take_over_still_count() -> None:
    names = [f"d{number // 50}/{number:03d}" for number in range(400)]
    service = Service(names, 20, random.Random(0))
    flat = ListingPlan(4)
    (first,) = flat.next_spans(4)
    flat.receive(first, service.answer(first, "")[1])
    under_way = flat.next_spans(4)
    plan = FolderPlan(4, flat)
    assert plan.next_spans(4) == []
    objects, facts = service.answer(under_way[0], "")
    kept = plan.receive(under_way[0], facts)
    assert [name for name in objects if is_kept(name, kept)] == names[20:40]
    assert all(span.folder is not None for span in plan.next_spans(4))


@pytest.mark.parametrize(
    ("key_range", "parts"),
    [
        pytest.param(KeyRange("", None), [("", "", None)], id="everything is the first folder"),
        pytest.param(KeyRange("a/b", None), [("", "a0", None), ("a/", "a/b", "a0")], id="a start in a folder"),
        pytest.param(KeyRange("", "a/b"), [("", "", "a/"), ("a/", "a/", "a/b")], id="an end in a folder"),
        pytest.param(KeyRange("a/b", "a/c"), [("a/", "a/b", "a/c")], id="both in the same folder"),
        pytest.param(KeyRange("a/", "b/"), [("", "a/", "b/")], id="bounds that are folders cut through none"),
        pytest.param(
            KeyRange("a/b/c", "d/e"),
            [("", "a0", "d/"), ("a/", "a/b0", "a0"), ("a/b/", "a/b/c", "a/b0"), ("d/", "d/", "d/e")],
            id="every folder on the way to a bound has its part",
        ),
    ],
)
def test_the_parts_of_a_range(key_range: KeyRange, parts: list[tuple[str, str, str | None]]) -> None:
    wanted = [FolderPart(folder, KeyRange(start, end)) for folder, start, end in parts]
    assert sorted(parts_of("", key_range), key=lambda part: part.folder) == wanted


def test_a_thousand_folders_in_one_another_are_a_range_like_any_other() -> None:
    deep = "/" * 1023 + "x"
    assert len(list(parts_of("", KeyRange(deep, None)))) == 1024


@pytest.mark.parametrize(
    ("bound", "moved"),
    [("f/a", "f/a"), ("f/a/", "f/a/"), ("f/a/b", "f/a0"), ("f/a/b/c", "f/a0"), ("e/x/y", "e/x/y"), ("", "")],
)
def test_a_bound_through_a_folder_moves_behind_it(bound: str, moved: str) -> None:
    assert entry_bound("f/", bound) == moved


@given(st.text(max_size=5), st.text(max_size=5))
def test_all_that_lies_in_a_folder_is_below_what_is_beyond_it(folder: str, name: str) -> None:
    folder += "/"
    assert (folder <= name < beyond(folder)) == name.startswith(folder)


@pytest.mark.parametrize(
    "prefix",
    [
        pytest.param("d/", id="the folder itself"),
        pytest.param("e/", id="a folder elsewhere"),
        pytest.param("d/e", id="one without a slash"),
        pytest.param("d/e/f/", id="one further down"),
    ],
)
def test_a_folder_that_lies_elsewhere_is_refused(prefix: str) -> None:
    plan = FolderPlan(1, ListingPlan(1), "d/")
    (span,) = plan.next_spans(1)
    with pytest.raises(NoProgress, match="is no folder in"):
        plan.receive(span, PageFacts(0, "", "", (), "", (prefix,)))
