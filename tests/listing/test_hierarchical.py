"""A bucket with a hierarchical namespace is listed folder by folder, every other one as before."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core.emulator import Emulator, Fault, Latency, Memory, Synthetic
from dataflux_core.errors import InvalidArgument
from dataflux_core.fast_list import ListingController, Selection
from tests.listing.namespaces import ODD_NAMES, client_of
from tests.processes import Strike

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dataflux_core.emulator._config import Kind
    from dataflux_core.emulator._fields import Json
    from tests.listing.namespaces import Make

ENABLED: dict[str, Json] = {"hierarchicalNamespace": {"enabled": True}}
NO_BUCKETS_GET = frozenset({"storage.objects.list"})
OBJECTS = 20_000
PAGE = 500
PAGES_OUTLAST_THE_INQUIRY = Latency(list_s=0.02)


def odd_tree() -> list[str]:
    """Names whose folders are empty names, objects too, neighbours of objects, or a hundred levels deep."""
    luck = random.Random(0)
    names = {*ODD_NAMES, "/" * 100 + "x", "a/", "a//", "a//b/", "a/b", "a/b/c", "a/b0", "a.", "a0/"}
    names |= {"/".join(luck.choices(["a", "b", "", "c0", "é"], k=luck.randint(1, 6))) or "root" for _ in range(1200)}
    names |= {f"wide/{number:05d}" for number in range(2000)} | {f"many/{number:04d}/one" for number in range(600)}
    return sorted(names)


TREE = odd_tree()


@pytest.fixture(scope="module")
def gcs() -> Iterator[Emulator]:
    tree = {name: b"x" * (place % 7) for place, name in enumerate(TREE)}
    with Emulator(
        buckets={
            "tree": Memory(tree, resource=ENABLED),
            "flat": Memory(tree),
            "guarded": Memory(tree, resource=ENABLED, permissions=NO_BUCKETS_GET),
            "hive": Synthetic("hive", OBJECTS, resource=ENABLED),
            "small": Synthetic("hive", PAGE, resource=ENABLED),
        },
        max_page=PAGE,
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def count_from_zero(gcs: Emulator) -> None:
    gcs.configure(latency=Latency(), faults=())
    gcs.reset_requests()


def expected(prefix: str = "") -> list[tuple[str, int]]:
    """What there is, less the names that a listing leaves out by default."""
    sizes = {name: place % 7 for place, name in enumerate(TREE)}
    return [
        (name, size)
        for name, size in sizes.items()
        if name.startswith(prefix) and not name.endswith("/") and not name.startswith("dataflux-composed-objects/")
    ]


@pytest.mark.parametrize("hierarchical", [None, True, False])
@pytest.mark.parametrize("parallelism", [1, 2, 16])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a//", "wide/0", "many/", "none"])
def test_every_object_is_listed_once(
    gcs: Emulator, controller: Make, prefix: str, parallelism: int, *, hierarchical: bool | None
) -> None:
    listing = controller(gcs, "tree", parallelism, prefix=prefix, hierarchical=hierarchical)
    assert listing.run() == expected(prefix)


def test_parts_of_a_stream_are_disjoint_and_in_order(gcs: Emulator, controller: Make) -> None:
    parts = [part.names for part in controller(gcs, "tree", hierarchical=True).stream()]
    assert all(part == sorted(part) for part in parts)
    parts.sort()
    assert [name for part in parts for name in part] == [name for name, _ in expected()]


def test_fields_stay_with_their_objects(gcs: Emulator, controller: Make) -> None:
    fields = ("generation", "crc32c", "updated")
    by_folder = controller(gcs, "tree", hierarchical=True).listing(fields=fields)
    flat = controller(gcs, "tree", hierarchical=False).listing(fields=fields)
    assert by_folder == flat
    assert all(by_folder.column(field) == flat.column(field) for field in fields)


def test_the_bucket_is_asked_once_beside_the_pages(gcs: Emulator, controller: Make) -> None:
    gcs.configure(latency=PAGES_OUTLAST_THE_INQUIRY)
    listing = controller(gcs, "hive", 4)
    assert len(listing.run()) == OBJECTS
    assert gcs.requests()["bucket"] == 1
    assert listing.stats.folders > 0
    assert gcs.requests().peak <= 4


@pytest.mark.parametrize(
    ("bucket", "options"),
    [
        pytest.param("small", {}, id="a listing of a page"),
        pytest.param("hive", {"parallelism": 1}, id="one page after the other"),
        pytest.param("hive", {"hierarchical": False}, id="a listing that is to be flat"),
        pytest.param("hive", {"hierarchical": True}, id="a listing that is to go by folder"),
        pytest.param("hive", {"selection": Selection(match_glob="**")}, id="names of a glob"),
        pytest.param("hive", {"selection": Selection(versions=True)}, id="all generations"),
    ],
)
def test_nothing_is_asked_where_the_answer_would_change_nothing(
    gcs: Emulator, controller: Make, bucket: str, options: dict[str, Any]
) -> None:
    controller(gcs, bucket, **options).run()
    assert gcs.requests()["bucket"] == 0


@pytest.mark.parametrize(
    ("bucket", "faults"),
    [
        pytest.param("guarded", [], id="a caller who may not see the bucket"),
        pytest.param("tree", [Fault("bucket", "503")], id="a refusal"),
        pytest.param("tree", [Fault("bucket", "reset")], id="a connection that breaks"),
        pytest.param("tree", [Fault("bucket", "truncate")], id="half an answer"),
        pytest.param("flat", [], id="a bucket without hierarchical namespace"),
    ],
)
def test_without_a_yes_the_listing_stays_flat(
    gcs: Emulator, controller: Make, bucket: str, faults: list[Fault], caplog: pytest.LogCaptureFixture
) -> None:
    gcs.configure(faults=faults, latency=PAGES_OUTLAST_THE_INQUIRY)
    caplog.set_level(logging.INFO, "dataflux_core")
    listing = controller(gcs, bucket, 2)
    assert listing.run() == expected()
    assert listing.stats.folders == 0
    assert gcs.requests()["bucket"] >= 1  # libcurl itself goes to another connection where an old one breaks
    assert ("list.flat" in caplog.text) == (bucket != "flat")


def test_an_inquiry_without_an_answer_holds_nothing_up(gcs: Emulator, controller: Make) -> None:
    gcs.configure(faults=[Fault("bucket", "stall")])
    assert controller(gcs, "tree").run() == expected()


def test_refused_and_broken_pages_are_asked_for_again(gcs: Emulator, controller: Make) -> None:
    kinds: list[Kind] = ["503", "reset", "truncate", "empty_page"]
    gcs.configure(faults=[Fault("list", kind, probability=0.02) for kind in kinds])
    listing = controller(gcs, "tree", hierarchical=True, retry_config=_quick_retry())
    assert listing.run() == expected()
    assert listing.stats.retries > 0


def _quick_retry() -> Any:
    from google.api_core.retry import Retry  # noqa: PLC0415 - slow import

    return Retry(initial=0.01, maximum=0.02, timeout=60, predicate=lambda _: True)


@pytest.mark.usefixtures("one_helper")
def test_a_lister_process_that_is_killed_gives_its_folders_back(gcs: Emulator, controller: Make) -> None:
    gcs.configure(latency=Latency(list_s=0.005))
    listing = controller(gcs, "tree", hierarchical=True)
    listing.observer = strike = Strike()
    assert listing.run() == expected()
    assert strike.struck


def test_an_interrupted_listing_goes_on_by_folder(gcs: Emulator, controller: Make, tmp_path: Path) -> None:
    resume = tmp_path / "pages"
    first = controller(gcs, "tree", hierarchical=True, resume=resume).stream()
    listed = sum(len(next(first)) for _ in range(40))
    first.close()  # type: ignore[attr-defined]
    second = controller(gcs, "tree", hierarchical=True, resume=resume)
    assert second.run() == expected()
    assert second.stats.resumed_objects >= listed


def test_an_interrupted_flat_listing_goes_on_by_folder(gcs: Emulator, controller: Make, tmp_path: Path) -> None:
    resume = tmp_path / "pages"
    first = controller(gcs, "tree", 4, hierarchical=False, resume=resume).stream()
    for _ in range(6):
        next(first)
    first.close()  # type: ignore[attr-defined]
    assert controller(gcs, "tree", hierarchical=True, resume=resume).run() == expected()


def test_empty_folders_cost_no_call(controller: Make) -> None:
    with Emulator(buckets={"b": Memory({"a/x": b"", "b/x": b""}, resource=ENABLED)}) as gcs:
        client = client_of(gcs)
        for number in range(10):
            client._connection.api_request("POST", "/b/b/folders", data={"name": f"empty-{number}/"})
        gcs.reset_requests()
        assert [name for name, _ in controller(gcs, "b", hierarchical=True).run()] == ["a/x", "b/x"]
        assert gcs.requests()["list"] == 3


@pytest.mark.parametrize("value", [1, "yes"])
def test_hierarchical_is_true_false_or_none(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="hierarchical"):
        ListingController(1, "p", "b", hierarchical=value)


def test_folders_and_generations_refuse_each_other(gcs: Emulator, controller: Make) -> None:
    with pytest.raises(InvalidArgument, match="hierarchical=True: expected None beside"):
        controller(gcs, "tree", hierarchical=True, selection=Selection(versions=True))


def test_what_is_left_out_is_counted_once_in_folders_too(gcs: Emulator, controller: Make) -> None:
    listing = controller(gcs, "tree", hierarchical=True)
    assert listing.run() == expected()
    assert listing.stats.left_out == len(TREE) - len(expected())
    nothing = controller(gcs, "tree", hierarchical=True, allowed_storage_classes=["NEARLINE"])
    assert nothing.run() == []
    assert nothing.stats.left_out == len(TREE)
