"""The window for requests in flight, driven by hand, then by services that exist on paper."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._plan.pacing import Pace

if TYPE_CHECKING:
    from dataflux_core._plan.pacing import Strain

CEILING = 64
STRAINS: st.SearchStrategy[Strain] = st.sampled_from(["clean", "clean", "clean", "lost", "refused"])


def clean_rounds(pace: Pace, rounds: int) -> list[int]:
    """Fill the window, have all of it served, again and again; return the window after each round."""
    windows = []
    for _ in range(rounds):
        levels = [pace.sent(level) for level in range(1, pace.window + 1)]
        for level in levels:
            pace.learn(level, "clean")
        windows.append(pace.window)
    return windows


def test_the_window_doubles_per_clean_round_until_the_ceiling() -> None:
    assert clean_rounds(Pace(ceiling=100, start=10), 5) == [20, 40, 80, 100, 100]


def test_a_window_that_is_not_used_does_not_grow() -> None:
    pace = Pace(ceiling=100, start=16)
    for _ in range(200):
        pace.learn(pace.sent(3), "clean")
    assert pace.window == 16


@pytest.mark.parametrize(
    ("in_flight", "served"),
    [
        pytest.param(64, 4, id="a crowd that filled the window"),
        pytest.param(6, 4, id="a crowd smaller than the window"),
        pytest.param(64, 1, id="one at a time"),
        pytest.param(64, 0, id="nothing: one is tried again and again"),
    ],
)
def test_a_crowd_refused_leaves_as_many_slots_as_were_served(in_flight: int, served: int) -> None:
    pace = Pace(ceiling=100, start=64)
    levels = [pace.sent(level) for level in range(1, in_flight + 1)]
    for level in levels[served:]:
        pace.learn(level, "refused")
    assert pace.window == max(1, served)


def test_one_refusal_by_chance_costs_a_slot() -> None:
    pace = Pace(ceiling=64, start=64)
    clean_rounds(pace, 1)
    pace.learn(pace.sent(40), "refused")
    assert pace.window == 63


def test_a_level_that_was_refused_is_tried_again_after_twice_as_many_rounds_each_time() -> None:
    pace = Pace(ceiling=64, start=4)
    waits = [0]  # rounds from one trial to the next
    while len(waits) < 9:
        levels = [pace.sent(level) for level in range(1, pace.window + 1)]
        for level in levels:
            pace.learn(level, "clean" if level <= 4 else "refused")
        waits[-1] += 1
        if len(levels) > 4:
            waits.append(0)
    assert waits[:-1] == [2, *(2 + held for held in (2, 4, 8, 16, 32, 64, 64))]


@pytest.mark.parametrize(
    ("strains", "window"),
    [
        pytest.param(["lost"], 32, id="one lost connection is a mishap"),
        pytest.param(["lost", "lost"], 32, id="so are two"),
        pytest.param(["lost", "clean", "lost", "clean", "lost"], 32, id="so are many apart"),
        pytest.param(["lost", "lost", "lost"], 31, id="three in a row are a refusal"),
        pytest.param(["lost"] * 12, 22, id="as is each that follows"),
    ],
)
def test_lost_answers(strains: list[Strain], window: int) -> None:
    pace = Pace(ceiling=32, start=32)
    levels = [pace.sent(level) for level in range(1, 33)]
    for level, strain in zip(levels, strains, strict=False):
        pace.learn(level, strain)
    assert pace.window == window


@given(st.integers(1, 1000), st.integers(1, 200), st.lists(st.tuples(STRAINS, st.floats(0, 1)), max_size=300))
def test_whatever_comes_the_window_stays_between_one_and_the_ceiling(
    ceiling: int, start: int, happened: list[tuple[Strain, float]]
) -> None:
    pace = Pace(ceiling=ceiling, start=start)
    for strain, share in happened:
        before = pace.window
        pace.learn(pace.sent(1 + int(share * (before - 1))), strain)
        assert 1 <= pace.window <= ceiling
        if strain == "clean":
            assert pace.window >= before
        else:
            assert pace.window <= before


@given(st.integers(1, 64), st.lists(STRAINS, max_size=200), st.integers(1, 64))
def test_one_answer_more_refused_never_makes_the_window_larger(level: int, happened: list[Strain], start: int) -> None:
    good, bad = Pace(ceiling=64, start=start), Pace(ceiling=64, start=start)
    for strain in happened:
        for pace in (good, bad):
            pace.learn(pace.sent(min(level, pace.window)), strain)
    good.learn(good.sent(min(level, good.window)), "clean")
    bad.learn(bad.sent(min(level, bad.window)), "refused")
    assert bad.window <= good.window


@dataclass
class Service:
    """A service that answers after `latency_s`, yet refuses at once what it does not bear."""

    most_in_flight: int = 10**6
    most_per_s: float = 1e9
    refused_by_chance: float = 0.0
    latency_s: float = 0.1
    luck: random.Random = field(default_factory=lambda: random.Random(0))
    _in_flight: int = 0
    _tokens: float = field(init=False)
    _asked_s: float = 0.0

    def __post_init__(self) -> None:
        self._tokens = self.most_per_s * self.latency_s

    def takes(self, now_s: float) -> bool:
        most_tokens = self.most_per_s * self.latency_s
        self._tokens = min(most_tokens, self._tokens + (now_s - self._asked_s) * self.most_per_s)
        self._asked_s = now_s
        if self._in_flight >= self.most_in_flight or self._tokens < 1 or self.luck.random() < self.refused_by_chance:
            return False
        self._in_flight += 1
        self._tokens -= 1
        return True

    def served(self) -> None:
        self._in_flight -= 1


@dataclass
class Run:
    """What a client with more to ask than the window allows has seen of a service."""

    elapsed_s: float = 0.0
    refusals: int = 0
    windows: list[int] = field(default_factory=list)  # after each answer
    most_in_flight: int = 0

    @property
    def settled(self) -> list[int]:
        return self.windows[len(self.windows) // 2 :]


def is_due(pauses: list[float], now_s: float) -> bool:
    return bool(pauses) and pauses[0] <= now_s


def drive(pace: Pace, service: Service, *, calls: int, refusal_s: float = 0.01, pause_s: float = 0.25) -> Run:
    """Have `calls` served; what is refused pauses for a while, keeping its slot from what is new."""
    run = Run()
    under_way: list[tuple[float, int, int, bool]] = []  # answered when, order, level, served
    pauses: list[float] = []
    in_flight = served = sent = 0
    while served < calls:
        while in_flight < pace.window and (is_due(pauses, run.elapsed_s) or in_flight + len(pauses) < pace.window):
            if is_due(pauses, run.elapsed_s):
                heapq.heappop(pauses)
            in_flight, sent = in_flight + 1, sent + 1
            takes = service.takes(run.elapsed_s)
            answered_s = run.elapsed_s + (service.latency_s if takes else refusal_s)
            heapq.heappush(under_way, (answered_s, sent, pace.sent(in_flight), takes))
            run.most_in_flight = max(run.most_in_flight, in_flight)
        moments = [under_way[0][0]] if under_way else []
        run.elapsed_s = min(moments + (pauses[:1] if in_flight < pace.window else []))
        while under_way and under_way[0][0] <= run.elapsed_s:
            _, _, level, was_taken = heapq.heappop(under_way)
            in_flight -= 1
            pace.learn(level, "clean" if was_taken else "refused")
            run.windows.append(pace.window)
            if was_taken:
                service.served()
                served += 1
            else:
                run.refusals += 1
                heapq.heappush(pauses, run.elapsed_s + service.luck.random() * pause_s)
    return run


@pytest.mark.parametrize("start", [1, 16, CEILING])
@pytest.mark.parametrize("borne", range(1, CEILING + 1))
def test_at_a_service_that_refuses_above_a_level_the_window_settles_there(borne: int, start: int) -> None:
    calls = max(200, 40 * borne)
    run = drive(Pace(ceiling=CEILING, start=start), Service(most_in_flight=borne), calls=calls)
    assert run.most_in_flight <= CEILING
    assert min(run.settled) >= 0.6 * borne
    assert sum(run.settled) / len(run.settled) <= 1.3 * borne
    assert run.refusals <= max(start, borne) + 30  # the first crowd, what a doubling overshoots, then a few trials
    assert calls / run.elapsed_s >= 0.7 * borne / 0.1


@pytest.mark.parametrize("per_s", [50, 100, 300, 600])
def test_at_a_service_that_refuses_above_a_rate_the_window_settles_there(per_s: int) -> None:
    calls = 10 * per_s
    run = drive(Pace(ceiling=CEILING), Service(most_per_s=per_s), calls=calls)
    assert run.refusals <= 0.1 * calls + 20
    assert calls / run.elapsed_s >= 0.7 * per_s


@pytest.mark.parametrize(
    ("chance", "least"),
    [pytest.param(0.001, 60, id="one in a thousand"), pytest.param(0.01, 48, id="one in a hundred")],
)
def test_refusals_that_come_by_chance_leave_most_of_the_window(chance: float, least: int) -> None:
    run = drive(Pace(ceiling=CEILING), Service(refused_by_chance=chance), calls=5000)
    assert sum(run.settled) / len(run.settled) >= least


@pytest.mark.parametrize(("before", "after"), [(64, 4), (4, 64), (32, 8), (1, 16)])
def test_a_service_that_comes_to_bear_more_or_less_is_followed(before: int, after: int) -> None:
    pace = Pace(ceiling=CEILING)
    drive(pace, Service(most_in_flight=before), calls=40 * before)
    run = drive(pace, Service(most_in_flight=after), calls=150 * after)
    assert 0.6 * after <= sum(run.settled) / len(run.settled) <= 1.3 * after
    assert run.refusals <= 64 + 40
