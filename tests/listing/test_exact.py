"""A listing holds every object exactly once, whatever the names, the pages, the faults."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from google.cloud.storage.retry import DEFAULT_RETRY

from dataflux_core._run import access
from dataflux_core._run.transport import Endpoint
from dataflux_core.emulator import Emulator, Fault, Latency, Memory, Synthetic
from dataflux_core.fast_list import ListingController
from tests.listing.namespaces import OBJECTS, ODD_NAMES, SHAPES, client_of

if TYPE_CHECKING:
    from google.api_core.retry import Retry

    from dataflux_core.emulator import ShapeName
    from tests.listing.namespaces import Make

SLOW = Latency(list_s=0.02)  # so that requests meet
QUICK: Retry = DEFAULT_RETRY.with_delay(initial=0.01, multiplier=1.2, maximum=0.05).with_timeout(30.0)


def expected(shape: ShapeName, count: int = OBJECTS) -> list[tuple[str, int]]:
    made = Synthetic(shape, count)
    return list(zip(made.names(0, count), map(int, made.sizes(0, count)), strict=True))


@pytest.mark.parametrize("parallelism", [1, 16, 64])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape(shared_gcs: Emulator, controller: Make, shape: ShapeName, parallelism: int) -> None:
    assert controller(shared_gcs, shape, parallelism).run() == expected(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_range_at_a_time_takes_exactly_a_call_a_page(
    shared_gcs: Emulator, controller: Make, shape: ShapeName
) -> None:
    listing = controller(shared_gcs, shape, 1)
    listing.run()
    assert listing.stats.calls == OBJECTS // 5000


@pytest.mark.parametrize("shape", SHAPES)
def test_a_service_that_sends_at_most_1000_objects_a_page(controller: Make, shape: ShapeName) -> None:
    with Emulator(buckets={"b": Synthetic(shape, 20_000)}, max_page=1000) as gcs:
        assert controller(gcs, "b").run() == expected(shape, 20_000)


@pytest.mark.parametrize("count", [0, 1, 2, 10, 4999, 5000, 5001, 10_013])
def test_buckets_about_the_size_of_a_page(controller: Make, count: int) -> None:
    made = Synthetic("sequential", max(count, 1))
    with Emulator(buckets={"b": made if count else Memory()}) as gcs:
        names = [name for name, _ in controller(gcs, "b").run()]
    assert names == (list(made.names(0, count)) if count else [])


def test_a_bucket_of_ten_objects_takes_one_call_without_another_process(
    controller: Make,
) -> None:
    with Emulator(buckets={"b": Synthetic("uuids", 10)}) as gcs:
        listing = controller(gcs, "b", 64)
        assert len(listing.run()) == 10
        assert gcs.requests().counts == {"list": 1}
    assert (listing.stats.calls, listing.stats.processes) == (1, 1)


def test_names_of_any_legal_kind(shared_gcs: Emulator, controller: Make) -> None:
    listed = controller(shared_gcs, "odd").run()
    assert listed == sorted(
        (name, length)
        for length, name in enumerate(ODD_NAMES)
        if not name.endswith("/") and not name.startswith("dataflux-composed-objects/")
    )


def test_temporaries_are_listed_on_request(shared_gcs: Emulator, controller: Make) -> None:
    names = [name for name, _ in controller(shared_gcs, "odd", skip_compose=False).run()]
    assert "dataflux-composed-objects/left-over" in names


@pytest.mark.parametrize("prefix", [pytest.param(None, id="None is everything"), ""])
def test_no_prefix(shared_gcs: Emulator, controller: Make, prefix: str | None) -> None:
    assert len(controller(shared_gcs, "imagenet", prefix=prefix).run()) == OBJECTS


def test_a_prefix_is_a_prefix_of_the_name(shared_gcs: Emulator, controller: Make) -> None:
    first_class = expected("imagenet")[0][0].rpartition("/")[0]
    listed = controller(shared_gcs, "imagenet", prefix=first_class).run()
    assert listed == [pair for pair in expected("imagenet") if pair[0].startswith(first_class)]


def test_an_empty_bucket(shared_gcs: Emulator, controller: Make) -> None:
    assert controller(shared_gcs, "empty").run() == []


@pytest.mark.parametrize(
    ("classes", "count"),
    [
        pytest.param(["STANDARD"], 0, id="none of the class asked for"),
        pytest.param(["STANDARD", "NEARLINE"], 7000, id="one of several classes"),
        pytest.param(None, 7000, id="None is all classes"),
    ],
)
def test_storage_classes(controller: Make, classes: list[str] | None, count: int) -> None:
    with Emulator(buckets={"b": Synthetic("hive", 7000, storage_class="NEARLINE")}) as gcs:
        assert len(controller(gcs, "b", allowed_storage_classes=classes).run()) == count


def test_a_listing_that_leaves_all_out_says_so(controller: Make, caplog: pytest.LogCaptureFixture) -> None:
    with Emulator(buckets={"b": Synthetic("hive", 10, storage_class="NEARLINE")}) as gcs:
        listing = controller(gcs, "b")
        assert listing.run() == []
    assert listing.stats.left_out == 10
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    advice = "allowed_storage_classes=None lists objects of all classes"
    assert said == [
        f"list.all_left_out bucket=b prefix='' objects=10 storage_classes=STANDARD advice=\"{advice}\"",
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_left_out_is_counted_once_however_pages_overlap(controller: Make, shape: ShapeName) -> None:
    made = Synthetic(shape, 20_001, storage_class="NEARLINE")
    with Emulator(buckets={"b": made}, max_page=500, latency=SLOW) as gcs:
        listing = controller(gcs, "b", allowed_storage_classes=["STANDARD"])
        assert listing.run() == []
        assert listing.stats.left_out == 20_001
        assert listing.stats.splits


@pytest.mark.parametrize("sort_results", [False, True])
def test_results_are_in_name_order_either_way(shared_gcs: Emulator, controller: Make, sort_results: bool) -> None:
    listed = controller(shared_gcs, "unicode", sort_results=sort_results).run()
    assert listed == sorted(listed, key=lambda pair: pair[0].encode())


@pytest.mark.parametrize("kind", ["408", "429", "500", "502", "503", "504", "reset", "lost", "truncate", "empty_page"])
@pytest.mark.parametrize("shape", ["imagenet", "mixed"])
def test_faults_in_one_call_of_five(controller: Make, kind: str, shape: ShapeName) -> None:
    faults = [Fault("list", kind, probability=0.2, retry_after_s=0)]  # type: ignore[arg-type]
    with Emulator(buckets={"b": Synthetic(shape, 20_000)}, faults=faults, max_page=500) as gcs:
        listing = controller(gcs, "b", retry_config=QUICK)
        assert listing.run() == expected(shape, 20_000)
        assert gcs.requests().errors or kind == "empty_page"


def test_every_fault_at_once(controller: Make) -> None:
    kinds = ["408", "429", "500", "503", "reset", "lost", "truncate", "empty_page"]
    faults = [Fault("list", kind, probability=0.05, retry_after_s=0) for kind in kinds]  # type: ignore[arg-type]
    with Emulator(buckets={"b": Synthetic("skewed", 60_000)}, faults=faults, max_page=1000) as gcs:
        assert controller(gcs, "b", retry_config=QUICK).run() == expected("skewed", 60_000)


def test_a_service_that_refuses_above_its_own_limit_is_obeyed(controller: Make) -> None:
    with Emulator(buckets={"b": Synthetic("uuids", 60_000)}, max_in_flight=4, max_page=500, latency=SLOW) as gcs:
        listing = controller(gcs, "b", 32, retry_config=QUICK)
        assert listing.run() == expected("uuids", 60_000)
        # The first crowd is refused, then the pace finds the limit: trying on and on would be refused far more often.
        assert gcs.requests().errors["429"] < listing.stats.calls / 2


def test_a_stalled_answer_is_asked_for_again(controller: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "Endpoint", partial(Endpoint, stall_timeout_s=1))
    with Emulator(buckets={"b": Synthetic("hive", 7000)}, faults=[Fault("list", "stall", times=1)]) as gcs:
        assert controller(gcs, "b", retry_config=QUICK).run() == expected("hive", 7000)


def test_optional_columns(controller: Make) -> None:
    with Emulator(buckets={"b": Memory({"a": b"1", "b": b"22"})}) as gcs:
        fields = ("generation", "crc32c", "md5", "content_encoding", "updated", "storage_class", "content_type")
        listing = controller(gcs, "b").listing(fields=fields)
        blobs = list(client_of(gcs).list_blobs("b"))
    assert listing.column("generation") == [blob.generation for blob in blobs]
    assert listing.column("crc32c") == [blob.crc32c for blob in blobs]
    assert listing.column("md5") == [blob.md5_hash for blob in blobs]
    assert listing.column("storage_class") == ["STANDARD", "STANDARD"]
    assert listing.column("content_encoding") == ["", ""]


def test_streaming_brings_the_same_objects_in_parts(shared_gcs: Emulator, controller: Make) -> None:
    parts = list(controller(shared_gcs, "hive").stream())
    assert len(parts) >= OBJECTS // 5000
    assert sorted(pair for part in parts for pair in part) == expected("hive")


def test_a_stream_closed_early_leaves_nothing_behind(shared_gcs: Emulator, controller: Make) -> None:
    stream = controller(shared_gcs, "hive").stream()
    assert len(next(iter(stream))) > 0
    stream.close()  # type: ignore[attr-defined]
    assert len(controller(shared_gcs, "hive").run()) == OBJECTS


def test_an_observer_is_told_of_every_page_and_no_bar_is_drawn_but_on_a_terminal(
    shared_gcs: Emulator, controller: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = controller(shared_gcs, "uuids", progress=True)
    seen: list[int] = []
    listing.observer = lambda event: seen.append(event.count)
    listing.run()
    assert sum(seen) >= OBJECTS
    assert not capsys.readouterr().err


def test_environment_variable_points_at_a_server(shared_gcs: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in shared_gcs.environ.items():
        monkeypatch.setenv(key, value)
    assert len(ListingController(4, "p", "deep").run()) == OBJECTS
