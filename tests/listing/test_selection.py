"""Filters leave exactly what they say, generations come exactly once each, whoever fetches the pages."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core import errors
from dataflux_core._wire.page import FIELDS
from dataflux_core.download import DataFluxDownloadOptimizationParams, dataflux_download
from dataflux_core.emulator import Emulator, Fault, Latency, Memory, Synthetic
from dataflux_core.fast_list import Listing, ListingController, Selection
from tests.listing.namespaces import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.listing.namespaces import Make

OBJECTS = {
    f"{letter}/{number:03d}.{kind}": b"x" * (number % 50)
    for letter in "abc"
    for number in range(150)
    for kind in ("jpg", "txt")
}
VERSIONED: dict[str, Any] = {"versioning": {"enabled": True}}
SOFT: dict[str, Any] = {"softDeletePolicy": {"retentionDurationSeconds": "604800"}}
PAID: dict[str, Any] = {"billing": {"requesterPays": True}}


@pytest.fixture(scope="module")
def small_pages_gcs() -> Iterator[Emulator]:
    """A service whose pages hold 50 objects, so that these tests meet their ends everywhere."""
    buckets = {
        "b": Memory(OBJECTS),
        "folders": Memory(OBJECTS, resource={"hierarchicalNamespace": {"enabled": True}}),
        "paid": Memory({"a": b"1"}, resource=PAID),
    }
    with Emulator(buckets=buckets, max_page=50) as gcs:
        yield gcs


GLOBS = {"**.jpg": r".*\.jpg", "b/*": "b/[^/]*", "*": "[^/]*", "{a,c}/**[0-4].txt": r"(a|c)/.*[0-4]\.txt"}
OFFSETS = st.sampled_from(["a", "a/050", "b", "b/1", "b/149.txt", "c/", "d"])
SELECTIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "match_glob": st.sampled_from(sorted(GLOBS)),
        "start_offset": OFFSETS,
        "end_offset": OFFSETS,
        "min_bytes": st.sampled_from([0, 10]),
        "max_bytes": st.sampled_from([10, 40]),
    },
)
POSITIONS = st.none() | st.integers(0, len(OBJECTS) - 1)
LIVE = settings(deadline=None, max_examples=40)  # each example talks to a server


@pytest.fixture(scope="module")
def everything(small_pages_gcs: Emulator) -> dict[str, dict[str, tuple[int, datetime]]]:
    """Each bucket's objects with their size and the time of their latest change, as google-cloud-storage lists them."""
    client = client_of(small_pages_gcs)
    found = {
        bucket: {blob.name: (blob.size, blob.updated) for blob in client.list_blobs(bucket)}
        for bucket in ("b", "folders")
    }
    client.close()
    return found


def passes(selection: Selection, name: str, size: int, updated: datetime) -> bool:
    return (
        (selection.match_glob is None or re.fullmatch(GLOBS[selection.match_glob], name) is not None)
        and name >= (selection.start_offset or "")
        and (selection.end_offset is None or name < selection.end_offset)
        and (selection.min_bytes is None or size >= selection.min_bytes)
        and (selection.max_bytes is None or size <= selection.max_bytes)
        and (selection.updated_from is None or updated >= selection.updated_from)
    )


@LIVE
@given(
    wanted=SELECTIONS,
    position=POSITIONS,
    listed=st.tuples(st.sampled_from(["b", "folders"]), st.sampled_from([1, 16]), st.sampled_from(["", "b/", "a/05"])),
)
def test_what_is_listed_is_what_every_condition_lets_pass(
    small_pages_gcs: Emulator,
    everything: dict[str, dict[str, tuple[int, datetime]]],
    wanted: dict[str, Any],
    position: int | None,
    listed: tuple[str, int, str],
) -> None:
    bucket, parallelism, prefix = listed
    times = sorted(updated for _, updated in everything[bucket].values())
    selection = Selection(updated_from=None if position is None else times[position], **wanted)
    lister = ListingController(parallelism, "p", bucket, prefix=prefix, selection=selection)
    lister.client = client_of(small_pages_gcs)
    assert lister.run() == [
        (name, size)
        for name, (size, updated) in everything[bucket].items()
        if name.startswith(prefix) and passes(selection, name, size, updated)
    ]


