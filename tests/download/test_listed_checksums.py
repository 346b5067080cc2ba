"""What a listing says of an object's crc32c is what comes back, or an error names the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import google_crc32c
import pytest

from dataflux_core import download, errors
from dataflux_core._data.listing import Listing
from dataflux_core._wire.page import page_of
from dataflux_core.fast_list import ListingController
from tests.download.buckets import COMPOSED, DIRECT, DRIVERS, Stocked

if TYPE_CHECKING:
    from collections.abc import Callable

Stock: TypeAlias = "Callable[[list[int]], Stocked]"


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.__name__)
def driver(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[COMPOSED, DIRECT], ids=["composed", "direct"])
def params(request: pytest.FixtureRequest) -> Any:
    return request.param


def listing_with_checksums(bucket: Stocked) -> Listing:
    controller = ListingController(4, "p", bucket.name)
    controller.client = bucket.client()
    return controller.listing(fields=["crc32c"])


@pytest.mark.usefixtures("many_processes")
def test_other_bytes_of_the_same_size_are_a_change_where_checksums_are_known(
    driver: Any, params: Any, stocked: Stock
) -> None:
    bucket = stocked([100] * 70)
    listing = listing_with_checksums(bucket)
    bucket.put("data/00040", b"x" * 100)
    with pytest.raises(errors.ObjectChanged) as caught:
        driver(bucket.client(), bucket.name, listing, params)
    before, after = (google_crc32c.value(content) for content in (bucket.contents["data/00040"], b"x" * 100))
    assert (caught.value.name, caught.value.listed, caught.value.read) == ("data/00040", before, after)
    assert bucket.temporaries() == []


@pytest.mark.usefixtures("many_processes")
def test_objects_that_are_as_listed_come_back(driver: Any, params: Any, stocked: Stock) -> None:
    bucket = stocked([0, 1, 100, 5000] * 20)
    assert driver(bucket.client(), bucket.name, listing_with_checksums(bucket), params) == bucket.expected


def test_an_object_without_a_listed_checksum_is_not_compared(driver: Any, stocked: Stock) -> None:
    bucket = stocked([10, 10])
    names, sizes = zip(*bucket.pairs, strict=True)
    listing = Listing([page_of(names, sizes, {"crc32c": ["", ""]})], ("crc32c",))
    assert driver(bucket.client(), bucket.name, listing) == bucket.expected


def test_what_a_composite_is_split_into_is_compared_too(stocked: Stock) -> None:
    bucket = stocked([3, 4])
    listing = listing_with_checksums(bucket)
    bucket.put("joined", b"xxx" + bucket.expected[1])
    with pytest.raises(errors.ObjectChanged, match="data/00000"):
        download.decompose("p", bucket.name, "joined", listing, bucket.client())
