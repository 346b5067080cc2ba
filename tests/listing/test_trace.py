"""A trace tells who asked for which page when, whatever became of the listing."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from google.oauth2.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core import errors
from dataflux_core._data.trace_json import trace_of
from dataflux_core._data.trace_record import TraceRecord
from dataflux_core._run.listing.observer import DeathEvent, FailedEvent, PageEvent
from dataflux_core.emulator import Emulator, Fault, Latency, Synthetic
from dataflux_core.fast_list import MODIFIED_RETRY
from tests.processes import Strike

if TYPE_CHECKING:
    from pathlib import Path

    from tests.listing.namespaces import Make

QUICK = MODIFIED_RETRY.with_delay(initial=0.01, maximum=0.05)
TINY_US = 1e-2  # of floating point, in microseconds


def page(range_id: int, asked_s: float, received_s: float, **others: Any) -> PageEvent:
    ordinary = {"lister": 0, "count": 10, "first": "a", "last": "b", "in_flight": 1}
    return PageEvent(range_id=range_id, asked_s=asked_s, received_s=received_s, **{**ordinary, **others})


def trace(*events: PageEvent | FailedEvent | DeathEvent, began_s: float = 0.0) -> dict[str, Any]:
    record = TraceRecord("gs://b/", 4, began_s)
    for event in events:
        record.tell(event)
    made = trace_of(record)
    assert json.loads(json.dumps(made)) == made
    return made


def events_of(made: dict[str, Any], phase: str, category: str | None = None) -> list[dict[str, Any]]:
    chosen = [event for event in made["traceEvents"] if event["ph"] == phase]
    return [event for event in chosen if category is None or event["cat"] == category]


def check(made: dict[str, Any]) -> None:
    """Hold a trace to what its readers rely on."""
    timed = [event for event in made["traceEvents"] if event["ph"] != "M"]
    assert all(one["ts"] <= other["ts"] for one, other in pairwise(timed))
    assert all(event["ts"] >= 0 for event in timed)
    lanes: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for event in events_of(made, "X"):
        lanes.setdefault((event["pid"], event["tid"]), []).append(event)
    for lane in lanes.values():
        for one, other in pairwise(lane):
            assert one["ts"] + one["dur"] <= other["ts"] + TINY_US
    named = {(event["pid"], event["tid"]) for event in events_of(made, "M") if event["name"] == "thread_name"}
    assert named == set(lanes)
    begun, ended = events_of(made, "s"), events_of(made, "f")
    numbers = sorted(event["id"] for event in begun)
    assert numbers == sorted(event["id"] for event in ended) == sorted(set(numbers))
    for arrow in begun + ended:
        slices = lanes[arrow["pid"], arrow["tid"]]
        assert any(piece["ts"] <= arrow["ts"] <= piece["ts"] + piece["dur"] + TINY_US for piece in slices)
    times = {event["id"]: event["ts"] for event in begun}
    assert all(times[event["id"]] <= event["ts"] for event in ended)


def test_a_page_is_a_slice_with_what_came_of_it() -> None:
    made = trace(
        page(7, 10.5, 10.75, start="a", end="m", count=3, first="aa", last="b", attempts=2, received_bytes=99),
        began_s=10.0,
    )
    check(made)
    (piece,) = events_of(made, "X")
    assert (piece["name"], piece["cat"], piece["ts"], piece["dur"]) == ("range 7", "page", 500_000, 250_000)
    assert piece["args"] == {
        "range": 7,
        "start": "a",
        "end": "m",
        "objects": 3,
        "bytes": 99,
        "first": "aa",
        "last": "b",
        "attempts": 2,
    }


@pytest.mark.parametrize(
    ("folders", "name"),
    [pytest.param(0, "range 7: empty", id="nothing came"), pytest.param(3, "range 7", id="folders alone came")],
)
def test_an_empty_page_says_so(folders: int, name: str) -> None:
    assert events_of(trace(page(7, 0.0, 0.1, count=0, folders=folders)), "X")[0]["name"] == name


@pytest.mark.parametrize(
    ("pages", "arrows"),
    [
        pytest.param([page(0, 0.0, 1.0), page(1, 1.0, 2.0, victim_id=0)], [(1e6 - 1, 1e6)], id="a cut after a page"),
        pytest.param(
            [page(0, 0.0, 1.0), page(0, 1.0, 2.0), page(0, 2.0, 4.0), page(1, 3.0, 4.0, victim_id=0)],
            [(2e6 - 1, 3e6)],
            id="from the latest page that had come",
        ),
        pytest.param([page(1, 3.0, 4.0, victim_id=0)], [], id="none where the victim's page is not known"),
        pytest.param([page(0, 0.0, 1.0), page(0, 1.0, 2.0)], [], id="none where nothing was cut"),
    ],
)
def test_a_steal_is_an_arrow_from_the_victim_to_the_thief(
    pages: list[PageEvent], arrows: list[tuple[float, float]]
) -> None:
    made = trace(*pages)
    check(made)
    begun, ended = events_of(made, "s"), events_of(made, "f")
    assert [(one["ts"], other["ts"]) for one, other in zip(begun, ended, strict=True)] == arrows


def test_failures_are_slices_that_end_in_an_instant() -> None:
    made = trace(FailedEvent(3, 0, 1.0, 1.5, "503", 1, "m"), page(3, 2.0, 3.0, attempts=2))
    check(made)
    failed, brought = events_of(made, "X")
    assert (failed["name"], failed["cat"], failed["args"]["cause"]) == ("range 3: 503", "failed", "503")
    assert brought["cat"] == "page"
    (instant,) = events_of(made, "i")
    assert (instant["name"], instant["ts"], instant["s"]) == ("503", 1.5e6, "t")


def test_the_death_of_a_process_is_an_instant_of_that_process() -> None:
    made = trace(page(0, 0.0, 1.0, lister=1), DeathEvent(1, 1.5, 2))
    (death,) = events_of(made, "i")
    assert (death["name"], death["pid"], death["s"], death["args"]) == ("process died", 2, "p", {"pages owed": 2})


def test_counters_follow_what_is_in_flight_and_what_comes() -> None:
    made = trace(page(0, 0.0, 1.0, count=50), page(1, 0.5, 2.0, count=30))
    flights = [event["args"]["requests"] for event in events_of(made, "C") if event["name"] == "in flight"]
    rates = [event["args"]["objects/s"] for event in events_of(made, "C") if event["name"] == "objects/s"]
    assert (flights[0], max(flights), flights[-1]) == (1, 2, 0)
    assert sum(rates) * 2.0 / (len(rates) - 1) == pytest.approx(80)


def test_a_listing_that_asked_for_nothing_has_a_trace() -> None:
    check(trace())


@st.composite
def histories(draw: st.DrawFn) -> list[PageEvent | FailedEvent]:
    """Ranges of which each asks for one page after another, cut from one another at any time."""
    events: list[PageEvent | FailedEvent] = []
    for range_id in range(draw(st.integers(1, 8))):
        now_ms = draw(st.integers(0, 50))
        victim_id = draw(st.integers(0, range_id - 1)) if range_id else None
        for place in range(draw(st.integers(1, 5))):
            now_ms += draw(st.integers(0, 5))
            ends_ms = now_ms + draw(st.integers(1, 20))
            lister = draw(st.integers(0, 2))
            if draw(st.booleans()) or place:
                stolen_from = None if place else victim_id
                events.append(page(range_id, now_ms / 1e3, ends_ms / 1e3, lister=lister, victim_id=stolen_from))
            else:
                events.append(FailedEvent(range_id, lister, now_ms / 1e3, ends_ms / 1e3, "503", 1, ""))
            now_ms = ends_ms
    return events


@given(histories())
def test_any_history_makes_a_trace_that_its_readers_can_rely_on(events: list[PageEvent | FailedEvent]) -> None:
    made = trace(*events)
    check(made)
    assert len(events_of(made, "X")) == len(events)


def load(path: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(path.read_bytes())
    check(made)
    return made


def test_a_listing_writes_every_page_and_steal(
    shared_gcs: Emulator, controller: Make, tmp_path: Path, one_helper: None
) -> None:
    del one_helper
    listing = controller(shared_gcs, "mixed", trace=tmp_path / "t.json")
    listing.run()
    made, stats = load(tmp_path / "t.json"), listing.stats
    assert len(events_of(made, "X", "page")) == stats.pages + stats.empty_pages == stats.calls
    assert len(events_of(made, "s")) == stats.splits > 0
    assert made["otherData"] == {"listing": "gs://mixed/", "outcome": "whole", "max_parallelism": 16}
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


def test_refusals_are_in_the_trace(controller: Make, tmp_path: Path) -> None:
    faults = [Fault("list", "503", times=5, retry_after_s=0)]
    with Emulator(buckets={"b": Synthetic("uuids", 60_000)}, max_page=1000, faults=faults) as gcs:
        listing = controller(gcs, "b", retry_config=QUICK, trace=tmp_path / "t.json")
        listing.run()
    made = load(tmp_path / "t.json")
    assert len(events_of(made, "X", "failed")) == len(events_of(made, "i")) == listing.stats.retries > 0
    assert max(event["args"]["attempts"] for event in events_of(made, "X", "page")) > 1


@pytest.mark.usefixtures("one_helper")
def test_a_killed_process_is_in_the_trace(controller: Make, tmp_path: Path) -> None:
    made = Synthetic("uuids", 60_000)
    with Emulator(buckets={"b": made}, latency=Latency(list_s=0.03), max_page=500) as gcs:
        listing = controller(gcs, "b", trace=tmp_path / "t.json")
        listing.observer = Strike()
        assert len(listing.run()) == 60_000
    instants = events_of(load(tmp_path / "t.json"), "i")
    (death,) = [event for event in instants if event["s"] == "p"]
    assert death["args"]["pages owed"] == sum(event["name"] == "process died" for event in instants) - 1


def test_a_listing_that_fails_leaves_its_trace(controller: Make, tmp_path: Path) -> None:
    faults = [Fault("list", "500", probability=0.2)]
    with Emulator(buckets={"b": Synthetic("uuids", 60_000)}, max_page=500, faults=faults) as gcs:
        listing = controller(gcs, "b", retry_config=None, trace=tmp_path / "t.json")
        with pytest.raises(errors.ServiceRefused):
            listing.run()
    made = load(tmp_path / "t.json")
    assert made["otherData"]["outcome"] == "ServiceRefused"
    failed = events_of(made, "X", "failed")
    assert "500" in {event["args"]["cause"] for event in failed}
    assert len(failed) + len(events_of(made, "X", "page")) == listing.stats.calls


def test_a_stream_that_is_left_early_leaves_its_trace_with_what_was_in_flight(
    shared_gcs: Emulator, controller: Make, tmp_path: Path
) -> None:
    stream = controller(shared_gcs, "uuids", trace=tmp_path / "t.json").stream()
    for _ in range(4):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    made = load(tmp_path / "t.json")
    assert made["otherData"]["outcome"] == "its caller"
    assert {event["args"]["cause"] for event in events_of(made, "X", "failed")} <= {"unanswered"}


def test_an_interruption_leaves_its_trace(shared_gcs: Emulator, controller: Make, tmp_path: Path) -> None:
    listing = controller(shared_gcs, "uuids", trace=tmp_path / "t.json")

    def interrupt(event: PageEvent) -> None:
        raise KeyboardInterrupt(event.first)

    listing.observer = interrupt
    with pytest.raises(KeyboardInterrupt):
        listing.run()
    assert load(tmp_path / "t.json")["otherData"]["outcome"] == "KeyboardInterrupt"


def test_no_token_is_in_a_trace(controller: Make, tmp_path: Path) -> None:
    token, faults = "a-secret", [Fault("list", "503", times=1)]
    with Emulator(buckets={"b": Synthetic("hive", 7000)}, token=token, faults=faults) as gcs:
        listing = controller(gcs, "b", trace=tmp_path / "t.json")
        listing.client._credentials = Credentials(token)
        assert len(listing.run()) == 7000
    assert token not in (tmp_path / "t.json").read_text()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("trace.txt", r"\.json .* or \.png", id="another ending"),
        pytest.param("trace", r"\.json .* or \.png", id="no ending"),
        pytest.param("missing/trace.json", "directory that is there", id="no such directory"),
        pytest.param("directory.json", "a file in a directory", id="a directory"),
        pytest.param("kept.json", "another file", id="where the pages are kept"),
    ],
)
def test_a_trace_that_cannot_be_written_is_refused_before_anything_is_asked(
    shared_gcs: Emulator, controller: Make, tmp_path: Path, name: str, expected: str
) -> None:
    (tmp_path / "directory.json").mkdir()
    with pytest.raises(errors.InvalidArgument, match=expected):
        controller(shared_gcs, "uuids", trace=tmp_path / name, resume=tmp_path / "kept.json")


def test_a_trace_does_not_take_the_place_of_what_was_listed(
    shared_gcs: Emulator, controller: Make, tmp_path: Path
) -> None:
    listing = controller(shared_gcs, "odd", trace=tmp_path / "odd.json")
    for write in (listing.to_csv, listing.to_parquet):
        with pytest.raises(errors.InvalidArgument, match="another file"):
            write(tmp_path / "odd.json")


@pytest.fixture
def gone(tmp_path: Path) -> Path:
    """A directory that a listing is to write its trace in, until a page comes."""
    (tmp_path / "gone").mkdir()
    return tmp_path / "gone"


def test_a_trace_that_cannot_be_written_after_all_is_an_error(
    shared_gcs: Emulator, controller: Make, gone: Path
) -> None:
    listing = controller(shared_gcs, "odd", trace=gone / "t.json")
    listing.observer = lambda _: gone.rmdir()
    with pytest.raises(errors.FileNotWritten, match="the trace"):
        listing.run()


def test_a_trace_that_cannot_be_written_costs_no_call_that_was_kept(
    shared_gcs: Emulator, controller: Make, gone: Path, tmp_path: Path
) -> None:
    listing = controller(shared_gcs, "odd", trace=gone / "t.json", resume=tmp_path / "kept")
    listing.observer = lambda _: gone.rmdir()
    with pytest.raises(errors.FileNotWritten, match="the trace"):
        listing.run()
    again = controller(shared_gcs, "odd", resume=tmp_path / "kept")
    assert (len(again.run()), again.stats.calls) == (listing.stats.objects, 0)


def test_a_trace_that_cannot_be_written_does_not_hide_why_the_listing_failed(
    shared_gcs: Emulator, controller: Make, gone: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listing = controller(shared_gcs, "odd", trace=gone / "t.json")

    def fail(event: PageEvent) -> None:
        gone.rmdir()
        raise KeyError(event.first)

    listing.observer = fail
    with pytest.raises(KeyError):
        listing.run()
    assert "trace.not_written" in caplog.text