def test_two_halves_of_time_are_the_whole(
    small_pages_gcs: Emulator, controller: Make, everything: dict[str, dict[str, tuple[int, datetime]]]
) -> None:
    middle = sorted(updated for _, updated in everything["b"].values())[len(OBJECTS) // 2]
    before = controller(small_pages_gcs, "b", selection=Selection(updated_before=middle)).run()
    after = controller(small_pages_gcs, "b", selection=Selection(updated_from=middle)).run()
    assert sorted(before + after) == [(name, size) for name, (size, _) in everything["b"].items()]


def test_an_empty_part_of_the_namespace_costs_no_call(small_pages_gcs: Emulator, controller: Make) -> None:
    listing = controller(small_pages_gcs, "b", prefix="b/", selection=Selection(start_offset="c"))
    assert listing.run() == []
    assert listing.stats.calls == 0


def test_offsets_cost_no_more_than_the_pages_between_them(small_pages_gcs: Emulator, controller: Make) -> None:
    listing = controller(small_pages_gcs, "b", 1, selection=Selection(start_offset="b/", end_offset="b/050"))
    assert len(listing.run()) == 100
    assert listing.stats.calls == 2


def test_a_glob_whose_pages_are_short_or_empty(controller: Make) -> None:
    made = Synthetic("sequential", 60_000)
    with Emulator(buckets={"b": made}) as gcs:  # looks at 20,000 names for a page at most
        listing = controller(gcs, "b", selection=Selection(match_glob="**[37]999"))
        names = [name for name, _ in listing.run()]
    assert names == [name for name in made.names(0, 60_000) if name.endswith(("3999", "7999"))]


def test_a_glob_that_the_service_refuses_is_an_error_that_names_it(small_pages_gcs: Emulator, controller: Make) -> None:
    with pytest.raises(errors.ServiceRefused, match=r"gs://b with match_glob='a\[b': HTTP 400.*correct the glob"):
        controller(small_pages_gcs, "b", selection=Selection(match_glob="a[b")).run()


@pytest.mark.parametrize("selection", ["**.jpg", {"match_glob": "*"}], ids=["a text", "a dictionary"])
def test_a_selection_that_is_none_is_refused(small_pages_gcs: Emulator, controller: Make, selection: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="^selection=.*Selection"):
        controller(small_pages_gcs, "b", selection=selection).run()


def test_nothing_that_is_large_enough_is_no_cause_for_a_warning(
    small_pages_gcs: Emulator, controller: Make, caplog: pytest.LogCaptureFixture
) -> None:
    assert controller(small_pages_gcs, "b", selection=Selection(min_bytes=10**6)).run() == []
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.fixture(scope="module")
def generations_gcs() -> Iterator[Emulator]:
    """A service whose pages of 7 end amid the generations of a name."""
    buckets = {"v": Memory(resource={**VERSIONED, **SOFT}), "s": Memory(resource=SOFT)}
    with Emulator(buckets=buckets, max_page=7) as gcs:
        for bucket in buckets:
            for number in range(60):
                for write in range(1 + number * number % 23):
                    gcs.put(bucket, f"{number % 5}/{number:03d}", b"x" * write, {"metadata": {"write": str(write)}})
        yield gcs


def rows(listing: Listing) -> list[tuple[str, int]]:
    return list(zip(listing.names, map(int, listing.column("generation")), strict=True))


def generations(gcs: Emulator, bucket: str, **which: bool) -> list[tuple[str, int]]:
    client = client_of(gcs)
    found = [(blob.name, blob.generation) for blob in client.list_blobs(bucket, **which)]
    client.close()
    return found


@pytest.mark.parametrize("parallelism", [1, 2, 16, 64])
@pytest.mark.parametrize(("bucket", "which"), [("v", "versions"), ("s", "soft_deleted")])
def test_every_generation_comes_once(
    generations_gcs: Emulator, controller: Make, bucket: str, which: str, parallelism: int
) -> None:
    lister = controller(generations_gcs, bucket, parallelism, selection=Selection(**{which: True}))  # type: ignore[arg-type]
    listed = rows(lister.listing(fields=["generation"]))
    assert listed == generations(generations_gcs, bucket, **{which: True})
    assert len(listed) > 400


@pytest.fixture(scope="module")
def every_version(generations_gcs: Emulator) -> list[tuple[str, int, int]]:
    """Name, size, generation of all that a listing with one range at a time brings."""
    lister = ListingController(1, "p", "v", selection=Selection(versions=True))
    lister.client = client_of(generations_gcs)
    listing = lister.listing(fields=["generation"])
    return [(name, size, generation) for (name, generation), size in zip(rows(listing), listing.sizes, strict=True)]


@LIVE
@given(
    part=st.tuples(st.sampled_from(["", "1/", "3/0"]), st.sampled_from(["", "1/", "3/028", "4/0"])),
    least=st.integers(0, 22),
    parallelism=st.integers(1, 40),
)
def test_generations_are_filtered_as_objects_are(
    generations_gcs: Emulator,
    every_version: list[tuple[str, int, int]],
    part: tuple[str, str],
    least: int,
    parallelism: int,
) -> None:
    prefix, start = part
    selection = Selection(versions=True, start_offset=start, min_bytes=least)
    lister = ListingController(parallelism, "p", "v", prefix=prefix, selection=selection)
    lister.client = client_of(generations_gcs)
    listing = lister.listing(fields=["generation", "metadata"])
    assert rows(listing) == [
        (name, generation)
        for name, size, generation in every_version
        if name.startswith(prefix) and name >= start and size >= least
    ]
    written = [json.loads(str(text)) for text in listing.column("metadata")]
    assert written == [{"write": str(size)} for size in listing.sizes]


def test_generations_come_once_whatever_fails(generations_gcs: Emulator, controller: Make) -> None:
    expected = generations(generations_gcs, "v", versions=True)
    generations_gcs.configure(faults=[Fault("list", "empty_page", 0.2), Fault("list", "lost", 0.1)])
    try:
        lister = controller(generations_gcs, "v", selection=Selection(versions=True))
        assert rows(lister.listing(fields=["generation"])) == expected
    finally:
        generations_gcs.configure(faults=[])


def test_a_stream_of_generations_is_the_listing(generations_gcs: Emulator, controller: Make) -> None:
    lister = controller(generations_gcs, "v", selection=Selection(versions=True))
    parts = [row for part in lister.stream(fields=["generation"]) for row in rows(part)]
    assert sorted(parts) == rows(lister.listing(fields=["generation"]))


@pytest.mark.parametrize("max_composite_bytes", [0, 10_000], ids=["read one by one", "composed"])
def test_generations_that_were_listed_can_be_downloaded(
    generations_gcs: Emulator, controller: Make, max_composite_bytes: int
) -> None:
    selection = Selection(versions=True, start_offset="4/")
    listing = controller(generations_gcs, "v", selection=selection).listing(fields=["generation"])
    options = DataFluxDownloadOptimizationParams(max_composite_bytes)
    client = client_of(generations_gcs)
    contents = dataflux_download(
        "p", "v", listing, storage_client=client, dataflux_download_optimization_params=options
    )
    assert contents == [b"x" * size for size in listing.sizes]


def test_times_of_deletion_are_columns(generations_gcs: Emulator, controller: Make) -> None:
    lister = controller(generations_gcs, "s", selection=Selection(soft_deleted=True))
    listing = lister.listing(fields=["soft_delete_time", "hard_delete_time", "time_deleted"])
    columns = zip(listing.column("soft_delete_time"), listing.column("hard_delete_time"), strict=True)
    kept = {moment(str(hard)) - moment(str(soft)) for soft, hard in columns}
    assert kept == {timedelta(days=7)}
    assert set(listing.column("time_deleted")) == {""}


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def test_an_interrupted_listing_of_generations_goes_on_where_it_was(
    generations_gcs: Emulator, controller: Make, tmp_path: Any
) -> None:
    expected = generations(generations_gcs, "v", versions=True)
    selection = Selection(versions=True, updated_from=datetime(2020, 1, 1, tzinfo=timezone.utc))
    for pages in range(1, 60, 7):
        resume = tmp_path / f"{pages}"
        lister = controller(generations_gcs, "v", 4, selection=selection, resume=resume)
        parts = lister.stream(fields=["generation"])
        for _ in range(pages):
            next(parts)
        parts.close()  # type: ignore[attr-defined] # a generator
        assert resume.exists()
        assert rows(lister.listing(fields=["generation"])) == expected
        assert lister.stats.resumed_objects


def test_generations_come_once_however_often_their_listing_is_interrupted(
    generations_gcs: Emulator, controller: Make, tmp_path: Any
) -> None:
    """What one run lists again the next one must not take from the first: only the file can tell."""
    expected = generations(generations_gcs, "v", versions=True)
    for pages in range(1, 9):
        lister = controller(generations_gcs, "v", 2, selection=Selection(versions=True), resume=tmp_path / "file")
        for _ in range(4):
            parts = lister.stream(fields=["generation"])
            while lister.stats.pages < pages:
                next(parts)
            parts.close()  # type: ignore[attr-defined] # a generator
        assert rows(lister.listing(fields=["generation"])) == expected


def test_every_field_survives_a_file(generations_gcs: Emulator, controller: Make, tmp_path: Any) -> None:
    lister = controller(generations_gcs, "v", selection=Selection(versions=True))
    listing = lister.listing(fields=FIELDS)
    listing.to_parquet(tmp_path / "objects.parquet")
    read = Listing.from_parquet(tmp_path / "objects.parquet")
    assert read == listing
    assert [read.column(field) for field in FIELDS] == [listing.column(field) for field in FIELDS]
    listing.to_csv(tmp_path / "objects.csv")
    with (tmp_path / "objects.csv").open(newline="", encoding="utf-8") as file:
        assert [row["metadata"] for row in csv.DictReader(file)] == listing.column("metadata")


def test_a_column_goes_by_either_of_its_names(small_pages_gcs: Emulator, controller: Make) -> None:
    listing = controller(small_pages_gcs, "b").listing(fields=["md5Hash"])
    assert listing.fields == ("md5",)
    assert listing.column("md5Hash") == listing.column("md5")
    with pytest.raises(KeyError, match="'content_type' is not in this listing"):
        listing.column("contentType")


def test_every_storage_class_on_request(controller: Make) -> None:
    with Emulator(buckets={"b": Memory({"standard": b""})}) as gcs:
        for storage_class in ("NEARLINE", "COLDLINE", "ARCHIVE"):
            gcs.put("b", storage_class.lower(), b"", {"storageClass": storage_class})
        assert [name for name, _ in controller(gcs, "b").run()] == ["standard"]
        listing = controller(gcs, "b", allowed_storage_classes=None).listing(fields=["storageClass"])
        assert listing.column("storage_class") == ["ARCHIVE", "COLDLINE", "NEARLINE", "STANDARD"]
        cold = controller(gcs, "b", allowed_storage_classes=["COLDLINE", "ARCHIVE"])
        assert [name for name, _ in cold.run()] == ["archive", "coldline"]


def test_a_bucket_whose_users_pay_refuses_who_names_no_project(small_pages_gcs: Emulator, controller: Make) -> None:
    with pytest.raises(errors.ServiceRefused, match="requester pays"):
        controller(small_pages_gcs, "paid").run()
    assert controller(small_pages_gcs, "paid", user_project="payer").run() == [("a", 1)]


def test_helper_processes_ask_for_the_same(controller: Make, one_helper: None) -> None:
    del one_helper
    made = Synthetic("uuids", 30_000, object_bytes=(1, 100), resource={**PAID, **VERSIONED})
    selection = Selection(
        match_glob="**[0-7]", min_bytes=20, updated_from=datetime(2020, 1, 1, tzinfo=timezone.utc), versions=True
    )
    seen: set[int] = set()
    with Emulator(buckets={"b": made}, latency=Latency(list_s=0.01), max_page=300) as gcs:
        listing = controller(gcs, "b", 16, user_project="payer", selection=selection)
        listing.observer = lambda event: seen.add(event.lister)
        listed = listing.run()
        assert not gcs.requests().errors
    assert seen == {0, 1}
    names, sizes = made.names(0, 30_000), map(int, made.sizes(0, 30_000))
    assert listed == [pair for pair in zip(names, sizes, strict=True) if pair[0][-1] in "01234567" and pair[1] >= 20]
