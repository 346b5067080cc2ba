"""Temporaries that no process looks after any more are found by age."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from dataflux_core import download, errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.download.buckets import Stocked

Stock: TypeAlias = "Callable[[list[int]], Stocked]"
AT_ONCE = timedelta(0)


def with_leftovers(bucket: Stocked, count: int) -> list[str]:
    names = [f"{download.COMPOSED_PREFIX}{number:03d}" for number in range(count)]
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


@pytest.mark.parametrize("age", [timedelta(seconds=-1), 60, None])
def test_an_age_is_a_timedelta(age: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="older_than"):
        download.clean_composed_objects("b", older_than=age, storage_client=object())
