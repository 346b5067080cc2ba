"""Temporaries that no process looks after any more are found by age."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from dataflux_core import download, errors
from dataflux_core._run.clients import client_of
from dataflux_core._run.reading.leftovers import find_leftovers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
AT_ONCE = timedelta(0)


def with_leftovers(bucket: Stocked, count: int) -> list[str]:
    names = [f"{download.COMPOSED_PREFIX}{number:032x}" for number in range(count)]
    for name in names:
        bucket.put(name, b"left")
    return names


@pytest.mark.parametrize("count", [0, 1, 2, 100, 205])
def test_old_temporaries_are_removed_nothing_else(count: int, stocked: Stock) -> None:
    bucket = stocked([10] * 3)
    names = with_leftovers(bucket, count)
    removed = download.clean_composed_objects(bucket.name, older_than=AT_ONCE, storage_client=bucket.client())
    assert sorted(removed) == names
    assert [blob.name for blob in bucket.client().list_blobs(bucket.name)] == list(bucket.contents)


def test_young_temporaries_stay(stocked: Stock) -> None:
    bucket = stocked([])
    names = with_leftovers(bucket, 3)
    age = timedelta(hours=1)
    assert download.clean_composed_objects(bucket.name, older_than=age, storage_client=bucket.client()) == []
    assert bucket.temporaries() == names


def test_a_dry_run_only_names_them(stocked: Stock) -> None:
    bucket = stocked([])
    names = with_leftovers(bucket, 3)
    found = download.clean_composed_objects(
        bucket.name, older_than=AT_ONCE, storage_client=bucket.client(), dry_run=True
    )
    assert found == names
    assert bucket.temporaries() == names


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("0123456789abcdef" * 2, id="32 digits, as this package makes them"),
        pytest.param("0f8fad5b-d9cb-469f-a165-70867728950e", id="a uuid in its usual form, as upstream makes them"),
    ],
)
def test_what_a_download_makes_is_removed(name: str, stocked: Stock) -> None:
    bucket = stocked([])
    bucket.put(download.COMPOSED_PREFIX + name, b"left")
    removed = download.clean_composed_objects(bucket.name, older_than=AT_ONCE, storage_client=bucket.client())
    assert removed == [download.COMPOSED_PREFIX + name]
    assert bucket.temporaries() == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("README.txt", id="a text"),
        pytest.param("", id="the folder itself"),
        pytest.param("0" * 31, id="a digit short"),
        pytest.param("0" * 33, id="a digit long"),
        pytest.param("0123456789ABCDEF" * 2, id="capitals"),
        pytest.param("0" * 32 + ".bak", id="a copy of a temporary"),
        pytest.param("0" * 32 + "/mine", id="below a temporary's name"),
        pytest.param("kept/" + "0" * 32, id="a temporary's name in a folder"),
        pytest.param("0f8fad5bd9cb-469f-a165-70867728950e", id="a hyphen short"),
    ],
)
def test_a_name_that_no_download_makes_is_left_alone_and_counted(name: str, stocked: Stock) -> None:
    bucket = stocked([])
    bucket.put(download.COMPOSED_PREFIX + name, b"somebody's")
    client = client_of(bucket.client(), "p", download.MODIFIED_RETRY)
    found = find_leftovers(client, bucket.name, older_than=AT_ONCE)
    assert (found.objects, found.younger, found.strangers) == ([], 0, 1)
    assert download.clean_composed_objects(bucket.name, older_than=AT_ONCE, storage_client=bucket.client()) == []
    assert bucket.temporaries() == [download.COMPOSED_PREFIX + name]


@pytest.mark.parametrize("age", [timedelta(seconds=-1), 60, None])
def test_an_age_is_a_timedelta(age: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="older_than"):
        download.clean_composed_objects("b", older_than=age, storage_client=object())
